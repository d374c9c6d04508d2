use keyward_audit::{
    Action, Actor, ActorKind, Anchor, AuditEvents as _, Event, Finding, Head, MalformedAnchor,
    Record, RecordFields, Seq, Subject, VerifyAudit,
};
use keyward_core::{Store as _, Timestamp};
use keyward_crypto::{Mac, MacRing};

use crate::world::{World, is_corrupt, new_macs};

type Change = fn(&mut RecordFields);

const EVENTS: Seq = 7;

/// A chain of seven events.
fn world() -> World {
    let world = World::new();
    record(&world, EVENTS);
    assert_eq!(findings(&world), []);
    world
}

fn record(world: &World, events: Seq) {
    for n in 0..events {
        let actor = Actor {
            kind: ActorKind::Human,
            id: Some("user-1".to_owned()),
            key: Some("key-1".to_owned()),
            request: Some(format!("request-{n}")),
        };
        let subject = Subject::new("credential", n);
        let event = Event::new(actor, Action("credential.access"), subject).with("field", "token");
        world
            .store
            .write(|tx| world.log().record(tx, &event))
            .unwrap();
        world.clock.advance(1);
    }
}

fn verify(world: &World) -> VerifyAudit<std::sync::Arc<keyward_store_testing::MemoryStore>> {
    VerifyAudit::new(world.store.clone(), world.macs.clone())
}

fn findings(world: &World) -> Vec<Finding> {
    verify(world).verify(None).unwrap().findings
}

fn row(world: &World, seq: Seq) -> Record {
    let rows = world.store.read(|tx| tx.audit_events_after(seq - 1, 1));
    rows.unwrap().into_iter().next().unwrap()
}

fn missing(first: Seq, last: Seq) -> Finding {
    Finding::Missing { first, last }
}

#[test]
fn an_untouched_chain_has_no_findings() {
    let world = World::new();
    assert_eq!(findings(&world), []);
    assert_eq!(verify(&world).anchor().unwrap(), None);
    // More than one page.
    record(&world, 1_100);
    let report = verify(&world).verify(None).unwrap();
    assert_eq!((report.events, report.findings), (1_100, vec![]));
}

#[test]
fn every_changed_column_is_found() {
    let changes: [(&str, Change); 12] = [
        ("at", |row| row.at = row.at.plus(1)),
        ("actor_kind", |row| row.actor_kind = "system".to_owned()),
        ("actor_id", |row| row.actor_id = Some("user-2".to_owned())),
        ("actor_id", |row| row.actor_id = None),
        ("actor_key", |row| row.actor_key = Some("key-2".to_owned())),
        ("actor_key", |row| row.actor_key = None),
        ("request", |row| row.request = None),
        ("action", |row| row.action = "credential.list".to_owned()),
        ("subject_kind", |row| row.subject_kind = "user".to_owned()),
        ("subject_id", |row| row.subject_id = "9".to_owned()),
        ("details", |row| {
            row.details = r#"{"field": "token"}"#.to_owned();
        }),
        ("two columns", |row| {
            // The same letters, moved over the border.
            row.subject_kind = "credentia".to_owned();
            row.subject_id.insert(0, 'l');
        }),
    ];
    for seq in [1, 4, EVENTS] {
        for (what, change) in changes {
            let world = world();
            world
                .store
                .tamper(|rows| assert!(rows.edit_audit_event(seq, change)));
            assert_eq!(findings(&world), [Finding::Changed(seq)], "{what} of {seq}");
        }
    }
}

#[test]
fn a_changed_mac_breaks_the_row_and_the_one_behind_it() {
    let world = world();
    let mut changed = row(&world, 4);
    changed.mac = row(&world, 5).mac;
    world.store.tamper(|rows| rows.put_audit_event(changed));
    assert_eq!(findings(&world), [Finding::Changed(4), Finding::Changed(5)]);
}

#[test]
fn a_row_whose_mac_cannot_be_read_is_found_as_changed() {
    let world = world();
    let mut changed = row(&world, 4);
    changed.mac = Mac::unreadable();
    world.store.tamper(|rows| rows.put_audit_event(changed));
    assert_eq!(findings(&world), [Finding::Changed(4), Finding::Changed(5)]);
    let mut last = row(&world, EVENTS);
    last.mac = Mac::unreadable();
    world.store.tamper(|rows| rows.put_audit_event(last));
    let expected = [4, 5, EVENTS].map(Finding::Changed).into_iter();
    let expected: Vec<_> = expected.chain([Finding::End]).collect();
    assert_eq!(findings(&world), expected);
}

#[test]
fn a_lost_end_is_found_in_an_empty_log_too() {
    let world = World::new();
    let head = Some(Head::unreadable());
    world.store.tamper(|rows| rows.set_audit_head(head));
    assert_eq!(findings(&world), [Finding::End]);
    let event = Event::new(Actor::host(), Action("x.y"), Subject::new("x", 1));
    let recorded = world.store.write(|tx| world.log().record(tx, &event));
    assert!(is_corrupt(&recorded.unwrap_err()));
}

#[test]
fn an_end_that_is_not_genuine_gives_no_anchor() {
    let world = world();
    let mut forged = world.store.read(|tx| tx.audit_head()).unwrap().unwrap();
    forged.seq -= 1;
    for head in [forged, Head::unreadable()] {
        world.store.tamper(|rows| rows.set_audit_head(Some(head)));
        assert!(is_corrupt(&verify(&world).anchor().unwrap_err()));
    }
}

#[test]
fn an_anchor_names_the_first_event_or_a_later_one() {
    let world = world();
    let mac = row(&world, 1).mac.as_stored();
    let first = format!("kwa1.1.{mac}").parse::<Anchor>().unwrap();
    assert_eq!(verify(&world).verify(Some(&first)).unwrap().findings, []);
    for seq in ["0", "-1", "-9223372036854775808", "9223372036854775808"] {
        let parsed = format!("kwa1.{seq}.{mac}").parse::<Anchor>();
        assert_eq!(parsed, Err(MalformedAnchor), "{seq}");
    }
}

#[test]
fn a_row_that_was_rewritten_with_another_secret_key_is_found() {
    let world = world();
    let previous = row(&world, 3).mac;
    let forged = RecordFields {
        action: "credential.list".to_owned(),
        ..row(&world, 4).fields
    };
    let forged = forged.sign(Some(&previous), &new_macs());
    world.store.tamper(|rows| rows.put_audit_event(forged));
    assert_eq!(
        findings(&world),
        [Finding::UnknownKey(4), Finding::Changed(5)]
    );
}

#[test]
fn removed_rows_are_found() {
    let cases: [(&[Seq], &[Finding]); 5] = [
        (&[1], &[missing(1, 1)]),
        (&[4], &[missing(4, 4)]),
        (&[EVENTS], &[missing(7, 7)]),
        (&[2, 3, 6], &[missing(2, 3), missing(6, 6)]),
        (&[1, 2, 3, 4, 5, 6, 7], &[missing(1, 7)]),
    ];
    for (removed, expected) in cases {
        let world = world();
        world.store.tamper(|rows| {
            for seq in removed {
                rows.remove_audit_event(*seq).unwrap();
            }
        });
        assert_eq!(findings(&world), expected, "without {removed:?}");
    }
}

#[test]
fn a_row_that_was_added_at_the_end_is_found() {
    let world = world();
    let fields = RecordFields {
        seq: EVENTS + 1,
        ..row(&world, 4).fields
    };
    let copied = Record {
        fields: fields.clone(),
        mac: row(&world, 4).mac,
    };
    world.store.tamper(|rows| rows.put_audit_event(copied));
    assert_eq!(findings(&world), [Finding::Changed(8), Finding::End]);

    let last = row(&world, EVENTS).mac;
    let forged = fields.sign(Some(&last), &new_macs());
    world.store.tamper(|rows| rows.put_audit_event(forged));
    assert_eq!(findings(&world), [Finding::UnknownKey(8), Finding::End]);
}

#[test]
fn a_row_that_was_inserted_in_the_middle_is_found() {
    let world = world();
    let inserted = row(&world, 4);
    world.store.tamper(|rows| {
        // Everything from the fourth row on moves up by one.
        for seq in (4..=EVENTS).rev() {
            let mut moved = rows.remove_audit_event(seq).unwrap();
            moved.fields.seq = seq + 1;
            rows.put_audit_event(moved);
        }
        rows.put_audit_event(inserted);
    });
    let expected: Vec<_> = (5..=EVENTS + 1).map(Finding::Changed).collect();
    assert_eq!(findings(&world), expected);
}

#[test]
fn a_row_that_was_inserted_before_the_first_is_found() {
    for seq in [0, -5] {
        let world = world();
        let mut inserted = row(&world, 4);
        inserted.fields.seq = seq;
        world.store.tamper(|rows| rows.put_audit_event(inserted));
        assert_eq!(findings(&world), [Finding::Changed(seq)]);
    }
}

#[test]
fn swapped_rows_are_found() {
    let cases: [(Seq, Seq, &[Seq], bool); 4] = [
        (3, 4, &[3, 4, 5], false),
        (2, 5, &[2, 3, 5, 6], false),
        (1, 2, &[1, 2, 3], false),
        (6, 7, &[6, 7], true),
    ];
    for (one, other, changed, end) in cases {
        let world = world();
        world
            .store
            .tamper(|rows| assert!(rows.swap_audit_events(one, other)));
        let mut expected: Vec<_> = changed.iter().copied().map(Finding::Changed).collect();
        expected.extend(end.then_some(Finding::End));
        assert_eq!(findings(&world), expected, "{one} and {other}");
    }
}

#[test]
fn a_lost_or_changed_end_is_found_and_nothing_is_recorded_behind_it() {
    let world = world();
    let head = world.store.read(|tx| tx.audit_head()).unwrap().unwrap();
    let mut moved = head.clone();
    moved.seq -= 1;
    let mut forged = head.clone();
    forged.mac = head.last.clone();
    for head in [None, Some(moved), Some(forged), Some(Head::unreadable())] {
        world.store.tamper(|rows| rows.set_audit_head(head));
        assert_eq!(findings(&world), [Finding::End]);
        let event = Event::new(Actor::host(), Action("x.y"), Subject::new("x", 1));
        let recorded = world.store.write(|tx| world.log().record(tx, &event));
        assert!(recorded.is_err());
    }
}

#[test]
fn a_chain_that_was_put_back_is_found_only_with_an_anchor() {
    let world = world();
    let early = verify(&world).anchor().unwrap().unwrap();
    let head = world.store.read(|tx| tx.audit_head()).unwrap();
    record(&world, 3);
    let late = verify(&world).anchor().unwrap().unwrap();

    world.store.tamper(|rows| {
        for seq in EVENTS + 1..=EVENTS + 3 {
            rows.remove_audit_event(seq).unwrap();
        }
        rows.set_audit_head(head);
    });

    let with = |anchor: &Anchor| verify(&world).verify(Some(anchor)).unwrap().findings;
    assert_eq!(findings(&world), [], "the documented limit");
    assert_eq!(
        with(&early),
        [],
        "an anchor from before sees nothing either"
    );
    assert_eq!(with(&late), [Finding::Anchor(10)]);

    // The chain grows past the anchor again, with other events.
    record(&world, 5);
    assert_eq!(findings(&world), []);
    assert_eq!(with(&late), [Finding::Anchor(10)]);
    assert_eq!(
        with(&late.to_string().parse().unwrap()),
        [Finding::Anchor(10)]
    );
}

#[test]
fn an_emptied_log_is_found_only_with_an_anchor() {
    let world = world();
    let anchor = verify(&world).anchor().unwrap().unwrap();
    world.store.tamper(|rows| {
        for seq in 1..=EVENTS {
            rows.remove_audit_event(seq).unwrap();
        }
        rows.set_audit_head(None);
    });
    assert_eq!(findings(&world), [], "the documented limit");
    let report = verify(&world).verify(Some(&anchor)).unwrap();
    assert_eq!(report.findings, [Finding::Anchor(EVENTS)]);
}

#[test]
fn a_chain_goes_on_under_a_new_secret_key() {
    let mut world = World::new();
    let (old, new) = (MacRing::generate_secret(), MacRing::generate_secret());
    world.macs = MacRing::parse(old.expose()).unwrap();
    record(&world, 2);
    world.macs = MacRing::parse(&format!("{},{}", new.expose(), old.expose())).unwrap();
    record(&world, 2);
    assert_eq!(findings(&world), []);

    world.macs = MacRing::parse(new.expose()).unwrap();
    let expected = [Finding::UnknownKey(1), Finding::UnknownKey(2)];
    assert_eq!(findings(&world), expected);
}

#[test]
fn times_stand_in_the_chain_as_the_clock_said_them() {
    let world = world();
    let times: Vec<Timestamp> = (world.events().iter()).map(|row| row.fields.at).collect();
    assert!(times.is_sorted());
    assert_eq!(times.first(), Some(&crate::world::NOW));
}
