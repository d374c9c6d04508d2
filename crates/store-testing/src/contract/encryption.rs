use keyward_auth::{SecondFactors, Users};
use keyward_core::{Id, Store, StoreError, Timestamp};
use keyward_credentials::Credentials;
use keyward_crypto::{EncryptedString, FieldKey, KeyId};
use keyward_encryption::{
    EncryptionKeys, KeyRecord, KeyState, NodeRecord, RotationRecord, RotationState, SealedValues,
    SignedRows,
};

use super::run::{count, race, read, undone, write};
use super::sealed;

/// Checks what [`EncryptionKeys`] promises, races included. Key states and re-encryption are in the
/// end what they were before, and new keys are retired.
///
/// # Panics
///
/// At the first promise that is broken.
pub fn encryption_keys<S: Store<Tx: EncryptionKeys>>(store: &S) {
    a_key_reads_back(store);
    a_key_is_added_once(store);
    one_state_is_changed(store);
    one_key_is_active_at_most(store);
    of_racing_first_starts_one_adds_its_key(store);
    a_rotation_reads_back(store);
    a_rotation_is_claimed_while_it_runs(store);
    of_racing_claims_one_is_granted(store);
    nodes_are_noted_and_forgotten(store);
}

/// Checks what [`SealedValues`] promises in every column, races included.
///
/// # Panics
///
/// At the first promise that is broken.
pub fn sealed_values<
    S: Store<Tx: EncryptionKeys + SealedValues + SignedRows + Credentials + SecondFactors + Users>,
>(
    store: &S,
) {
    sealed::every_value_is_counted(store);
    sealed::values_are_listed_once_in_order(store);
    sealed::a_value_is_written_over_what_was_read(store);
    sealed::nothing_is_sealed_under_a_retired_key(store);
    sealed::of_racing_reseals_one_is_written(store);
    sealed::a_change_is_never_written_over(store);
    sealed::who_retires_and_who_seals_do_not_both_succeed(store);
}

pub(crate) fn a_key_reads_back<S: Store<Tx: EncryptionKeys>>(store: &S) {
    let lost = key(KeyState::Added);
    undone(store, |tx| tx.add_encryption_key(&lost));
    assert_eq!(
        found(store, &lost.kid),
        None,
        "add_encryption_key: the key of a failed `write` was kept"
    );
    for state in [KeyState::Added, KeyState::DecryptOnly, KeyState::Retired] {
        let key = key(state);
        assert!(
            write(store, |tx| tx.add_encryption_key(&key)),
            "add_encryption_key: false for a new key"
        );
        assert_eq!(
            found(store, &key.kid),
            Some(key),
            "add_encryption_key: a key came back other than it was added"
        );
    }
    let all = read(store, EncryptionKeys::encryption_keys);
    assert!(
        all.is_sorted_by(|one, other| one.kid < other.kid),
        "encryption_keys: not in the order of their ids"
    );
    assert_eq!(
        write(store, EncryptionKeys::lock_encryption_keys),
        all,
        "lock_encryption_keys: other keys than encryption_keys"
    );
    clean(store);
}

pub(crate) fn a_key_is_added_once<S: Store<Tx: EncryptionKeys>>(store: &S) {
    let first = added(store, KeyState::DecryptOnly);
    let again = KeyRecord {
        state: KeyState::Added,
        created_at: Timestamp(1),
        ..first.clone()
    };
    assert!(
        !write(store, |tx| tx.add_encryption_key(&again)),
        "add_encryption_key: true for a key that there is"
    );
    assert_eq!(
        found(store, &first.kid),
        Some(first),
        "add_encryption_key: changed a key that was there"
    );
    clean(store);
}

pub(crate) fn one_state_is_changed<S: Store<Tx: EncryptionKeys>>(store: &S) {
    let (one, other) = (
        added(store, KeyState::Added),
        added(store, KeyState::DecryptOnly),
    );
    undone(store, |tx| tx.set_key_state(&one.kid, KeyState::Retired));
    assert_eq!(found(store, &one.kid), Some(one.clone()));
    write(store, |tx| tx.set_key_state(&one.kid, KeyState::Retired));
    write(store, |tx| {
        tx.set_key_state(&fresh_kid(), KeyState::Retired)
    });
    let state = |key: &KeyRecord| found(store, &key.kid).map(|key| key.state);
    assert_eq!(
        (state(&one), state(&other)),
        (Some(KeyState::Retired), Some(KeyState::DecryptOnly)),
        "set_key_state: changes the state of that key and of no other"
    );
    clean(store);
}

pub(crate) fn one_key_is_active_at_most<S: Store<Tx: EncryptionKeys>>(store: &S) {
    let (one, other) = (
        added(store, KeyState::DecryptOnly),
        added(store, KeyState::DecryptOnly),
    );
    let before = demoted(store);
    write(store, |tx| tx.set_key_state(&one.kid, KeyState::Active));
    let second = store.write(|tx| tx.set_key_state(&other.kid, KeyState::Active));
    assert!(
        matches!(second, Err(StoreError::Backend(_))),
        "set_key_state: a second key became active: {second:?}"
    );
    write(store, |tx| {
        tx.set_key_state(&one.kid, KeyState::DecryptOnly)?;
        tx.set_key_state(&other.kid, KeyState::Active)
    });
    restored(store, before, &other.kid);
    clean(store);
}

pub(crate) fn of_racing_first_starts_one_adds_its_key<S: Store<Tx: EncryptionKeys>>(store: &S) {
    let keys = [(); RACERS].map(|()| key(KeyState::Added));
    let is_ours = |known: &KeyRecord| keys.iter().any(|key| key.kid == known.kid);
    let added = race(RACERS, |racer| {
        write(store, |tx| {
            if tx.lock_encryption_keys()?.iter().any(is_ours) {
                return Ok(false);
            }
            tx.add_encryption_key(&keys[racer])
        })
    });
    assert_eq!(
        count(&added),
        1,
        "lock_encryption_keys: of {RACERS} that each add a key where they see none, one may; the \
         others must see its key"
    );
    clean(store);
}

pub(crate) fn a_rotation_reads_back<S: Store<Tx: EncryptionKeys>>(store: &S) {
    let before = read(store, EncryptionKeys::rotation);
    for (state, total, started_at) in [
        (RotationState::Running, 7, Some(NOW)),
        (RotationState::Paused, 1 << 40, Some(Timestamp(0))),
        (RotationState::Done, 0, Some(NOW)),
        (RotationState::Idle, 0, None),
    ] {
        let new = RotationRecord {
            state,
            total,
            started_at,
        };
        write(store, |tx| tx.set_rotation(&new));
        undone(store, |tx| tx.set_rotation(&RUNNING));
        assert_eq!(
            read(store, EncryptionKeys::rotation),
            new,
            "set_rotation: came back other than it was set"
        );
    }
    write(store, |tx| tx.set_rotation(&before));
}

pub(crate) fn a_rotation_is_claimed_while_it_runs<S: Store<Tx: EncryptionKeys>>(store: &S) {
    let before = read(store, EncryptionKeys::rotation);
    let claim = |worker: &str, at: i64, until: i64| {
        let (at, until) = (NOW.plus(at), NOW.plus(until));
        write(store, |tx| tx.claim_rotation(worker, at, until))
    };
    for state in [
        RotationState::Idle,
        RotationState::Paused,
        RotationState::Done,
    ] {
        write(store, |tx| {
            tx.set_rotation(&RotationRecord { state, ..RUNNING })
        });
        assert!(
            !claim("one", 0, 10),
            "claim_rotation: claimed although it is {}",
            state.as_str()
        );
    }
    write(store, |tx| tx.set_rotation(&RUNNING));
    undone(store, |tx| {
        tx.claim_rotation("lost", NOW, NOW.plus(1_000_000))
    });
    for (worker, at, until, expected) in [
        ("one", 0, 10, true),
        ("other", 9, 20, false),
        ("one", 9, 19, true),
        ("other", 18, 30, false),
        ("other", 19, 29, true),
        ("one", 20, 30, false),
    ] {
        assert_eq!(
            claim(worker, at, until),
            expected,
            "claim_rotation: it belongs to who has claimed it, until then; {worker} at {at}"
        );
    }
    assert_eq!(
        read(store, EncryptionKeys::rotation),
        RUNNING,
        "claim_rotation: changed the rotation"
    );
    write(store, |tx| tx.set_rotation(&RUNNING));
    assert!(
        claim("one", 21, 31),
        "set_rotation: the worker that has claimed it keeps it"
    );
    write(store, |tx| tx.set_rotation(&before));
}

pub(crate) fn of_racing_claims_one_is_granted<S: Store<Tx: EncryptionKeys>>(store: &S) {
    let before = read(store, EncryptionKeys::rotation);
    write(store, |tx| tx.set_rotation(&RUNNING));
    let claimed = race(RACERS, |racer| {
        write(store, |tx| {
            tx.claim_rotation(&format!("worker {racer}"), NOW, NOW.plus(10))
        })
    });
    assert_eq!(
        count(&claimed),
        1,
        "claim_rotation: of {RACERS} racing workers one gets it"
    );
    write(store, |tx| tx.set_rotation(&before));
}

pub(crate) fn nodes_are_noted_and_forgotten<S: Store<Tx: EncryptionKeys>>(store: &S) {
    let mark = Id::<NodeRecord>::generate();
    let node = |name: &str, keys: usize, at: i64| NodeRecord {
        id: format!("{name} {mark}"),
        keys: (0..keys).map(|_| fresh_kid()).collect(),
        signs_with: fresh_kid(),
        seen_at: NOW.plus(at),
    };
    let since = |at: i64| {
        let mut nodes = read(store, |tx| tx.nodes_since(NOW.plus(at)));
        nodes.retain(|node| node.id.ends_with(&mark.to_string()));
        nodes.sort_by(|one, other| one.id.cmp(&other.id));
        nodes
    };
    let (one, two, three) = (node("1", 2, 0), node("2", 1, 5), node("3", 3, 9));
    for node in [&one, &two, &three] {
        write(store, |tx| tx.note_node(node));
    }
    undone(store, |tx| tx.note_node(&node("4", 1, 9)));
    assert_eq!(
        since(0),
        [one.clone(), two.clone(), three.clone()],
        "note_node: nodes came back other than they were noted"
    );
    assert_eq!(
        since(1),
        [two.clone(), three.clone()],
        "nodes_since: nodes that were seen at that time or later"
    );
    let later = node("1", 1, 7);
    write(store, |tx| tx.note_node(&later));
    assert_eq!(
        since(0),
        [later.clone(), two.clone(), three.clone()],
        "note_node: the keys, the secret and the time of a node that is known are those of now"
    );
    write(store, |tx| tx.forget_nodes(&three.id, NOW.plus(5)));
    assert_eq!(
        since(0),
        [later.clone(), two.clone()],
        "forget_nodes: forgets that node, and those that were not seen since then"
    );
    write(store, |tx| tx.forget_nodes("nobody", NOW.plus(6)));
    let left = since(0);
    assert!(
        left.len() == 1 && left.contains(&later),
        "forget_nodes: a node that is old: {left:?}"
    );
    write(store, |tx| tx.forget_nodes(&later.id, NOW));
}

/// The id of a key that there was never before.
pub(super) fn fresh_kid() -> KeyId {
    *FieldKey::generate().id()
}

/// A value that names a key, other than all others.
pub(super) fn under(kid: &str) -> EncryptedString {
    let mark = Id::<EncryptedString>::generate();
    EncryptedString::from_stored(format!("v1.{kid}.{mark}"))
}

/// A new encryption key.
pub(super) fn key(state: KeyState) -> KeyRecord {
    let kid = fresh_kid();
    KeyRecord {
        kid,
        state,
        sealed: under(kid.as_str()),
        created_at: NOW,
    }
}

#[track_caller]
pub(super) fn added<S: Store<Tx: EncryptionKeys>>(store: &S, state: KeyState) -> KeyRecord {
    let key = key(state);
    assert!(write(store, |tx| tx.add_encryption_key(&key)));
    key
}

fn found<S: Store<Tx: EncryptionKeys>>(store: &S, kid: &KeyId) -> Option<KeyRecord> {
    let keys = read(store, EncryptionKeys::encryption_keys);
    keys.into_iter().find(|key| key.kid == *kid)
}

/// Makes no key active, and says which one was.
fn demoted<S: Store<Tx: EncryptionKeys>>(store: &S) -> Option<KeyId> {
    write(store, |tx| {
        let keys = tx.lock_encryption_keys()?;
        let mut active = keys
            .iter()
            .filter(|key| key.is_field_key() && key.state == KeyState::Active);
        let Some(active) = active.next() else {
            return Ok(None);
        };
        tx.set_key_state(&active.kid, KeyState::DecryptOnly)?;
        Ok(Some(active.kid))
    })
}

fn restored<S: Store<Tx: EncryptionKeys>>(store: &S, before: Option<KeyId>, now: &KeyId) {
    write(store, |tx| {
        tx.set_key_state(now, KeyState::Retired)?;
        match &before {
            Some(kid) => tx.set_key_state(kid, KeyState::Active),
            None => Ok(()),
        }
    });
}

/// Retires the keys of these checks, so that nothing is asked for which nobody has.
fn clean<S: Store<Tx: EncryptionKeys>>(store: &S) {
    write(store, |tx| {
        for key in tx.lock_encryption_keys()? {
            let is_ours = key.is_field_key() && key.created_at == NOW;
            if is_ours && key.state != KeyState::Active {
                tx.set_key_state(&key.kid, KeyState::Retired)?;
            }
        }
        Ok(())
    });
}

const RUNNING: RotationRecord = RotationRecord {
    state: RotationState::Running,
    total: 3,
    started_at: Some(NOW),
};
/// Nobody makes keys at this second.
pub(super) const NOW: Timestamp = Timestamp(1_800_000_007);
const RACERS: usize = 8;
