use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use keyward_auth::UserId;
use keyward_core::StoreError;
use keyward_credentials::{
    Credential, CredentialId, CredentialName, Credentials, FieldPath, Legacy, SecretField,
    StoredCredential,
};
use keyward_crypto::{Mac, Signed};

use super::{MemoryTx, insert, limited, refused};

/// A credential with its secret fields in the order of their paths.
#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) credential: Signed<Credential>,
    pub(crate) secrets: BTreeMap<FieldPath, SecretField>,
}

impl Row {
    fn to_stored(&self) -> StoredCredential {
        StoredCredential {
            credential: self.credential.clone(),
            secrets: self.secrets.values().cloned().collect(),
        }
    }
}

impl Credentials for MemoryTx {
    fn add_credential(&mut self, new: &StoredCredential) -> Result<(), StoreError> {
        let credential = new.credential.unverified();
        self.require_user(credential.created_by)?;
        self.refuse_retired_secrets([new.credential.mac()])?;
        if let Some(legacy) = credential.legacy
            && self.credential_by_legacy(legacy)?.is_some()
        {
            return Err(refused("two credentials come from the same row"));
        }
        let secrets: BTreeMap<_, _> = new
            .secrets
            .iter()
            .map(|field| (field.path.clone(), field.clone()))
            .collect();
        if secrets.len() != new.secrets.len() {
            return Err(refused("two secret fields have the same path"));
        }
        self.refuse_retired(secrets.values().map(|field| &field.sealed))?;
        let row = Row {
            credential: new.credential.clone(),
            secrets,
        };
        insert(&mut self.tables_mut()?.credentials, credential.id, row)
    }

    fn credential(&mut self, id: CredentialId) -> Result<Option<StoredCredential>, StoreError> {
        Ok(self.tables.credentials.get(&id).map(|row| row.to_stored()))
    }

    fn credential_by_legacy(
        &mut self,
        legacy: Legacy,
    ) -> Result<Option<StoredCredential>, StoreError> {
        let mut rows = self.tables.credentials.values();
        let found = rows.find(|row| row.credential.unverified().legacy == Some(legacy));
        Ok(found.map(|row| row.to_stored()))
    }

    fn credentials_named(
        &mut self,
        name: &CredentialName,
        created_by: Option<UserId>,
        limit: i64,
    ) -> Result<Vec<StoredCredential>, StoreError> {
        let rows = self.tables.credentials.values().filter(|row| {
            let credential = row.credential.unverified();
            credential.name == *name && created_by.is_none_or(|user| credential.created_by == user)
        });
        Ok(limited(rows.map(|row| row.to_stored()), limit))
    }

    fn credentials_after(
        &mut self,
        after: Option<CredentialId>,
        created_by: Option<UserId>,
        limit: i64,
    ) -> Result<Vec<StoredCredential>, StoreError> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rows = self
            .tables
            .credentials
            .range((from, Bound::Unbounded))
            .map(|(_, row)| row)
            .filter(|row| {
                created_by.is_none_or(|user| row.credential.unverified().created_by == user)
            })
            .map(|row| row.to_stored());
        Ok(limited(rows, limit))
    }

    fn replace_credential(
        &mut self,
        old: &Mac,
        new: &Signed<Credential>,
    ) -> Result<bool, StoreError> {
        self.require_user(new.unverified().created_by)?;
        self.refuse_retired_secrets([new.mac()])?;
        let credentials = Arc::make_mut(&mut self.tables_mut()?.credentials);
        match credentials.get_mut(&new.unverified().id) {
            Some(row) if row.credential.mac() == old => {
                Arc::make_mut(row).credential = new.clone();
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn put_secret(&mut self, id: CredentialId, field: &SecretField) -> Result<(), StoreError> {
        self.refuse_retired([&field.sealed])?;
        let row = Arc::make_mut(&mut self.tables_mut()?.credentials)
            .get_mut(&id)
            .ok_or_else(|| refused("a secret field of a credential that does not exist"))?;
        let secrets = &mut Arc::make_mut(row).secrets;
        secrets.insert(field.path.clone(), field.clone());
        Ok(())
    }

    fn drop_secret(&mut self, id: CredentialId, path: &FieldPath) -> Result<(), StoreError> {
        if let Some(row) = Arc::make_mut(&mut self.tables_mut()?.credentials).get_mut(&id) {
            Arc::make_mut(row).secrets.remove(path);
        }
        Ok(())
    }

    fn delete_credential(&mut self, id: CredentialId) -> Result<bool, StoreError> {
        let credentials = Arc::make_mut(&mut self.tables_mut()?.credentials);
        let deleted = credentials.remove(&id).is_some();
        Arc::make_mut(&mut self.tables_mut()?.uses).retain(|(of, _), _| *of != id);
        Ok(deleted)
    }
}
