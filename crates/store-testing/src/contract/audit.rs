use std::sync::Arc;

use keyward_audit::{
    Action, Actor, ActorKind, AuditEvents, AuditLog, Event, Head, Record, Seq, Subject,
};
use keyward_auth::User;
use keyward_core::{Id, ManualClock, Store, Timestamp};
use keyward_crypto::MacRing;

use super::rows::{TEXTS, macs};
use super::run::{paged, race, read, undone, write};

/// Checks what [`AuditEvents`] promises, races included.
///
/// The chain must be empty or written by this suite, which signs with a key of its own; where it
/// is another one, call [`audit_with`]. Nobody else may write to it meanwhile.
///
/// # Panics
///
/// At the first promise that is broken.
pub fn audit<S: Store<Tx: AuditEvents>>(store: &S) {
    audit_with(store, &macs());
}

/// The same as [`audit()`], on a chain that was written with `macs`.
///
/// # Panics
///
/// At the first promise that is broken.
pub fn audit_with<S: Store<Tx: AuditEvents>>(store: &S, macs: &MacRing) {
    let head = read(store, |tx| tx.audit_head());
    assert!(
        head.is_none_or(|head| macs.holds(head.last.key_id())),
        "the audit chain of this store was written with another SECRET_KEY: empty the test \
         database, or call `audit_with` with that key"
    );
    racing_writers_leave_no_gap(store, macs);
    an_event_reads_back(store, macs);
    one_unit_of_work_can_record_twice(store, macs);
    the_event_of_a_failed_unit_of_work_is_gone(store, macs);
    pages_have_every_event_once(store, macs);
    assert_sound(store, macs);
}

/// On an empty store this is also the race for the first event, where there is no row to lock yet.
pub(crate) fn racing_writers_leave_no_gap<S: Store<Tx: AuditEvents>>(store: &S, macs: &MacRing) {
    let log = log(macs);
    let start = last_seq(store);
    let run = Id::<User>::generate().to_string();
    race(WRITERS, |writer| {
        for n in 0..EVENTS {
            let subject = Subject::new("contract", format!("{run}/{writer}"));
            let event = Event::new(Actor::host(), Action("contract.race"), subject)
                .with("n", n.to_string());
            write(store, |tx| log.record(tx, &event));
        }
    });
    let rows = read(store, |tx| tx.audit_events_after(start, i64::MAX));
    let expected = start + Seq::try_from(WRITERS * EVENTS).unwrap_or_default();
    assert_eq!(
        rows.iter().map(|row| row.fields.seq).collect::<Vec<_>>(),
        (start + 1..=expected).collect::<Vec<_>>(),
        "append_audit_events: the events of {WRITERS} concurrent writers must be numbered without \
         gaps; lock_audit_head must hold other writers back until the unit of work ends"
    );
    assert_eq!(
        last_seq(store),
        expected,
        "append_audit_events: the end of the chain was not moved"
    );
    for writer in 0..WRITERS {
        let own = format!("{run}/{writer}");
        let own: Vec<_> = (rows.iter().filter(|row| row.fields.subject_id == own))
            .map(|row| row.fields.details.clone())
            .collect();
        let expected: Vec<_> = (0..EVENTS).map(|n| format!("{{\"n\":\"{n}\"}}")).collect();
        assert_eq!(
            own, expected,
            "append_audit_events: events of one writer are lost or out of order"
        );
    }
    assert_sound(store, macs);
}

fn an_event_reads_back<S: Store<Tx: AuditEvents>>(store: &S, macs: &MacRing) {
    let log = log(macs);
    for (n, text) in TEXTS.into_iter().enumerate() {
        let optional = (n % 2 == 0).then(|| text.to_owned());
        let actor = Actor {
            kind: ActorKind::Agent,
            id: Some(text.to_owned()),
            key: optional.clone(),
            request: optional,
        };
        let event = Event::new(actor, Action("contract.text"), Subject::new("text", text))
            .with("text", text)
            .with("empty", "");
        let before = last_seq(store);
        write(store, |tx| log.record(tx, &event));
        let rows = read(store, |tx| tx.audit_events_after(before, 10));
        let [row] = rows.as_slice() else {
            panic!(
                "audit_events_after: one event was recorded, and {} are new",
                rows.len()
            );
        };
        let fields = &row.fields;
        assert_eq!(
            (fields.seq, fields.at, fields.actor_kind.as_str()),
            (before + 1, Timestamp(NOW), "agent"),
            "audit_events_after: an event came back changed"
        );
        assert_eq!(
            (&fields.actor_id, &fields.actor_key, &fields.request),
            (&event.actor.id, &event.actor.key, &event.actor.request),
            "audit_events_after: the actor of an event came back changed"
        );
        assert_eq!(
            (fields.action.as_str(), fields.subject_kind.as_str()),
            ("contract.text", "text"),
            "audit_events_after: the action of an event came back changed"
        );
        assert_eq!(
            fields.subject_id, text,
            "audit_events_after: the subject of an event came back changed"
        );
    }
    // The MACs cover every byte, that of the details included.
    assert_sound(store, macs);
}

fn one_unit_of_work_can_record_twice<S: Store<Tx: AuditEvents>>(store: &S, macs: &MacRing) {
    let log = log(macs);
    let before = last_seq(store);
    let (locked, unlocked) = write(store, |tx| {
        log.record(tx, &event("contract.first"))?;
        log.record(tx, &event("contract.second"))?;
        Ok((tx.lock_audit_head()?, tx.audit_head()?))
    });
    for (by, head) in [("lock_audit_head", locked), ("audit_head", unlocked)] {
        assert_eq!(
            head.map(|head| head.seq),
            Some(before + 2),
            "{by}: does not see what the same `write` appended"
        );
    }
    let seen = read(store, |tx| tx.audit_head());
    let rows = read(store, |tx| tx.audit_events_before(None, 1));
    let mac = rows.first().map(|row| row.mac.as_stored());
    assert_eq!(
        seen.map(|head| head.last.as_stored()),
        mac,
        "audit_head: does not carry the MAC of the last event"
    );
}

fn the_event_of_a_failed_unit_of_work_is_gone<S: Store<Tx: AuditEvents>>(
    store: &S,
    macs: &MacRing,
) {
    let log = log(macs);
    let head = |head: Option<Head>| head.map(|head| (head.seq, head.mac.as_stored()));
    let before = head(read(store, |tx| tx.audit_head()));
    undone(store, |tx| log.record(tx, &event("contract.undone")));
    assert_eq!(
        head(read(store, |tx| tx.audit_head())),
        before,
        "append_audit_events: a failed `write` moved the end of the chain"
    );
    write(store, |tx| log.record(tx, &event("contract.kept")));
    let rows = read(store, |tx| tx.audit_events_before(None, 1));
    assert_eq!(
        rows.first().map(|row| row.fields.seq),
        before.map(|(seq, _)| seq + 1),
        "append_audit_events: the number of an event that was undone must be used again"
    );
}

fn pages_have_every_event_once<S: Store<Tx: AuditEvents>>(store: &S, macs: &MacRing) {
    let log = log(macs);
    let start = last_seq(store);
    for _ in 0..7 {
        write(store, |tx| log.record(tx, &event("contract.page")));
    }
    let rising: Vec<Seq> = (start + 1..=start + 7).collect();
    for limit in [1, 2, 3, 7, 1_000] {
        let listed = paged(
            limit,
            |after, limit| {
                read(store, |tx| {
                    tx.audit_events_after(after.unwrap_or(start), limit)
                })
            },
            seq,
        );
        assert_eq!(
            listed.iter().map(seq).collect::<Vec<_>>(),
            rising,
            "audit_events_after in pages of {limit}: oldest first, each event once"
        );
        let mut before = None;
        let mut listed = Vec::new();
        while before.is_none_or(|before| before > start + 1) {
            let page = read(store, |tx| tx.audit_events_before(before, limit));
            assert!(
                !page.is_empty() && i64::try_from(page.len()).is_ok_and(|size| size <= limit),
                "audit_events_before in pages of {limit}: a page of {} events",
                page.len()
            );
            before = page.last().map(seq);
            listed.extend(page.iter().map(seq));
        }
        listed.truncate(rising.len());
        assert!(
            listed.iter().eq(rising.iter().rev()),
            "audit_events_before in pages of {limit}: newest first, each event once, not {listed:?}"
        );
    }
    let first = read(store, |tx| tx.audit_events_before(Some(1), 5));
    assert!(
        first.is_empty(),
        "audit_events_before: finds events before the first one"
    );
}

/// Panics unless the chain is what was written. [`VerifyAudit`] does the same, but has to own the
/// store.
///
/// [`VerifyAudit`]: keyward_audit::VerifyAudit
#[track_caller]
fn assert_sound<S: Store<Tx: AuditEvents>>(store: &S, macs: &MacRing) {
    let rows = paged(
        1_000,
        |after, limit| read(store, |tx| tx.audit_events_after(after.unwrap_or(0), limit)),
        seq,
    );
    let mut last: Option<&Record> = None;
    for row in &rows {
        assert!(
            row.follows(last.map(|last| &last.mac), macs),
            "the audit chain breaks at event {}; every column and MAC must be kept byte by byte, \
             and the events in the order in which they were appended",
            row.fields.seq
        );
        last = Some(row);
    }
    let head = read(store, |tx| tx.audit_head());
    assert_eq!(
        head.map(|head| (head.seq, head.last.as_stored())),
        last.map(|last| (last.fields.seq, last.mac.as_stored())),
        "audit_head: does not name the last event"
    );
}

pub(super) fn log(macs: &MacRing) -> AuditLog {
    AuditLog::new(macs.clone(), Arc::new(ManualClock::at(Timestamp(NOW))))
}

pub(super) fn event(action: &'static str) -> Event {
    Event::new(Actor::host(), Action(action), Subject::new("contract", "1"))
}

fn last_seq<S: Store<Tx: AuditEvents>>(store: &S) -> Seq {
    read(store, |tx| tx.audit_head()).map_or(0, |head| head.seq)
}

fn seq(row: &Record) -> Seq {
    row.fields.seq
}

const NOW: i64 = 1_800_000_000;
const WRITERS: usize = 8;
const EVENTS: usize = 25;
