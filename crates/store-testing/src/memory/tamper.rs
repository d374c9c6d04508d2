use std::sync::Arc;

use keyward_audit::{Head, Record, RecordFields, Seq};
use keyward_auth::{ApiKeyRecord, User, UserId};
use keyward_credentials::{Credential, CredentialId};
use keyward_crypto::{ApiKeyId, Signed};

use super::{MemoryStore, OpenUnit, Tables, api_keys, lock};

impl MemoryStore {
    /// Changes rows behind Keyward's back, as somebody could who writes to the database but does
    /// not have `SECRET_KEY`. For tests that this is noticed.
    ///
    /// No rule of the store applies, and no MAC is made anew. What is changed stays changed when
    /// `work` panics.
    ///
    /// # Panics
    ///
    /// Inside a unit of work of the same store.
    pub fn tamper<T>(&self, work: impl FnOnce(&mut Tampering<'_>) -> T) -> T {
        let _open = OpenUnit::enter(self);
        let _turn = lock(&self.writer);
        work(&mut Tampering(&mut lock(&self.committed)))
    }
}

/// The rows of a [`MemoryStore`] without its rules, see [`MemoryStore::tamper`].
///
/// The methods that edit say whether the row was there.
pub struct Tampering<'a>(&'a mut Tables);

impl Tampering<'_> {
    /// Edits the row of a user and leaves its MAC.
    pub fn edit_user(&mut self, id: UserId, edit: impl FnOnce(&mut User)) -> bool {
        let users = Arc::make_mut(&mut self.0.users);
        users.get_mut(&id).is_some_and(|user| {
            *user = Arc::new(edited(user, edit));
            true
        })
    }

    /// Writes the row of a user, over the one with the same id if there is one.
    pub fn put_user(&mut self, user: Signed<User>) {
        let id = user.unverified().id;
        Arc::make_mut(&mut self.0.users).insert(id, Arc::new(user));
    }

    /// Edits the row of an API key and leaves its MAC. The row stays the one that is found under
    /// `id`, whatever it says.
    pub fn edit_api_key(&mut self, id: ApiKeyId, edit: impl FnOnce(&mut ApiKeyRecord)) -> bool {
        let keys = Arc::make_mut(&mut self.0.api_keys);
        keys.get_mut(&id).is_some_and(|row| {
            let row = Arc::make_mut(row);
            row.key = edited(&row.key, edit);
            true
        })
    }

    /// Writes the row of an API key, over the one with the same id if there is one.
    pub fn put_api_key(&mut self, key: Signed<ApiKeyRecord>) {
        let id = key.unverified().id;
        let row = api_keys::Row {
            key,
            last_used_at: None,
        };
        Arc::make_mut(&mut self.0.api_keys).insert(id, Arc::new(row));
    }

    /// Edits the row of a credential and leaves its MAC.
    pub fn edit_credential(
        &mut self,
        id: CredentialId,
        edit: impl FnOnce(&mut Credential),
    ) -> bool {
        let credentials = Arc::make_mut(&mut self.0.credentials);
        credentials.get_mut(&id).is_some_and(|row| {
            let row = Arc::make_mut(row);
            row.credential = edited(&row.credential, edit);
            true
        })
    }

    /// Edits a row of the audit chain and leaves its MAC. The row stays in its place, whatever it
    /// says.
    pub fn edit_audit_event(&mut self, seq: Seq, edit: impl FnOnce(&mut RecordFields)) -> bool {
        let rows = Arc::make_mut(&mut self.0.audit);
        rows.get_mut(&seq).is_some_and(|row| {
            edit(&mut Arc::make_mut(row).fields);
            true
        })
    }

    /// Writes a row of the audit chain, over the one with the same number if there is one.
    pub fn put_audit_event(&mut self, record: Record) {
        Arc::make_mut(&mut self.0.audit).insert(record.fields.seq, Arc::new(record));
    }

    /// Takes a row out of the audit chain.
    pub fn remove_audit_event(&mut self, seq: Seq) -> Option<Record> {
        let removed = Arc::make_mut(&mut self.0.audit).remove(&seq);
        removed.map(Arc::unwrap_or_clone)
    }

    /// Exchanges two rows of the audit chain: each gets the number of the other.
    pub fn swap_audit_events(&mut self, one: Seq, other: Seq) -> bool {
        let row = |seq| self.0.audit.get(&seq).map(|row| (**row).clone());
        let (Some(mut first), Some(mut second)) = (row(one), row(other)) else {
            return false;
        };
        first.fields.seq = other;
        second.fields.seq = one;
        self.put_audit_event(first);
        self.put_audit_event(second);
        true
    }

    /// Sets the record of the end of the audit chain.
    pub fn set_audit_head(&mut self, head: Option<Head>) {
        self.0.audit_head = head;
    }
}

/// The row after `edit`, under the MAC that it had before.
fn edited<Row: Clone>(row: &Signed<Row>, edit: impl FnOnce(&mut Row)) -> Signed<Row> {
    let mut new = row.unverified().clone();
    edit(&mut new);
    Signed::from_stored(new, row.mac().clone())
}
