use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use keyward_auth::{Answer, IdempotencyKey, IdempotencyKeys, StoredAnswer, User, UserId, Users};
use keyward_core::{Id, Store, Timestamp};
use keyward_crypto::MacPurpose;

use super::rows::{added_user, macs};
use super::run::{OnPurpose, count, race, read, undone, works, write};

/// Checks what [`IdempotencyKeys`] promises, races included.
///
/// # Panics
///
/// At the first promise that is broken.
pub fn idempotency<S: Store<Tx: IdempotencyKeys + Users>>(store: &S) {
    let (user, other) = (added_user(store), added_user(store));
    idempotency_of(store, user, other);
}

/// The same as [`idempotency()`] for a store that adds no users by [`Users`]: `user` and `other`
/// must be two users that it knows, if it knows any.
///
/// # Panics
///
/// At the first promise that is broken.
pub fn idempotency_of<S: Store<Tx: IdempotencyKeys>>(store: &S, user: UserId, other: UserId) {
    a_claim_is_kept_once(store, user);
    an_answer_replaces_that_of_the_claim(store, user);
    keys_are_exact(store, user);
    users_never_meet(store, user, other);
    a_claim_that_is_undone_is_free(store, user);
    old_answers_are_forgotten(store, user, other);
    of_racing_claims_one_is_kept(store, user);
    a_claim_that_is_undone_goes_to_another(store, user);
}

fn a_claim_is_kept_once<S: Store<Tx: IdempotencyKeys>>(store: &S, user: UserId) {
    let first = claim(user, "first");
    let second = StoredAnswer {
        key: first.key.clone(),
        ..claim(user, "second")
    };
    assert!(
        find(store, &first).is_none(),
        "stored_answer: finds an answer that nobody claimed"
    );
    let (kept, again, seen) = write(store, |tx| {
        Ok((
            tx.claim_answer(&first)?,
            tx.claim_answer(&second)?,
            tx.stored_answer(user, &first.key)?,
        ))
    });
    assert!(kept, "claim_answer: false although the key is new");
    assert!(!again, "claim_answer: true twice in one `write`");
    let seen = seen.unwrap_or_else(|| panic!("stored_answer: a `write` misses its own claim"));
    assert_same(&seen, &first);
    let later = write(store, |tx| {
        let later = tx.claim_answer(&second)?;
        Ok((later, tx.stored_answer(user, &first.key)?.is_some()))
    });
    assert_eq!(
        later,
        (false, true),
        "claim_answer: a key that was claimed before must be false, and the same `write` must be \
         able to go on and read the answer"
    );
    let found = find(store, &first).unwrap_or_else(|| panic!("claim_answer: lost a claim"));
    assert_same(&found, &first);
}

fn an_answer_replaces_that_of_the_claim<S: Store<Tx: IdempotencyKeys>>(store: &S, user: UserId) {
    let claim = claim(user, "answered");
    let bystander = self::claim(user, "bystander");
    // Long enough for no column of limited length.
    let answer = Answer(format!("{{\"name\":\"Δ🗝️{}\"}}", "x".repeat(20_000)));
    write(store, |tx| {
        tx.claim_answer(&claim)?;
        tx.claim_answer(&bystander)?;
        tx.keep_answer(user, &claim.key, &answer)
    });
    let found = find(store, &claim).unwrap_or_else(|| panic!("keep_answer: lost the claim"));
    assert_same(
        &found,
        &StoredAnswer {
            answer,
            ..claim.clone()
        },
    );
    let found = find(store, &bystander).unwrap_or_else(|| panic!("keep_answer: lost a claim"));
    assert_same(&found, &bystander);
}

fn keys_are_exact<S: Store<Tx: IdempotencyKeys>>(store: &S, user: UserId) {
    let stem = Id::<User>::generate().to_string();
    let long = format!("{stem}{}", "k".repeat(255 - stem.len()));
    let other_long = format!("{}l", &long[..254]);
    for text in [&format!("{stem}a"), &format!("{stem}A"), &long, &other_long] {
        let claim = StoredAnswer {
            key: key(text),
            ..claim(user, "exact")
        };
        assert!(
            write(store, |tx| tx.claim_answer(&claim)),
            "claim_answer: keys that differ by case or in the last of 255 characters differ"
        );
    }
}

pub(crate) fn users_never_meet<S: Store<Tx: IdempotencyKeys>>(
    store: &S,
    user: UserId,
    other: UserId,
) {
    let mine = claim(user, "mine");
    let theirs = StoredAnswer {
        key: mine.key.clone(),
        ..claim(other, "theirs")
    };
    assert!(write(store, |tx| tx.claim_answer(&mine)));
    assert!(
        find(store, &theirs).is_none(),
        "stored_answer: a user sees the answer of another one"
    );
    assert!(
        write(store, |tx| tx.claim_answer(&theirs)),
        "claim_answer: a key of one user must not be taken for another one's"
    );
    let answer = Answer("theirs".to_owned());
    write(store, |tx| tx.keep_answer(other, &theirs.key, &answer));
    let found = find(store, &mine).unwrap_or_else(|| panic!("keep_answer: lost another's claim"));
    assert_same(&found, &mine);
}

fn a_claim_that_is_undone_is_free<S: Store<Tx: IdempotencyKeys>>(store: &S, user: UserId) {
    let claim = claim(user, "undone");
    assert!(undone(store, |tx| tx.claim_answer(&claim)));
    assert!(
        find(store, &claim).is_none(),
        "claim_answer: the claim of a failed `write` was kept"
    );
    assert!(
        write(store, |tx| tx.claim_answer(&claim)),
        "claim_answer: the claim of a failed `write` cannot be made again"
    );
}

pub(crate) fn old_answers_are_forgotten<S: Store<Tx: IdempotencyKeys>>(
    store: &S,
    user: UserId,
    other: UserId,
) {
    // Long ago, so that nothing is forgotten that the store had before.
    let at = |seconds, user| StoredAnswer {
        created_at: Timestamp(seconds),
        ..claim(user, "old")
    };
    let (old, border, new) = (at(-9_000, user), at(-8_000, user), at(-7_000, other));
    let old_of_other = at(-9_000, other);
    write(store, |tx| {
        for claim in [&old, &border, &new, &old_of_other] {
            tx.claim_answer(claim)?;
        }
        tx.forget_answers(Timestamp(-8_000))
    });
    for gone in [&old, &old_of_other] {
        assert!(
            find(store, gone).is_none(),
            "forget_answers: an answer from before the given time is still there"
        );
        assert!(
            write(store, |tx| tx.claim_answer(gone)),
            "forget_answers: a key that was forgotten cannot be claimed again"
        );
    }
    for kept in [&border, &new] {
        assert!(
            find(store, kept).is_some(),
            "forget_answers: an answer from the given time or later was dropped"
        );
    }
    write(store, |tx| tx.forget_answers(Timestamp(-6_000)));
}

pub(crate) fn of_racing_claims_one_is_kept<S: Store<Tx: IdempotencyKeys>>(store: &S, user: UserId) {
    for _ in 0..3 {
        let first = claim(user, "race");
        let answers = race(RACERS, |racer| {
            let attempt = StoredAnswer {
                key: first.key.clone(),
                ..claim(user, "race")
            };
            write(store, |tx| {
                let won = tx.claim_answer(&attempt)?;
                if won {
                    thread::sleep(WORK);
                    let answer = Answer(format!("of racer {racer}"));
                    tx.keep_answer(user, &attempt.key, &answer)?;
                }
                Ok((won, tx.stored_answer(user, &attempt.key)?))
            })
        });
        let won: Vec<_> = answers.iter().map(|(won, _)| *won).collect();
        assert_eq!(
            count(&won),
            1,
            "claim_answer: of {RACERS} racing calls exactly one must return true; test and insert \
             must be one statement, on a unique index"
        );
        let stored = find(store, &first).unwrap_or_else(|| panic!("claim_answer: lost a claim"));
        for (_, seen) in answers {
            let seen = seen.unwrap_or_else(|| {
                panic!("stored_answer: the loser of a race does not see the winner's claim")
            });
            assert!(
                seen.answer == stored.answer && !seen.answer.0.is_empty(),
                "claim_answer: a loser must wait until the winner has committed, and then see the \
                 winner's answer, not {:?}",
                seen.answer
            );
        }
    }
}

pub(crate) fn a_claim_that_is_undone_goes_to_another<S: Store<Tx: IdempotencyKeys>>(
    store: &S,
    user: UserId,
) {
    let first = claim(user, "handed on");
    let failed = AtomicBool::new(false);
    let answers = race(8, |_| {
        let outcome = store.write(|tx| {
            let won = tx.claim_answer(&first)?;
            if won && !failed.swap(true, Ordering::SeqCst) {
                thread::sleep(WORK);
                return Err(OnPurpose::Undo);
            }
            Ok(won)
        });
        match outcome {
            Ok(won) => won,
            Err(OnPurpose::Undo) => false,
            Err(OnPurpose::Failed(error)) => works(Err(error)),
        }
    });
    assert_eq!(
        count(&answers),
        1,
        "claim_answer: when the winner of a race fails, exactly one of those who waited must win"
    );
}

fn claim(user: UserId, fingerprint: &str) -> StoredAnswer {
    let parts = [fingerprint.as_bytes()];
    StoredAnswer {
        user,
        key: key(&Id::<User>::generate().to_string()),
        fingerprint: macs().mac(MacPurpose::IdempotentRequest, &parts),
        answer: Answer(String::new()),
        created_at: Timestamp(1_800_000_000),
    }
}

fn key(text: &str) -> IdempotencyKey {
    IdempotencyKey::parse(text).unwrap_or_else(|error| panic!("{text} is refused: {error}"))
}

#[track_caller]
fn find<S: Store<Tx: IdempotencyKeys>>(store: &S, claim: &StoredAnswer) -> Option<StoredAnswer> {
    read(store, |tx| tx.stored_answer(claim.user, &claim.key))
}

#[track_caller]
fn assert_same(found: &StoredAnswer, stored: &StoredAnswer) {
    let parts = |answer: &StoredAnswer| {
        (
            answer.user,
            answer.key.clone(),
            answer.fingerprint.as_stored(),
            answer.answer.clone(),
            answer.created_at,
        )
    };
    assert_eq!(
        parts(found),
        parts(stored),
        "stored_answer: a claim came back with other values than it was stored with"
    );
}

const RACERS: usize = 16;
const WORK: Duration = Duration::from_millis(10);
