use keyward_auth::UserId;
use keyward_core::{Store, Timestamp};
use keyward_credentials::{CredentialId, Credentials, UseCounts};

use super::credentials::credential;
use super::run::{count, race, undone, write};

/// Checks what [`UseCounts`] promises, races included. `owner` and `other` are users that exist.
///
/// # Panics
///
/// At the first promise that is broken.
pub fn use_counts<S: Store<Tx: Credentials + UseCounts>>(store: &S, owner: UserId, other: UserId) {
    as_many_uses_as_allowed_are_counted(store, owner, other);
    a_later_minute_begins_anew(store, owner);
    a_clock_that_is_a_little_behind_shares_the_count(store, owner);
    a_failed_unit_of_work_counts_no_use(store, owner);
    of_racing_uses_as_many_as_allowed_are_counted(store, owner);
    what_was_counted_goes_with_the_credential(store, owner);
}

pub(crate) fn as_many_uses_as_allowed_are_counted<S: Store<Tx: Credentials + UseCounts>>(
    store: &S,
    owner: UserId,
    other: UserId,
) {
    let (first, second) = (added(store, owner), added(store, owner));
    for (credential, user) in [(first, owner), (first, other), (second, owner)] {
        let counted = [(); 5].map(|()| used(store, credential, user, MINUTE, 3));
        assert_eq!(
            counted,
            [true, true, true, false, false],
            "count_use: three uses in a minute, for each credential and user"
        );
    }
    assert!(
        used(store, first, owner, MINUTE, 4),
        "count_use: what was refused counts too"
    );
    assert!(
        !used(store, first, owner, MINUTE, 0)
            && !used(store, added(store, owner), owner, MINUTE, 0),
        "count_use: true with a limit of 0"
    );
}

pub(crate) fn a_later_minute_begins_anew<S: Store<Tx: Credentials + UseCounts>>(
    store: &S,
    owner: UserId,
) {
    let id = added(store, owner);
    for minute in [MINUTE, MINUTE + 60, MINUTE + 86_400] {
        let counted = [(); 3].map(|()| used(store, id, owner, minute, 2));
        assert_eq!(counted, [true, true, false], "count_use: in a later minute");
    }
    let counted = [(); 3].map(|()| used(store, id, owner, MINUTE, 2));
    assert_eq!(
        counted,
        [true, true, false],
        "count_use: after the clock went back far"
    );
}

pub(crate) fn a_clock_that_is_a_little_behind_shares_the_count<
    S: Store<Tx: Credentials + UseCounts>,
>(
    store: &S,
    owner: UserId,
) {
    let id = added(store, owner);
    let uses = [
        (MINUTE, true),
        (MINUTE - 60, true),
        (MINUTE, true),
        (MINUTE - 60, false),
        (MINUTE - 120, false),
        (MINUTE, false),
    ];
    for (minute, expected) in uses {
        assert_eq!(
            used(store, id, owner, minute, 3),
            expected,
            "count_use: nodes whose clocks differ must share one count"
        );
    }
}

fn a_failed_unit_of_work_counts_no_use<S: Store<Tx: Credentials + UseCounts>>(
    store: &S,
    owner: UserId,
) {
    let id = added(store, owner);
    assert!(undone(store, |tx| tx.count_use(
        id,
        owner,
        Timestamp(MINUTE),
        1
    )));
    assert!(
        used(store, id, owner, MINUTE, 1),
        "count_use: what was undone counts"
    );
}

pub(crate) fn of_racing_uses_as_many_as_allowed_are_counted<
    S: Store<Tx: Credentials + UseCounts>,
>(
    store: &S,
    owner: UserId,
) {
    let id = added(store, owner);
    for minute in [MINUTE, MINUTE + 60] {
        let counted = race(24, |_| used(store, id, owner, minute, 5));
        assert_eq!(
            count(&counted),
            5,
            "count_use: of 24 uses at once exactly as many as the limit are counted"
        );
    }
}

fn what_was_counted_goes_with_the_credential<S: Store<Tx: Credentials + UseCounts>>(
    store: &S,
    owner: UserId,
) {
    let id = added(store, owner);
    assert!(used(store, id, owner, MINUTE, 1));
    assert!(
        write(store, |tx| tx.delete_credential(id)),
        "delete_credential: a credential that was used"
    );
    let after = store.write(|tx| tx.count_use(id, owner, Timestamp(MINUTE), 1));
    assert!(
        after.is_err(),
        "count_use: of a credential that does not exist"
    );
}

fn added<S: Store<Tx: Credentials + UseCounts>>(store: &S, owner: UserId) -> CredentialId {
    let new = credential(owner, 0);
    write(store, |tx| tx.add_credential(&new));
    new.credential.unverified().id
}

fn used<S: Store<Tx: UseCounts>>(
    store: &S,
    id: CredentialId,
    user: UserId,
    minute: i64,
    limit: u32,
) -> bool {
    write(store, |tx| tx.count_use(id, user, Timestamp(minute), limit))
}

const MINUTE: i64 = 1_800_000_000;
