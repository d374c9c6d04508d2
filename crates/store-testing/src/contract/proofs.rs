use keyward_auth::{ProofUse, Purpose, UsedProofs, UserId};
use keyward_core::Store;
use keyward_crypto::TotpStep;

use super::run::{count, race, undone, write};

/// Checks what [`UsedProofs`] promises, races included.
///
/// # Panics
///
/// At the first promise that is broken.
pub fn used_proofs<S: Store<Tx: UsedProofs>>(store: &S) {
    a_proof_is_used_once_for_each_receiver_and_purpose(store);
    a_failed_unit_of_work_uses_no_proof(store);
    of_racing_uses_of_a_proof_one_succeeds(store);
    a_proof_that_was_forgotten_is_not_accepted_again(store);
}

pub(crate) fn a_proof_is_used_once_for_each_receiver_and_purpose<S: Store<Tx: UsedProofs>>(
    store: &S,
) {
    let (first, now) = (proof(), base());
    let others = [
        ProofUse {
            prover: UserId::generate(),
            ..first.clone()
        },
        ProofUse {
            verifier: Some(UserId::generate()),
            ..first.clone()
        },
        ProofUse {
            verifier: None,
            ..first.clone()
        },
        ProofUse {
            purpose: None,
            ..first.clone()
        },
        ProofUse {
            purpose: Purpose::parse("Deploy").ok(),
            ..first.clone()
        },
    ];
    assert!(use_at(store, &first, now), "use_proof: false for a new one");
    for step in [now, now - 1, i64::MIN] {
        assert!(
            !use_at(store, &first, step),
            "use_proof: true although this step or a later one was used"
        );
    }
    for other in &others {
        assert!(
            use_at(store, other, now),
            "use_proof: false although it was used for something else only: {other:?}"
        );
    }
    assert!(
        use_at(store, &first, now + 1),
        "use_proof: false for a later step"
    );
    assert!(
        !use_at(store, &first, now),
        "use_proof: a later step gave an earlier one back"
    );
}

fn a_failed_unit_of_work_uses_no_proof<S: Store<Tx: UsedProofs>>(store: &S) {
    let (proof, now) = (proof(), base());
    assert!(undone(store, |tx| tx.use_proof(&proof, TotpStep::from_number(now))));
    assert!(
        use_at(store, &proof, now),
        "use_proof: what was undone counts"
    );
}

pub(crate) fn of_racing_uses_of_a_proof_one_succeeds<S: Store<Tx: UsedProofs>>(store: &S) {
    let (proof, now) = (proof(), base());
    for step in [now, now + 1] {
        let used = race(24, |_| use_at(store, &proof, step));
        assert_eq!(
            count(&used),
            1,
            "use_proof: of 24 calls with one proof exactly one succeeds"
        );
    }
}

pub(crate) fn a_proof_that_was_forgotten_is_not_accepted_again<S: Store<Tx: UsedProofs>>(
    store: &S,
) {
    let (old, new, now) = (proof(), proof(), base());
    let step = TotpStep::from_number;
    write(store, |tx| tx.forget_proofs(step(i64::MIN)));
    assert!(use_at(store, &old, now));
    assert!(use_at(store, &new, now + 1_000));
    write(store, |tx| tx.forget_proofs(step(now + 500)));
    for used in [&old, &proof()] {
        assert!(
            !use_at(store, used, now),
            "forget_proofs: a step whose marks were dropped is accepted again"
        );
    }
    assert!(
        !use_at(store, &new, now + 1_000),
        "forget_proofs: dropped the mark of a later step"
    );
    assert!(
        use_at(store, &proof(), now + 1),
        "forget_proofs: refuses what nobody has used"
    );
}

fn use_at<S: Store<Tx: UsedProofs>>(store: &S, proof: &ProofUse, step: i64) -> bool {
    write(store, |tx| tx.use_proof(proof, TotpStep::from_number(step)))
}

fn proof() -> ProofUse {
    ProofUse {
        prover: UserId::generate(),
        verifier: Some(UserId::generate()),
        purpose: Purpose::parse("deploy").ok(),
    }
}

/// Later than any step of a run before, because what was forgotten then is refused for ever.
fn base() -> i64 {
    let id = UserId::generate();
    let milliseconds = id.as_bytes()[..6]
        .iter()
        .fold(0, |sum, byte| sum << 8 | i64::from(*byte));
    milliseconds * 10_000
}
