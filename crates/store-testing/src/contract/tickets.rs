use keyward_auth::{LoginTickets, TicketRecord, UserId, Users};
use keyward_core::{Id, Store, StoreError, Timestamp};
use keyward_crypto::{LoginTicket, Signed, TicketId};

use super::rows::{added_user, assert_same, macs, sign};
use super::run::{count, race, undone, write};

/// Checks what [`LoginTickets`] promises, races included.
///
/// # Panics
///
/// At the first promise that is broken.
pub fn login_tickets<S: Store<Tx: LoginTickets + Users>>(store: &S) {
    let (user, other) = (added_user(store), added_user(store));
    login_tickets_of(store, user, other);
    a_ticket_of_nobody_is_refused(store);
}

/// The same as [`login_tickets()`] for a store that adds no users by [`Users`]: `user` and `other`
/// must be two users that it knows, if it knows any.
///
/// # Panics
///
/// At the first promise that is broken.
pub fn login_tickets_of<S: Store<Tx: LoginTickets>>(store: &S, user: UserId, other: UserId) {
    a_ticket_reads_back(store, user);
    an_unknown_ticket_is_none(store, user);
    a_ticket_is_tried_so_often(store, user);
    a_ticket_ends_at_its_time(store, user);
    a_ticket_is_used_once(store, user);
    tickets_of_one_user_are_voided(store, user, other);
    ended_tickets_are_forgotten(store, user);
    a_failed_unit_of_work_leaves_the_tickets(store, user);
    of_racing_tries_as_many_as_allowed_get_the_ticket(store, user);
    of_racing_uses_of_a_ticket_one_succeeds(store, user);
}

fn a_ticket_reads_back<S: Store<Tx: LoginTickets>>(store: &S, user: UserId) {
    for expires_at in [NOW + 1, 253_402_300_799, i64::MAX] {
        let ticket = added(store, user, expires_at);
        let found = look_and_try_at(store, &ticket, NOW, 5);
        let found = found.unwrap_or_else(|| panic!("try_ticket: does not find a new ticket"));
        assert_same(&found, &ticket, "try_ticket");
    }
}

fn an_unknown_ticket_is_none<S: Store<Tx: LoginTickets>>(store: &S, user: UserId) {
    let unknown = ticket(user, NOW + 300);
    assert!(
        try_at(store, &unknown, NOW, 5).is_none() && !used(store, &unknown),
        "try_ticket, use_ticket: find a ticket under an id that none has"
    );
    let known = added(store, user, NOW + 300);
    let id = id(&known);
    for other in [id.as_str().to_lowercase(), id.as_str().to_uppercase()] {
        if let Some(other) = TicketId::parse(&other).filter(|other| *other != id) {
            let found = write(store, |tx| tx.try_ticket(other, Timestamp(NOW), 5));
            assert!(
                found.is_none(),
                "try_ticket: ids of tickets must be compared with case"
            );
        }
    }
}

pub(crate) fn a_ticket_is_tried_so_often<S: Store<Tx: LoginTickets>>(store: &S, user: UserId) {
    let ticket = added(store, user, NOW + 300);
    let bystander = added(store, user, NOW + 300);
    let tries = [(0, false), (2, true), (2, true), (2, false), (2, false)];
    for (at_most, expected) in tries.into_iter().chain([(3, true), (3, false), (0, false)]) {
        assert_eq!(
            look_and_try_at(store, &ticket, NOW, at_most).is_some(),
            expected,
            "try_ticket: of up to {at_most} tries; every one that gets the ticket must be counted, \
             and no other"
        );
    }
    assert!(
        look_and_try_at(store, &bystander, NOW, 1).is_some(),
        "try_ticket: a try of one ticket was counted for another one"
    );
}

pub(crate) fn a_ticket_ends_at_its_time<S: Store<Tx: LoginTickets>>(store: &S, user: UserId) {
    let ticket = added(store, user, NOW + 300);
    for (now, expected) in [
        (NOW + 299, true),
        (NOW + 300, false),
        (NOW + 301, false),
        (i64::MAX, false),
        (i64::MIN, true),
    ] {
        assert_eq!(
            look_and_try_at(store, &ticket, now, 5).is_some(),
            expected,
            "try_ticket: a ticket ends at its time, and not before"
        );
    }
    assert!(
        look_and_try_at(store, &ticket, NOW, 3).is_some(),
        "try_ticket: a try after the end was counted"
    );
}

pub(crate) fn a_ticket_is_used_once<S: Store<Tx: LoginTickets>>(store: &S, user: UserId) {
    let ticket = added(store, user, NOW + 300);
    let bystander = added(store, user, NOW + 300);
    for expected in [true, false] {
        assert_eq!(
            used(store, &ticket),
            expected,
            "use_ticket: a ticket can be used exactly once"
        );
    }
    assert!(
        look_and_try_at(store, &ticket, NOW, 5).is_none(),
        "try_ticket: finds a ticket that was used"
    );
    assert!(
        used(store, &bystander),
        "use_ticket: took another ticket out too"
    );
}

pub(crate) fn tickets_of_one_user_are_voided<S: Store<Tx: LoginTickets>>(
    store: &S,
    user: UserId,
    other: UserId,
) {
    let mine = [added(store, user, NOW + 300), added(store, user, NOW - 1)];
    let others = added(store, other, NOW + 300);
    write(store, |tx| tx.void_tickets(user));
    for ticket in &mine {
        assert!(
            !used(store, ticket),
            "void_tickets: left a ticket of the user"
        );
    }
    assert!(
        try_at(store, &others, NOW, 5).is_some(),
        "void_tickets: took a ticket of another user out"
    );
}

fn ended_tickets_are_forgotten<S: Store<Tx: LoginTickets>>(store: &S, user: UserId) {
    let [ended, ending, open] = [-1, 0, 1].map(|n| added(store, user, OLD + n));
    write(store, |tx| tx.forget_tickets(Timestamp(OLD)));
    assert!(
        !used(store, &ended),
        "forget_tickets: left a ticket that ended before"
    );
    assert!(
        used(store, &ending) && used(store, &open),
        "forget_tickets: a ticket that ends then or later was dropped"
    );
}

fn a_failed_unit_of_work_leaves_the_tickets<S: Store<Tx: LoginTickets>>(store: &S, user: UserId) {
    let kept = added(store, user, NOW + 300);
    let lost = ticket(user, NOW + 300);
    undone(store, |tx| {
        tx.add_ticket(&lost)?;
        tx.try_ticket(id(&kept), Timestamp(NOW), 1)?;
        tx.void_tickets(user)
    });
    assert!(
        try_at(store, &lost, NOW, 5).is_none(),
        "add_ticket: the ticket of a failed `write` was kept"
    );
    assert!(
        try_at(store, &kept, NOW, 1).is_some(),
        "try_ticket, void_tickets: what a failed `write` did was kept"
    );
}

fn a_ticket_of_nobody_is_refused<S: Store<Tx: LoginTickets>>(store: &S) {
    let orphan = ticket(Id::generate(), NOW + 300);
    let outcome: Result<(), StoreError> = store.write(|tx| tx.add_ticket(&orphan));
    assert!(
        matches!(outcome, Err(StoreError::Backend(_))),
        "add_ticket: a ticket of a user that does not exist must be StoreError::Backend (a \
         foreign key), not {outcome:?}"
    );
}

pub(crate) fn of_racing_tries_as_many_as_allowed_get_the_ticket<S: Store<Tx: LoginTickets>>(
    store: &S,
    user: UserId,
) {
    let ticket = added(store, user, NOW + 300);
    let tried = race(RACERS, |_| try_at(store, &ticket, NOW, 5).is_some());
    assert_eq!(
        count(&tried),
        5,
        "try_ticket: of {RACERS} racing calls exactly 5 must get the ticket; test and update must \
         be one statement"
    );
}

pub(crate) fn of_racing_uses_of_a_ticket_one_succeeds<S: Store<Tx: LoginTickets>>(
    store: &S,
    user: UserId,
) {
    let ticket = added(store, user, NOW + 300);
    let answers = race(RACERS, |_| used(store, &ticket));
    assert_eq!(
        count(&answers),
        1,
        "use_ticket: of {RACERS} racing calls exactly one must return true; the row must be \
         deleted by the statement that looks for it"
    );
}

fn ticket(user: UserId, expires_at: i64) -> Signed<TicketRecord> {
    let ticket = LoginTicket::generate();
    sign(TicketRecord {
        id: ticket.id(),
        ticket_mac: ticket.mac(&macs()),
        user,
        expires_at: Timestamp(expires_at),
    })
}

#[track_caller]
fn added<S: Store<Tx: LoginTickets>>(
    store: &S,
    user: UserId,
    expires_at: i64,
) -> Signed<TicketRecord> {
    let ticket = ticket(user, expires_at);
    write(store, |tx| tx.add_ticket(&ticket));
    ticket
}

fn id(ticket: &Signed<TicketRecord>) -> TicketId {
    ticket.unverified().id
}

#[track_caller]
fn try_at<S: Store<Tx: LoginTickets>>(
    store: &S,
    ticket: &Signed<TicketRecord>,
    now: i64,
    at_most: i64,
) -> Option<Signed<TicketRecord>> {
    write(store, |tx| {
        tx.try_ticket(id(ticket), Timestamp(now), at_most)
    })
}

/// [`try_at`], after a look at the ticket.
fn look_and_try_at<S: Store<Tx: LoginTickets>>(
    store: &S,
    ticket: &Signed<TicketRecord>,
    now: i64,
    at_most: i64,
) -> Option<Signed<TicketRecord>> {
    let looked = write(store, |tx| {
        tx.ticket_to_try(id(ticket), Timestamp(now), at_most)
    });
    let tried = try_at(store, ticket, now, at_most);
    assert_eq!(
        looked.as_ref().map(Signed::mac),
        tried.as_ref().map(Signed::mac),
        "ticket_to_try: finds what try_ticket then gives, which ends at its time; only a try must \
         be counted"
    );
    tried
}

#[track_caller]
fn used<S: Store<Tx: LoginTickets>>(store: &S, ticket: &Signed<TicketRecord>) -> bool {
    write(store, |tx| tx.use_ticket(id(ticket)))
}

const RACERS: usize = 24;
const NOW: i64 = 1_800_000_000;
/// Before everything else in any store.
const OLD: i64 = 1_000;
