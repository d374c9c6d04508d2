use std::collections::HashMap;
use std::sync::Arc;

use keyward_auth::{KeyWithOwner, UserId};
use keyward_core::StoreError;
use keyward_crypto::ApiKeyId;

use crate::{CredentialId, CredentialName, CredentialsTx, StoredCredential};

/// What was read within one transaction. Many requests that share it have the same key or the same
/// credential, and neither changes while it holds the lock of the audit log.
pub(super) struct Seen<'a, Tx> {
    pub(super) tx: &'a mut Tx,
    keys: HashMap<ApiKeyId, Option<KeyWithOwner>>,
    credentials: HashMap<CredentialId, Option<Arc<StoredCredential>>>,
    names: HashMap<(String, Option<UserId>), Vec<Arc<StoredCredential>>>,
}

impl<'a, Tx: CredentialsTx> Seen<'a, Tx> {
    pub(super) fn new(tx: &'a mut Tx) -> Self {
        Self {
            tx,
            keys: HashMap::new(),
            credentials: HashMap::new(),
            names: HashMap::new(),
        }
    }

    pub(super) fn key(&mut self, id: ApiKeyId) -> Result<Option<KeyWithOwner>, StoreError> {
        if let Some(found) = self.keys.get(&id) {
            return Ok(found.clone());
        }
        let found = self.tx.key_with_owner(id)?;
        self.keys.insert(id, found.clone());
        Ok(found)
    }

    pub(super) fn credential(
        &mut self,
        id: CredentialId,
    ) -> Result<Option<Arc<StoredCredential>>, StoreError> {
        if let Some(found) = self.credentials.get(&id) {
            return Ok(found.clone());
        }
        let found = self.tx.credential(id)?.map(Arc::new);
        self.credentials.insert(id, found.clone());
        Ok(found)
    }

    /// Those with this name, two at most.
    pub(super) fn named(
        &mut self,
        name: &CredentialName,
        created_by: Option<UserId>,
    ) -> Result<Vec<Arc<StoredCredential>>, StoreError> {
        let asked = (name.as_str().to_owned(), created_by);
        if let Some(found) = self.names.get(&asked) {
            return Ok(found.clone());
        }
        let found = self.tx.credentials_named(name, created_by, 2)?;
        let found: Vec<_> = found.into_iter().map(Arc::new).collect();
        self.names.insert(asked, found.clone());
        Ok(found)
    }
}
