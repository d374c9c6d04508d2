use keyward_auth::{PendingTotp, SecondFactors, TotpSecrets, UserId, Users};
use keyward_core::{Id, Store, StoreError, Timestamp};
use keyward_crypto::{EncryptedString, Mac, RecoveryCode};

use super::rows::{added_user, macs};
use super::run::{count, race, read, undone, write};

/// Checks what [`SecondFactors`] promises, races included.
///
/// # Panics
///
/// At the first promise that is broken.
pub fn second_factors<S: Store<Tx: SecondFactors + Users>>(store: &S) {
    let (user, other) = (added_user(store), added_user(store));
    second_factors_of(store, user, other);
    secrets_of_nobody_are_refused(store);
}

/// The same as [`second_factors()`] for a store that adds no users by [`Users`]: `user` and
/// `other` must be two users that it knows, if it knows any, without second factors.
///
/// # Panics
///
/// At the first promise that is broken.
pub fn second_factors_of<S: Store<Tx: SecondFactors>>(store: &S, user: UserId, other: UserId) {
    secrets_read_back(store, user, other);
    recovery_codes_are_replaced_together(store, user, other);
    a_recovery_code_is_used_once(store, user, other);
    a_failed_unit_of_work_changes_no_factor(store, user);
    of_racing_uses_of_a_recovery_code_one_succeeds(store, user);
}

pub(crate) fn secrets_read_back<S: Store<Tx: SecondFactors>>(
    store: &S,
    user: UserId,
    other: UserId,
) {
    assert_eq!(
        secrets(store, user),
        TotpSecrets::default(),
        "totp_secrets: somebody who never enrolled has secrets"
    );
    let active = Some(sealed("active"));
    let pending = |end| {
        Some(PendingTotp {
            secret: sealed("pending"),
            expires_at: Timestamp(end),
        })
    };
    for (active, pending) in [
        (None, pending(1_800_000_900)),
        (active.clone(), None),
        (active.clone(), pending(-1)),
        (Some(sealed(&"x".repeat(5_000))), pending(i64::MAX)),
        (None, None),
        (active, pending(0)),
    ] {
        let new = TotpSecrets { active, pending };
        write(store, |tx| tx.set_totp_secrets(user, &new));
        assert_eq!(
            secrets(store, user),
            new,
            "set_totp_secrets: something came back other than it was stored; what is None must be \
             written too"
        );
        assert_eq!(
            secrets(store, other),
            TotpSecrets::default(),
            "set_totp_secrets: gave secrets to somebody else"
        );
    }
}

fn recovery_codes_are_replaced_together<S: Store<Tx: SecondFactors>>(
    store: &S,
    user: UserId,
    other: UserId,
) {
    assert_eq!(
        codes(store, user),
        [""; 0],
        "recovery_codes: somebody has codes who got none"
    );
    let others = drawn(2, other);
    write(store, |tx| tx.set_recovery_codes(other, &others));
    for number in [10, 3, 0, 10] {
        let new = drawn(number, user);
        write(store, |tx| tx.set_recovery_codes(user, &new));
        assert_eq!(
            codes(store, user),
            stored(&new),
            "set_recovery_codes: the codes that are left must be the new ones and no others"
        );
    }
    assert_eq!(
        codes(store, other),
        stored(&others),
        "set_recovery_codes: changed the codes of somebody else"
    );
}

pub(crate) fn a_recovery_code_is_used_once<S: Store<Tx: SecondFactors>>(
    store: &S,
    user: UserId,
    other: UserId,
) {
    let (mine, others) = (drawn(4, user), drawn(1, other));
    write(store, |tx| {
        tx.set_recovery_codes(user, &mine)?;
        tx.set_recovery_codes(other, &others)
    });
    let attempts = [
        (user, &mine[1], true),
        (user, &mine[1], false),
        (user, &others[0], false),
        (other, &mine[0], false),
        (user, &mine[3], true),
        (Id::generate(), &mine[0], false),
    ];
    for (whose, code, expected) in attempts {
        assert_eq!(
            write(store, |tx| tx.use_recovery_code(whose, code)),
            expected,
            "use_recovery_code: true exactly once for each code of the person"
        );
    }
    let left = [mine[0].clone(), mine[2].clone()];
    assert_eq!(
        codes(store, user),
        stored(&left),
        "use_recovery_code: those that were used must be gone, and no others"
    );
    assert_eq!(
        codes(store, other),
        stored(&others),
        "use_recovery_code: took a code of somebody else"
    );
}

fn a_failed_unit_of_work_changes_no_factor<S: Store<Tx: SecondFactors>>(store: &S, user: UserId) {
    let kept = drawn(2, user);
    write(store, |tx| tx.set_recovery_codes(user, &kept));
    let before = secrets(store, user);
    let taken = undone(store, |tx| {
        let taken = tx.use_recovery_code(user, &kept[0])?;
        tx.set_recovery_codes(user, &[])?;
        tx.set_totp_secrets(user, &TotpSecrets::default())?;
        Ok(taken)
    });
    assert!(taken, "use_recovery_code: false for a code that is there");
    assert_eq!(
        (secrets(store, user), codes(store, user)),
        (before, stored(&kept)),
        "what a failed `write` did to second factors was kept"
    );
}

fn secrets_of_nobody_are_refused<S: Store<Tx: SecondFactors>>(store: &S) {
    let nobody = Id::generate();
    let secret = TotpSecrets {
        active: Some(sealed("active")),
        pending: None,
    };
    let outcomes: [Result<(), StoreError>; 2] = [
        store.write(|tx| tx.set_totp_secrets(nobody, &secret)),
        store.write(|tx| tx.set_recovery_codes(nobody, &drawn(1, nobody))),
    ];
    for outcome in outcomes {
        assert!(
            matches!(outcome, Err(StoreError::Backend(_))),
            "second factors of a user that does not exist must be StoreError::Backend (a foreign \
             key), not {outcome:?}"
        );
    }
}

pub(crate) fn of_racing_uses_of_a_recovery_code_one_succeeds<S: Store<Tx: SecondFactors>>(
    store: &S,
    user: UserId,
) {
    let mine = drawn(3, user);
    write(store, |tx| tx.set_recovery_codes(user, &mine));
    let taken = race(RACERS, |racer| {
        let code = &mine[racer % 2];
        write(store, |tx| tx.use_recovery_code(user, code))
    });
    assert_eq!(
        count(&taken),
        2,
        "use_recovery_code: of {RACERS} racing calls with two codes exactly one for each must \
         return true; the row must be deleted by the statement that looks for it"
    );
    assert_eq!(
        codes(store, user),
        stored(&mine[2..]),
        "use_recovery_code: in a race the wrong codes were taken out"
    );
}

fn sealed(text: &str) -> EncryptedString {
    EncryptedString::from_stored(format!("v1.0123456789abcdef.{text}"))
}

fn drawn(number: usize, user: UserId) -> Vec<Mac> {
    let code = || RecoveryCode::generate().mac(&macs(), user.as_bytes());
    (0..number).map(|_| code()).collect()
}

/// The stored form, in order.
fn stored(codes: &[Mac]) -> Vec<String> {
    let mut stored: Vec<_> = codes.iter().map(Mac::as_stored).collect();
    stored.sort();
    stored
}

#[track_caller]
fn secrets<S: Store<Tx: SecondFactors>>(store: &S, user: UserId) -> TotpSecrets {
    read(store, |tx| tx.totp_secrets(user))
}

#[track_caller]
fn codes<S: Store<Tx: SecondFactors>>(store: &S, user: UserId) -> Vec<String> {
    stored(&read(store, |tx| tx.recovery_codes(user)))
}

const RACERS: usize = 24;
