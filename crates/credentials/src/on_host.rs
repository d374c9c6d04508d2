use keyward_audit::{AuditEvents as _, Event};
use keyward_auth::{Host, UserId};
use keyward_core::Store;

use crate::manage::{CREDENTIAL_CREATE, CREDENTIAL_DELETE, names, subject};
use crate::seal::seal_credential;
use crate::{
    CredentialError, CredentialId, CredentialView, Credentials as _, CredentialsTx,
    ManageCredentials, NewCredential, Provenance, Which,
};

/// What the operator of the host does with credentials. Nothing is opened here either.
impl<S: Store<Tx: CredentialsTx>> ManageCredentials<S> {
    /// Keeps a new credential of `owner`, who counts as its maker.
    pub fn create_for(
        &self,
        by: Host,
        owner: UserId,
        new: NewCredential,
    ) -> Result<CredentialView, CredentialError> {
        let now = self.clock.now();
        let from = Provenance {
            created_by: owner,
            created_at: now,
            updated_at: now,
            legacy: None,
        };
        let stored = seal_credential(new, from, &self.viewer.keys, &self.viewer.macs, now)?;
        let view = self.viewer.view(&stored);
        let paths = stored.secrets.iter().map(|field| &field.path);
        let event = Event::new(by.actor(), CREDENTIAL_CREATE, subject(view.id))
            .with("type", view.credential_type.clone())
            .with("secrets", names(paths))
            .with("owner", owner.to_string());
        self.store.write(|tx| {
            tx.lock_audit_head()?;
            tx.add_credential(&stored)?;
            self.audit.record(tx, &event)?;
            Ok(view)
        })
    }

    /// Up to `limit` credentials after `after`, in the order in which they were made, whoever made
    /// them.
    pub fn list_on_host(
        &self,
        _: Host,
        after: Option<CredentialId>,
        limit: i64,
    ) -> Result<Vec<CredentialView>, CredentialError> {
        let found = self
            .store
            .lookup(|tx| tx.credentials_after(after, None, limit))?;
        Ok(found
            .iter()
            .map(|stored| self.viewer.view(stored))
            .collect())
    }

    /// The credentials that somebody can mean by this: one by its id, and up to `limit` by their
    /// name.
    pub fn named_on_host(
        &self,
        _: Host,
        which: &Which,
        limit: i64,
    ) -> Result<Vec<CredentialView>, CredentialError> {
        let found = self.store.lookup(|tx| match which {
            Which::Id(id) => Ok(tx.credential(*id)?.into_iter().collect()),
            Which::Name(name) => tx.credentials_named(name, None, limit),
        })?;
        Ok(found
            .iter()
            .map(|stored| self.viewer.view(stored))
            .collect())
    }

    /// Deletes a credential with its secrets.
    pub fn delete_on_host(&self, by: Host, id: CredentialId) -> Result<(), CredentialError> {
        let event = Event::new(by.actor(), CREDENTIAL_DELETE, subject(id));
        self.store.write(|tx| {
            tx.lock_audit_head()?;
            if !tx.delete_credential(id)? {
                return Err(CredentialError::NotFound);
            }
            self.audit.record(tx, &event)?;
            Ok(())
        })
    }
}
