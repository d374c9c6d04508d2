use keyward_audit::Event;
use keyward_core::Store;
use keyward_crypto::{ApiKey, ApiKeyId, Signed};

use crate::api_keys::{Draft, KEY_CREATE, subject};
use crate::{
    ApiKeys as _, AuthTx, Host, KeyCursor, KeyError, KeyView, ManageKeys, NewKey,
    UserAdministrator as _, UserId,
};

/// What the operator of the host does with the keys of others.
impl<S: Store<Tx: AuthTx>> ManageKeys<S> {
    /// Makes a key for a user, within what their role (or whoever made an agent) allows them.
    pub fn create_on_host(
        &self,
        by: Host,
        user: UserId,
        new: &NewKey,
    ) -> Result<(KeyView, ApiKey), KeyError> {
        let now = self.0.clock.now();
        if new.expires_at.is_some_and(|end| end <= now) {
            return Err(KeyError::ExpiryInPast);
        }
        self.0.store.write(|tx| {
            let actor = by.authorise(tx, &self.0.macs, now)?;
            let owner = self.owner_of_keys(tx, user)?;
            let draft = Draft::of(new, &owner, new.expires_at)?;
            let key = ApiKey::generate(draft.kind);
            let record = draft.record(&key, &self.0.macs, now);
            let view = KeyView::of(&record, None);
            tx.add_api_key(&Signed::sign(record, &self.0.macs))?;
            let event = Event::new(actor, KEY_CREATE, subject(key.id()))
                .with("user", user.to_string())
                .with("scopes", draft.scopes.to_string());
            self.0.audit.record(tx, &event)?;
            Ok((view, key))
        })
    }

    /// The keys of a user, oldest first.
    pub fn list_on_host(
        &self,
        _: Host,
        user: UserId,
        after: Option<KeyCursor>,
        limit: i64,
    ) -> Result<Vec<KeyView>, KeyError> {
        self.list(user, after, limit)
    }

    /// Revokes a key, whoever has it. It is refused from the commit on, on every node.
    pub fn revoke_on_host(&self, by: Host, id: ApiKeyId) -> Result<KeyView, KeyError> {
        let now = self.0.clock.now();
        self.0.store.write(|tx| {
            let actor = by.authorise(tx, &self.0.macs, now)?;
            let found = tx.key_with_owner(id)?.ok_or(KeyError::NotFound)?;
            let user = found.key.unverified().user;
            self.end(tx, (user, id), actor, now)
        })
    }
}
