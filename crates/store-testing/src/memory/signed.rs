use std::collections::BTreeMap;
use std::sync::Arc;

use keyward_auth::{ApiKeyRecord, UserId};
use keyward_core::{StoreError, Timestamp};
use keyward_credentials::CredentialId;
use keyward_crypto::{ApiKeyId, EncryptedString, KeyId, Mac, Signed};
use keyward_encryption::{MacColumn, SignedRow, SignedRows};

use super::{MemoryTx, limited};

impl SignedRows for MemoryTx {
    fn mac_counts(
        &mut self,
        column: MacColumn,
        now: Timestamp,
    ) -> Result<Vec<(Option<KeyId>, u64)>, StoreError> {
        let macs: Vec<Mac> = match column {
            MacColumn::ApiKeySecret => self
                .working_keys(now)
                .map(|key| key.unverified().key_mac.clone())
                .collect(),
            MacColumn::RecoveryCode => {
                let codes = self.tables.recovery_codes.values();
                codes.flat_map(|codes| codes.iter().cloned()).collect()
            }
            _ => {
                let rows = self.signed(column).into_iter();
                rows.map(|row| row.mac().clone()).collect()
            }
        };
        let mut counts = BTreeMap::new();
        for mac in macs {
            let kid = (!mac.is_unreadable()).then_some(*mac.key_id());
            *counts.entry(kid).or_default() += 1;
        }
        Ok(counts.into_iter().collect())
    }

    fn signed_not_under(
        &mut self,
        column: MacColumn,
        kid: &KeyId,
        after: Option<&str>,
        limit: i64,
    ) -> Result<Vec<SignedRow>, StoreError> {
        let mut rows = self.signed(column);
        rows.retain(|row| {
            row.mac().key_id() != kid && after.is_none_or(|after| *row.id() > *after)
        });
        rows.sort_by_key(SignedRow::id);
        Ok(limited(rows.into_iter(), limit))
    }

    fn sign_anew(&mut self, row: &SignedRow, new: &Mac) -> Result<bool, StoreError> {
        self.refuse_retired_secrets([new])?;
        let id = row.id();
        let tables = self.tables_mut()?;
        Ok(match row {
            SignedRow::User(_) => UserId::parse(&id)
                .ok()
                .and_then(|id| Arc::make_mut(&mut tables.users).get_mut(&id))
                .is_some_and(|known| anew(Arc::make_mut(known), row.mac(), new)),
            SignedRow::Agent(_) => UserId::parse(&id)
                .ok()
                .and_then(|id| Arc::make_mut(&mut tables.agents).get_mut(&id))
                .is_some_and(|known| anew(Arc::make_mut(known), row.mac(), new)),
            SignedRow::ApiKey(_) => ApiKeyId::parse(&id)
                .and_then(|id| Arc::make_mut(&mut tables.api_keys).get_mut(&id))
                .is_some_and(|known| anew(&mut Arc::make_mut(known).key, row.mac(), new)),
            SignedRow::Credential(_) => CredentialId::parse(&id)
                .ok()
                .and_then(|id| Arc::make_mut(&mut tables.credentials).get_mut(&id))
                .is_some_and(|known| anew(&mut Arc::make_mut(known).credential, row.mac(), new)),
        })
    }

    fn api_keys_by_secret(
        &mut self,
        kid: &KeyId,
        now: Timestamp,
        after: Option<ApiKeyId>,
        limit: i64,
    ) -> Result<Vec<Signed<ApiKeyRecord>>, StoreError> {
        let keys = self.working_keys(now).filter(|key| {
            let key = key.unverified();
            key.key_mac.key_id() == kid && after.is_none_or(|after| key.id > after)
        });
        Ok(limited(keys.cloned(), limit))
    }

    fn drop_recovery_codes_by(&mut self, kid: &KeyId) -> Result<u64, StoreError> {
        let mut dropped = 0;
        for codes in Arc::make_mut(&mut self.tables_mut()?.recovery_codes).values_mut() {
            let before = codes.len();
            Arc::make_mut(codes).retain(|code| code.key_id() != kid);
            dropped += u64::try_from(before.saturating_sub(codes.len())).unwrap_or(0);
        }
        Ok(dropped)
    }

    fn keep_audit_key(&mut self, kid: &KeyId, sealed: &EncryptedString) -> Result<(), StoreError> {
        self.refuse_retired([sealed])?;
        let keys = Arc::make_mut(&mut self.tables_mut()?.audit_keys);
        keys.insert(*kid, Arc::new(sealed.clone()));
        Ok(())
    }

    fn audit_keys(&mut self) -> Result<Vec<(KeyId, EncryptedString)>, StoreError> {
        let keys = self.tables.audit_keys.iter();
        Ok(keys
            .map(|(kid, sealed)| (*kid, (**sealed).clone()))
            .collect())
    }
}

impl MemoryTx {
    fn signed(&self, column: MacColumn) -> Vec<SignedRow> {
        let tables = &self.tables;
        match column {
            MacColumn::UserRow => {
                let rows = tables.users.values();
                rows.map(|row| SignedRow::User((**row).clone())).collect()
            }
            MacColumn::ApiKeyRow => {
                let rows = tables.api_keys.values();
                rows.map(|row| SignedRow::ApiKey(row.key.clone())).collect()
            }
            MacColumn::CredentialRow => {
                let rows = tables.credentials.values();
                rows.map(|row| SignedRow::Credential(row.credential.clone()))
                    .collect()
            }
            MacColumn::AgentRow => {
                let rows = tables.agents.values();
                rows.map(|row| SignedRow::Agent((**row).clone())).collect()
            }
            MacColumn::ApiKeySecret | MacColumn::RecoveryCode => Vec::new(),
        }
    }

    fn working_keys(&self, now: Timestamp) -> impl Iterator<Item = &Signed<ApiKeyRecord>> {
        let keys = self.tables.api_keys.values().map(|row| &row.key);
        keys.filter(move |key| key.unverified().is_live(now))
    }
}

/// Compare-and-set of a MAC.
fn anew<T: Clone>(stored: &mut Signed<T>, old: &Mac, new: &Mac) -> bool {
    let is_same = stored.mac() == old;
    if is_same {
        *stored = Signed::from_stored(stored.unverified().clone(), new.clone());
    }
    is_same
}
