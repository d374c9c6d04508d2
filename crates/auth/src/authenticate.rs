use std::sync::Arc;

use keyward_core::{Clock, Store, StoreError};
use keyward_crypto::{ApiKey, MacRing};

use crate::{
    ApiKeyRecord, ApiKeys, KeyWithOwner, LastUsed, Principal, PrincipalKey, Scopes, User,
    UserStatus,
};

/// Tells whose key a request carries.
///
/// Nothing is cached: a key that was revoked, or whose owner was disabled, fails from the commit
/// of that change on, on every node.
pub struct Authenticate<S> {
    store: S,
    macs: MacRing,
    clock: Arc<dyn Clock>,
    last_used: Arc<LastUsed>,
}

impl<S: Store<Tx: ApiKeys>> Authenticate<S> {
    /// Wires the service.
    pub fn new(store: S, macs: MacRing, clock: Arc<dyn Clock>, last_used: Arc<LastUsed>) -> Self {
        Self {
            store,
            macs,
            clock,
            last_used,
        }
    }

    /// The principal behind `key`, after one question to the store.
    pub fn principal(&self, key: &ApiKey) -> Result<Principal, AuthenticateError> {
        let found = self.store.lookup(|tx| tx.key_with_owner(key.id()))?;
        let now = self.clock.now();
        let Some(found) = found else {
            // The same work as for a key that exists.
            let _ = key.mac(&self.macs);
            return Err(AuthenticateError::Rejected);
        };
        let last_used_at = found.last_used_at;
        let (record, owner) = self.genuine(found)?;
        let accepted = key.matches(&self.macs, &record.key_mac)
            && record.kind == key.kind()
            && record.is_live(now)
            && owner.status == UserStatus::Active;
        if !accepted {
            return Err(AuthenticateError::Rejected);
        }
        self.last_used.note(record.id, now, last_used_at);
        Ok(principal(record, owner))
    }

    /// Both rows, if both are what was written and belong together.
    fn genuine(&self, found: KeyWithOwner) -> Result<(ApiKeyRecord, User), AuthenticateError> {
        let id = found.key.unverified().id;
        let rows = found
            .key
            .verify(&self.macs)
            .and_then(|key| Ok((key, found.owner.verify(&self.macs)?)));
        match rows {
            Ok((key, owner)) if key.user == owner.id => Ok((key, owner)),
            _ => {
                tracing::error!(
                    key = %id,
                    "the stored row of an API key or of its owner is not genuine; it is refused \
                     (check that SECRET_KEY lists the keys that were in use, and who can write to \
                     the database)"
                );
                Err(AuthenticateError::Rejected)
            }
        }
    }
}

fn principal(key: ApiKeyRecord, owner: User) -> Principal {
    Principal {
        user: owner.id,
        username: owner.username,
        kind: owner.kind,
        role: owner.role,
        key: PrincipalKey {
            id: key.id,
            kind: key.kind,
            name: key.name,
            scopes: key.scopes.intersection(Scopes::of_role(owner.role)),
            expires_at: key.expires_at,
        },
        request: None,
    }
}

/// Why a key opens nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthenticateError {
    /// Unknown, expired, revoked, forged, or its owner is disabled. One variant for all, so that
    /// no caller can tell them apart.
    #[error("the API key is not valid")]
    Rejected,
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
