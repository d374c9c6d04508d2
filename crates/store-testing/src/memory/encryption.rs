use std::collections::BTreeMap;
use std::sync::Arc;

use keyward_core::{StoreError, Timestamp};
use keyward_credentials::CredentialId;
use keyward_crypto::{EncryptedString, KeyId, Mac};
use keyward_encryption::{
    EncryptionKeys, KeyRecord, KeyState, NodeRecord, RotationRecord, RotationState, SealedColumn,
    SealedRow, SealedValues,
};

use super::{MemoryTx, limited, refused};

/// The one re-encryption, and who works on it.
#[derive(Clone)]
pub(crate) struct Rotation {
    pub(crate) record: RotationRecord,
    worker: String,
    lease_until: Timestamp,
}

impl Default for Rotation {
    fn default() -> Self {
        Self::unclaimed(RotationRecord::IDLE)
    }
}

impl Rotation {
    fn unclaimed(record: RotationRecord) -> Self {
        Self {
            record,
            worker: String::new(),
            lease_until: Timestamp(0),
        }
    }
}

impl EncryptionKeys for MemoryTx {
    fn encryption_keys(&mut self) -> Result<Vec<KeyRecord>, StoreError> {
        let keys = self.tables.encryption_keys.values();
        Ok(keys.map(|key| (**key).clone()).collect())
    }

    fn lock_encryption_keys(&mut self) -> Result<Vec<KeyRecord>, StoreError> {
        // One `write` at a time.
        self.tables_mut()?;
        self.encryption_keys()
    }

    fn add_encryption_key(&mut self, key: &KeyRecord) -> Result<bool, StoreError> {
        let keys = &mut self.tables_mut()?.encryption_keys;
        if keys.contains_key(&key.kid) {
            return Ok(false);
        }
        if !key.is_field_key() {
            self.refuse_retired([&key.sealed])?;
        }
        let keys = Arc::make_mut(&mut self.tables_mut()?.encryption_keys);
        keys.insert(key.kid, Arc::new(key.clone()));
        self.refuse_second_active()?;
        Ok(true)
    }

    fn set_key_state(&mut self, kid: &KeyId, state: KeyState) -> Result<(), StoreError> {
        let keys = Arc::make_mut(&mut self.tables_mut()?.encryption_keys);
        if let Some(key) = keys.get_mut(kid) {
            Arc::make_mut(key).state = state;
        }
        self.refuse_second_active()
    }

    fn rotation(&mut self) -> Result<RotationRecord, StoreError> {
        Ok(self.tables.rotation.record)
    }

    fn set_rotation(&mut self, rotation: &RotationRecord) -> Result<(), StoreError> {
        self.tables_mut()?.rotation = Rotation::unclaimed(*rotation);
        Ok(())
    }

    fn claim_rotation(
        &mut self,
        worker: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let rotation = &mut self.tables_mut()?.rotation;
        let is_free = rotation.worker == worker || rotation.lease_until <= now;
        let is_claimed = is_free && rotation.record.state == RotationState::Running;
        if is_claimed {
            worker.clone_into(&mut rotation.worker);
            rotation.lease_until = until;
        }
        Ok(is_claimed)
    }

    fn note_node(&mut self, node: &NodeRecord) -> Result<(), StoreError> {
        let nodes = Arc::make_mut(&mut self.tables_mut()?.nodes);
        nodes.insert(node.id.clone(), Arc::new(node.clone()));
        Ok(())
    }

    fn forget_nodes(&mut self, id: &str, before: Timestamp) -> Result<(), StoreError> {
        let nodes = Arc::make_mut(&mut self.tables_mut()?.nodes);
        nodes.retain(|known, node| known != id && node.seen_at >= before);
        Ok(())
    }

    fn nodes_since(&mut self, since: Timestamp) -> Result<Vec<NodeRecord>, StoreError> {
        let nodes = self.tables.nodes.values();
        Ok(nodes
            .filter(|node| node.seen_at >= since)
            .map(|node| (**node).clone())
            .collect())
    }
}

impl SealedValues for MemoryTx {
    fn sealed_counts(
        &mut self,
        column: SealedColumn,
    ) -> Result<Vec<(Option<KeyId>, u64)>, StoreError> {
        let mut counts = BTreeMap::new();
        for row in self.sealed(column) {
            *counts.entry(named(&row.sealed)).or_default() += 1;
        }
        Ok(counts.into_iter().collect())
    }

    fn sealed_not_under(
        &mut self,
        column: SealedColumn,
        kid: &KeyId,
        after: Option<&SealedRow>,
        limit: i64,
    ) -> Result<Vec<SealedRow>, StoreError> {
        let mut rows = self.sealed(column);
        rows.retain(|row| {
            named(&row.sealed) != Some(*kid) && after.is_none_or(|after| place(row) > place(after))
        });
        rows.sort_by(|one, other| place(one).cmp(&place(other)));
        Ok(limited(rows.into_iter(), limit))
    }

    fn sealed_sample(
        &mut self,
        column: SealedColumn,
        kid: &KeyId,
    ) -> Result<Option<SealedRow>, StoreError> {
        let rows = self.sealed(column);
        Ok(rows
            .into_iter()
            .find(|row| named(&row.sealed) == Some(*kid)))
    }

    fn reseal(&mut self, row: &SealedRow, new: &EncryptedString) -> Result<bool, StoreError> {
        self.refuse_retired([new])?;
        let Some(stored) = self.sealed_mut(row)? else {
            return Ok(false);
        };
        let is_same = *stored == row.sealed;
        if is_same {
            *stored = new.clone();
        }
        Ok(is_same)
    }

    fn hold_sealed_values(&mut self) -> Result<(), StoreError> {
        // One `write` at a time.
        self.tables_mut().map(drop)
    }
}

impl MemoryTx {
    /// What every column with sealed values promises.
    pub(super) fn refuse_retired<'a>(
        &self,
        values: impl IntoIterator<Item = &'a EncryptedString>,
    ) -> Result<(), StoreError> {
        let mut kids = values.into_iter().filter_map(named);
        if kids.any(|kid| self.is_retired(kid)) {
            return Err(StoreError::Unavailable(
                "the encryption key of this value is retired".into(),
            ));
        }
        Ok(())
    }

    /// What every column with MACs promises.
    pub(super) fn refuse_retired_secrets<'a>(
        &self,
        macs: impl IntoIterator<Item = &'a Mac>,
    ) -> Result<(), StoreError> {
        let mut macs = macs.into_iter();
        if macs.any(|mac| self.is_retired(*mac.key_id())) {
            return Err(StoreError::Unavailable(
                "the secret that signs this is retired".into(),
            ));
        }
        Ok(())
    }

    pub(super) fn is_retired(&self, kid: KeyId) -> bool {
        let key = self.tables.encryption_keys.get(&kid);
        key.is_some_and(|key| key.state == KeyState::Retired)
    }

    fn refuse_second_active(&self) -> Result<(), StoreError> {
        for is_field_key in [true, false] {
            let keys = self.tables.encryption_keys.values();
            let active = keys
                .filter(|key| key.is_field_key() == is_field_key && key.state == KeyState::Active);
            if active.count() > 1 {
                return Err(refused("another key of its kind is active"));
            }
        }
        Ok(())
    }

    fn sealed(&self, column: SealedColumn) -> Vec<SealedRow> {
        let row = |row: String, owner: String, sealed: &EncryptedString| SealedRow {
            column,
            row,
            field: String::new(),
            owner,
            sealed: sealed.clone(),
        };
        let of_user = |(id, sealed): (&keyward_auth::UserId, Option<&EncryptedString>)| {
            sealed.map(|sealed| row(id.to_string(), id.to_string(), sealed))
        };
        let factors = self.tables.totp_secrets.iter();
        match column {
            SealedColumn::CredentialSecret => self.sealed_credentials(),
            SealedColumn::TotpActive => factors
                .map(|(id, secrets)| (id, secrets.active.as_ref()))
                .filter_map(of_user)
                .collect(),
            SealedColumn::TotpPending => factors
                .map(|(id, secrets)| (id, secrets.pending.as_ref().map(|one| &one.secret)))
                .filter_map(of_user)
                .collect(),
            SealedColumn::SecretKeyCheck => self
                .tables
                .encryption_keys
                .values()
                .filter(|key| named(&key.sealed) != Some(key.kid))
                .map(|key| row(key.kid.to_string(), String::new(), &key.sealed))
                .collect(),
            SealedColumn::AuditKey => self
                .tables
                .audit_keys
                .iter()
                .map(|(kid, sealed)| row(kid.to_string(), String::new(), sealed))
                .collect(),
        }
    }

    fn sealed_credentials(&self) -> Vec<SealedRow> {
        let credentials = self.tables.credentials.iter();
        credentials
            .flat_map(|(id, row)| {
                let owner = row.credential.unverified().created_by;
                row.secrets.values().map(move |field| SealedRow {
                    column: SealedColumn::CredentialSecret,
                    row: id.to_string(),
                    field: field.path.as_str().to_owned(),
                    owner: owner.to_string(),
                    sealed: field.sealed.clone(),
                })
            })
            .collect()
    }

    fn sealed_mut(&mut self, row: &SealedRow) -> Result<Option<&mut EncryptedString>, StoreError> {
        let tables = self.tables_mut()?;
        let user = || keyward_auth::UserId::parse(&row.row).ok();
        Ok(match row.column {
            SealedColumn::CredentialSecret => CredentialId::parse(&row.row)
                .ok()
                .and_then(|id| Arc::make_mut(&mut tables.credentials).get_mut(&id))
                .map(|known| Arc::make_mut(known).secrets.values_mut())
                .and_then(|mut fields| fields.find(|field| field.path.as_str() == row.field))
                .map(|field| &mut field.sealed),
            SealedColumn::TotpActive => user()
                .and_then(|id| Arc::make_mut(&mut tables.totp_secrets).get_mut(&id))
                .and_then(|secrets| Arc::make_mut(secrets).active.as_mut()),
            SealedColumn::TotpPending => user()
                .and_then(|id| Arc::make_mut(&mut tables.totp_secrets).get_mut(&id))
                .and_then(|secrets| Arc::make_mut(secrets).pending.as_mut())
                .map(|pending| &mut pending.secret),
            SealedColumn::SecretKeyCheck => KeyId::parse(&row.row)
                .and_then(|kid| Arc::make_mut(&mut tables.encryption_keys).get_mut(&kid))
                .map(|key| &mut Arc::make_mut(key).sealed),
            SealedColumn::AuditKey => KeyId::parse(&row.row)
                .and_then(|kid| Arc::make_mut(&mut tables.audit_keys).get_mut(&kid))
                .map(Arc::make_mut),
        })
    }
}

/// The key that a value names by its place in the text, whatever stands behind it.
fn named(sealed: &EncryptedString) -> Option<KeyId> {
    sealed.as_stored().get(3..19).and_then(KeyId::parse)
}

fn place(row: &SealedRow) -> (&str, &str) {
    (&row.row, &row.field)
}
