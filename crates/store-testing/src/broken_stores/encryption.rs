use std::sync::Arc;

use keyward_core::{StoreError, Timestamp};
use keyward_crypto::{EncryptedString, KeyId};
use keyward_encryption::{
    EncryptionKeys, KeyRecord, KeyState, NodeRecord, RotationRecord, RotationState, SealedColumn,
    SealedRow, SealedValues,
};

use super::{BrokenStore, BrokenTx, assert_found};
use crate::MemoryTx;
use crate::contract::{encryption, sealed};

/// What is wrong with encryption keys or sealed values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fault {
    /// A key that is there is written over.
    AddWritesOver,
    /// The state of every key is changed.
    ChangesAllStates,
    /// Two keys can be active.
    TwoActive,
    /// Claims are granted to everybody.
    NoLease,
    /// Claims are granted when it does not run.
    ClaimsWhatRests,
    /// The claim of a worker outlives the rotation.
    ClaimStays,
    /// A node that is known keeps the keys it had.
    NodeKeepsKeys,
    /// Only the node is forgotten that stops.
    OldNodesStay,
    /// One column is left out of what is counted.
    CountsNoPending,
    /// The checks of encryption keys count.
    CountsOwnChecks,
    /// Lists begin at the beginning each time.
    NoCursor,
    /// Values are written over others than were read.
    ResealsAnything,
    /// Retired keys are taken where a value is sealed anew.
    TakesRetired,
    /// Retired keys are taken for secrets of credentials.
    TakesRetiredSecrets,
}

impl BrokenTx {
    fn mistakes(&self, fault: Fault) -> bool {
        self.fault == super::Fault::Encryption(fault)
    }

    /// Works as if no key were retired, where that is the fault.
    pub(super) fn past_retired<T>(
        &mut self,
        fault: Fault,
        work: impl FnOnce(&mut MemoryTx) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if !self.mistakes(fault) {
            return work(&mut self.inner);
        }
        let keys = std::mem::take(&mut self.inner.tables.encryption_keys);
        let done = work(&mut self.inner);
        self.inner.tables.encryption_keys = keys;
        done
    }
}

impl EncryptionKeys for BrokenTx {
    fn encryption_keys(&mut self) -> Result<Vec<KeyRecord>, StoreError> {
        self.inner.encryption_keys()
    }

    fn lock_encryption_keys(&mut self) -> Result<Vec<KeyRecord>, StoreError> {
        self.inner.lock_encryption_keys()
    }

    fn add_encryption_key(&mut self, key: &KeyRecord) -> Result<bool, StoreError> {
        let is_new = self.inner.add_encryption_key(key)?;
        if self.mistakes(Fault::AddWritesOver) {
            let keys = Arc::make_mut(&mut self.inner.tables.encryption_keys);
            keys.insert(key.kid, Arc::new(key.clone()));
        }
        Ok(is_new)
    }

    fn set_key_state(&mut self, kid: &KeyId, state: KeyState) -> Result<(), StoreError> {
        let all = self.mistakes(Fault::ChangesAllStates);
        if !all && !self.mistakes(Fault::TwoActive) {
            return self.inner.set_key_state(kid, state);
        }
        let keys = Arc::make_mut(&mut self.inner.tables.encryption_keys);
        for (_, key) in keys.iter_mut().filter(|(known, _)| all || *known == kid) {
            Arc::make_mut(key).state = state;
        }
        Ok(())
    }

    fn rotation(&mut self) -> Result<RotationRecord, StoreError> {
        self.inner.rotation()
    }

    fn set_rotation(&mut self, rotation: &RotationRecord) -> Result<(), StoreError> {
        if self.mistakes(Fault::ClaimStays) {
            self.inner.tables.rotation.record = *rotation;
            return Ok(());
        }
        self.inner.set_rotation(rotation)
    }

    fn claim_rotation(
        &mut self,
        worker: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        if self.mistakes(Fault::ClaimsWhatRests) {
            return Ok(true);
        }
        let granted = self.inner.claim_rotation(worker, now, until)?;
        let runs = self.inner.rotation()?.state == RotationState::Running;
        Ok(granted || runs && self.mistakes(Fault::NoLease))
    }

    fn note_node(&mut self, node: &NodeRecord) -> Result<(), StoreError> {
        let mut node = node.clone();
        if self.mistakes(Fault::NodeKeepsKeys)
            && let Some(known) = self.inner.tables.nodes.get(&node.id)
        {
            node.keys.clone_from(&known.keys);
        }
        self.inner.note_node(&node)
    }

    fn forget_nodes(&mut self, id: &str, before: Timestamp) -> Result<(), StoreError> {
        if self.mistakes(Fault::OldNodesStay) {
            return self.inner.forget_nodes(id, Timestamp(i64::MIN));
        }
        self.inner.forget_nodes(id, before)
    }

    fn nodes_since(&mut self, since: Timestamp) -> Result<Vec<NodeRecord>, StoreError> {
        self.inner.nodes_since(since)
    }
}

impl SealedValues for BrokenTx {
    fn sealed_counts(
        &mut self,
        column: SealedColumn,
    ) -> Result<Vec<(Option<KeyId>, u64)>, StoreError> {
        let mut counts = self.inner.sealed_counts(column)?;
        match column {
            SealedColumn::TotpPending if self.mistakes(Fault::CountsNoPending) => counts.clear(),
            SealedColumn::SecretKeyCheck if self.mistakes(Fault::CountsOwnChecks) => {
                let keys = self.inner.encryption_keys()?.into_iter();
                let own = keys.filter(KeyRecord::is_field_key);
                counts.extend(own.map(|key| (Some(key.kid), 1)));
                counts.sort_unstable();
            }
            _ => {}
        }
        Ok(counts)
    }

    fn sealed_not_under(
        &mut self,
        column: SealedColumn,
        kid: &KeyId,
        after: Option<&SealedRow>,
        limit: i64,
    ) -> Result<Vec<SealedRow>, StoreError> {
        let after = after.filter(|_| !self.mistakes(Fault::NoCursor));
        self.inner.sealed_not_under(column, kid, after, limit)
    }

    fn sealed_sample(
        &mut self,
        column: SealedColumn,
        kid: &KeyId,
    ) -> Result<Option<SealedRow>, StoreError> {
        self.inner.sealed_sample(column, kid)
    }

    fn reseal(&mut self, row: &SealedRow, new: &EncryptedString) -> Result<bool, StoreError> {
        let mut row = row.clone();
        if self.mistakes(Fault::ResealsAnything) {
            let unused = *keyward_crypto::FieldKey::generate().id();
            let all = (self.inner).sealed_not_under(row.column, &unused, None, i64::MAX)?;
            let mut same = all
                .into_iter()
                .filter(|known| (&known.row, &known.field) == (&row.row, &row.field));
            row = same.next().unwrap_or(row);
        }
        if row.column == SealedColumn::SecretKeyCheck {
            return self.inner.reseal(&row, new);
        }
        self.past_retired(Fault::TakesRetired, |tx| tx.reseal(&row, new))
    }

    fn hold_sealed_values(&mut self) -> Result<(), StoreError> {
        self.inner.hold_sealed_values()
    }
}

#[track_caller]
fn found(fault: Fault, promise: &str, check: impl FnOnce(&BrokenStore)) {
    assert_found(super::Fault::Encryption(fault), promise, check);
}

#[test]
fn keys_that_are_kept_wrongly_are_found() {
    found(
        Fault::AddWritesOver,
        "changed a key that was there",
        |store| {
            encryption::a_key_is_added_once(store);
        },
    );
    found(Fault::ChangesAllStates, "of no other", |store| {
        encryption::one_state_is_changed(store);
    });
    found(Fault::TwoActive, "a second key became active", |store| {
        encryption::one_key_is_active_at_most(store);
    });
    assert_found(super::Fault::ReadThenWrite, "must see its key", |store| {
        encryption::of_racing_first_starts_one_adds_its_key(store);
    });
    assert_found(super::Fault::NoRollback, "failed `write`", |store| {
        encryption::a_key_reads_back(store);
    });
}

#[test]
fn claims_that_are_granted_wrongly_are_found() {
    found(Fault::NoLease, "belongs to who has claimed it", |store| {
        encryption::a_rotation_is_claimed_while_it_runs(store);
    });
    found(Fault::ClaimsWhatRests, "although it is idle", |store| {
        encryption::a_rotation_is_claimed_while_it_runs(store);
    });
    found(Fault::ClaimStays, "keeps it", |store| {
        encryption::a_rotation_is_claimed_while_it_runs(store);
    });
    assert_found(super::Fault::ReadThenWrite, "racing workers", |store| {
        encryption::of_racing_claims_one_is_granted(store);
    });
    assert_found(super::Fault::NoRollback, "other than it was set", |store| {
        encryption::a_rotation_reads_back(store);
    });
}

#[test]
fn nodes_that_are_remembered_wrongly_are_found() {
    found(Fault::NodeKeepsKeys, "are those of now", |store| {
        encryption::nodes_are_noted_and_forgotten(store);
    });
    found(Fault::OldNodesStay, "a node that is old", |store| {
        encryption::nodes_are_noted_and_forgotten(store);
    });
}

#[test]
fn values_that_are_missed_are_found() {
    found(Fault::CountsNoPending, "under which key", |store| {
        sealed::every_value_is_counted(store);
    });
    found(Fault::CountsOwnChecks, "for ever, counts", |store| {
        sealed::every_value_is_counted(store);
    });
    found(Fault::NoCursor, "not behind `after`", |store| {
        sealed::values_are_listed_once_in_order(store);
    });
}

#[test]
fn values_that_are_lost_are_found() {
    found(Fault::ResealsAnything, "is another one by now", |store| {
        sealed::a_value_is_written_over_what_was_read(store);
    });
    assert_found(super::Fault::ReadThenWrite, "of racing calls", |store| {
        sealed::of_racing_reseals_one_is_written(store);
    });
    assert_found(super::Fault::ReadThenWrite, "is lost", |store| {
        sealed::a_change_is_never_written_over(store);
    });
    found(Fault::TakesRetired, "reseal of", |store| {
        sealed::nothing_is_sealed_under_a_retired_key(store);
    });
    found(Fault::TakesRetiredSecrets, "put_secret of", |store| {
        sealed::nothing_is_sealed_under_a_retired_key(store);
    });
    assert_found(
        super::Fault::ReadThenWrite,
        "exactly one succeeds",
        |store| {
            sealed::who_retires_and_who_seals_do_not_both_succeed(store);
        },
    );
}
