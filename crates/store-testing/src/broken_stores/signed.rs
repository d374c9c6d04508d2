use keyward_auth::ApiKeyRecord;
use keyward_core::{StoreError, Timestamp};
use keyward_crypto::{ApiKeyId, EncryptedString, KeyId, Mac, Signed};
use keyward_encryption::{MacColumn, SignedRow, SignedRows};

use super::{BrokenStore, BrokenTx, assert_found};
use crate::contract::signed;

/// What is wrong with the MACs of rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fault {
    /// The secrets of keys that ended count.
    CountsEnded,
    /// One table is left out of what is counted.
    CountsNoAgents,
    /// Lists have rows by that secret, too.
    ListsAll,
    /// MACs are written over others than were read.
    SignsAnything,
    /// Keys are found whatever secret they are by.
    FindsAllKeys,
    /// Recovery codes are dropped whatever secret they are by.
    DropsAllCodes,
    /// Audit keys are forgotten.
    ForgetsAuditKeys,
    /// Events by retired secrets are appended.
    AppendsRetired,
}

impl BrokenTx {
    pub(super) fn signs_wrongly(&self, fault: Fault) -> bool {
        self.fault == super::Fault::Signed(fault)
    }
}

impl SignedRows for BrokenTx {
    fn mac_counts(
        &mut self,
        column: MacColumn,
        now: Timestamp,
    ) -> Result<Vec<(Option<KeyId>, u64)>, StoreError> {
        if column == MacColumn::ApiKeySecret && self.signs_wrongly(Fault::CountsEnded) {
            return self.inner.mac_counts(MacColumn::ApiKeyRow, now);
        }
        if column == MacColumn::AgentRow && self.signs_wrongly(Fault::CountsNoAgents) {
            return Ok(Vec::new());
        }
        self.inner.mac_counts(column, now)
    }

    fn signed_not_under(
        &mut self,
        column: MacColumn,
        kid: &KeyId,
        after: Option<&str>,
        limit: i64,
    ) -> Result<Vec<SignedRow>, StoreError> {
        let unused = *keyward_crypto::FieldKey::generate().id();
        let kid = if self.signs_wrongly(Fault::ListsAll) {
            &unused
        } else {
            kid
        };
        self.inner.signed_not_under(column, kid, after, limit)
    }

    fn sign_anew(&mut self, row: &SignedRow, new: &Mac) -> Result<bool, StoreError> {
        if self.signs_wrongly(Fault::SignsAnything) {
            let unused = *keyward_crypto::FieldKey::generate().id();
            let all = (self.inner).signed_not_under(row.column(), &unused, None, i64::MAX)?;
            let mut same = all.into_iter().filter(|known| known.id() == row.id());
            let known = same.next().unwrap_or_else(|| row.clone());
            return self.inner.sign_anew(&known, new);
        }
        self.inner.sign_anew(row, new)
    }

    fn api_keys_by_secret(
        &mut self,
        kid: &KeyId,
        now: Timestamp,
        after: Option<ApiKeyId>,
        limit: i64,
    ) -> Result<Vec<Signed<ApiKeyRecord>>, StoreError> {
        if !self.signs_wrongly(Fault::FindsAllKeys) {
            return self.inner.api_keys_by_secret(kid, now, after, limit);
        }
        let keys = self.inner.tables.api_keys.values();
        let keys = keys.map(|row| row.key.clone());
        Ok(keys.take(usize::try_from(limit).unwrap_or(0)).collect())
    }

    fn drop_recovery_codes_by(&mut self, kid: &KeyId) -> Result<u64, StoreError> {
        let dropped = self.inner.drop_recovery_codes_by(kid)?;
        if self.signs_wrongly(Fault::DropsAllCodes) {
            self.inner.tables.recovery_codes = std::sync::Arc::default();
        }
        Ok(dropped)
    }

    fn keep_audit_key(&mut self, kid: &KeyId, sealed: &EncryptedString) -> Result<(), StoreError> {
        self.inner.keep_audit_key(kid, sealed)
    }

    fn audit_keys(&mut self) -> Result<Vec<(KeyId, EncryptedString)>, StoreError> {
        if self.signs_wrongly(Fault::ForgetsAuditKeys) {
            return Ok(Vec::new());
        }
        self.inner.audit_keys()
    }
}

#[track_caller]
fn found(fault: Fault, promise: &str, check: impl FnOnce(&BrokenStore)) {
    assert_found(super::Fault::Signed(fault), promise, check);
}

#[test]
fn macs_that_are_miscounted_are_found() {
    found(Fault::CountsEnded, "does not work any more", |store| {
        signed::every_mac_is_counted(store);
    });
    found(Fault::CountsNoAgents, "by which secret", |store| {
        signed::every_mac_is_counted(store);
    });
    found(Fault::ListsAll, "lists a row by that secret", |store| {
        signed::rows_are_listed_once_in_order(store);
    });
}

#[test]
fn macs_that_are_written_over_are_found() {
    found(Fault::SignsAnything, "another one by now", |store| {
        signed::a_mac_is_written_over_the_one_that_was_read(store);
    });
    assert_found(super::Fault::ReadThenWrite, "one is written", |store| {
        signed::of_racing_signers_one_is_written(store);
    });
}

#[test]
fn what_goes_with_a_secret_and_should_not_is_found() {
    found(Fault::FindsAllKeys, "by that secret", |store| {
        signed::keys_are_found_by_their_secret(store);
    });
    found(Fault::DropsAllCodes, "by that secret alone", |store| {
        signed::recovery_codes_are_dropped_by_their_secret(store);
    });
    found(Fault::ForgetsAuditKeys, "other than it was kept", |store| {
        signed::audit_keys_read_back(store);
    });
    found(Fault::AppendsRetired, "by a retired secret", |store| {
        signed::nothing_is_written_by_a_retired_secret(store);
    });
}
