use std::sync::Arc;

use keyward_core::{Clock, Store, StoreError, Timestamp};
use keyward_crypto::{ApiKey, ApiKeyKind, MacRing, Signed};

use crate::guard::FRESH_SECONDS;
use crate::measure;
use crate::sessions::IDLE_SECONDS;
use crate::{
    ApiKeyRecord, ApiKeys, KeyWithOwner, LastUsed, Principal, PrincipalKey, User, UserKind,
};

/// Tells whose key a request carries.
///
/// Nothing is cached: a key that was revoked, or whose owner was disabled, fails from the commit
/// of that change on, on every node.
///
/// ```
/// use keyward_auth::{AuthenticateError, Environment, Username};
/// use keyward_crypto::{ApiKey, ApiKeyKind, Password};
/// # use std::sync::Arc;
/// # use keyward_auth::{Authenticate, LastUsed, Setup};
/// # use keyward_crypto::{FieldKey, KeyRing, MacRing};
/// # let store = Arc::new(keyward_store_testing::MemoryStore::new());
/// # let fields = KeyRing::new(vec![FieldKey::generate()])?;
/// # let macs = MacRing::parse(MacRing::generate_secret().expose())?;
/// # let environment = Environment::new(store, fields, macs);
/// # let password = Password::new_secret("correct horse battery".to_owned().into())?;
/// # let setup = Setup::new(environment.clone());
/// # let key = setup.first_admin(&Username::parse("ada")?, &password)?.key;
///
/// // `environment` is as on the page of this crate, and `key` that of its administrator.
/// let Environment { store, macs, clock, .. } = environment;
/// let authenticate = Authenticate::new(store, macs, clock, Arc::new(LastUsed::default()));
/// assert_eq!(authenticate.principal(&key)?.username.as_str(), "ada");
///
/// // It looks like a key, and nobody has made it.
/// let stranger = ApiKey::generate(ApiKeyKind::User);
/// let refused = authenticate.principal(&stranger);
/// assert!(matches!(refused, Err(AuthenticateError::Rejected)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
        match self.store.lookup(|tx| tx.key_with_owner(key.id())) {
            Ok(found) => self.decided(found, key),
            Err(error) => {
                measure::authenticated(measure::STORAGE);
                Err(AuthenticateError::Store(error))
            }
        }
    }
}

impl<S> Authenticate<S> {
    /// The principal behind `key`, of which `found` is what the store has. For who has asked the store in a
    /// unit of work of their own: where that holds the lock of the audit log, the answer holds until
    /// it ends, since every change of a key takes this lock first.
    pub fn decided(
        &self,
        found: Option<KeyWithOwner>,
        key: &ApiKey,
    ) -> Result<Principal, AuthenticateError> {
        let decided = self.decide(found, key);
        measure::authenticated(match decided {
            Ok(_) => measure::ACCEPTED,
            Err(_) => measure::REJECTED,
        });
        decided
    }

    fn decide(
        &self,
        found: Option<KeyWithOwner>,
        key: &ApiKey,
    ) -> Result<Principal, AuthenticateError> {
        let now = self.clock.now();
        let Some(found) = found else {
            // The same work as for a key that exists.
            let _ = key.mac(&self.macs);
            return Err(AuthenticateError::Rejected);
        };
        let (id, last_used_at) = (found.key.unverified().id, found.last_used_at);
        let is_left = self.is_left(found.key.unverified(), last_used_at, now);
        // The secret first: nothing is said about a row to somebody who does not have it.
        let is_theirs = key.matches(&self.macs, &found.key.unverified().key_mac)
            && found.key.unverified().kind == key.kind();
        let by_older_secret = self.signed_by_older_secret(&found.key);
        let principal = accepted(found, &self.macs, now).filter(|_| is_theirs && !is_left);
        let principal = principal.ok_or(AuthenticateError::Rejected)?;
        if let Some(row) = by_older_secret {
            self.renew(key, &row);
        }
        self.last_used.note(id, now, last_used_at);
        Ok(principal)
    }

    /// Whether nobody has used a session for so long that it has ended.
    fn is_left(&self, key: &ApiKeyRecord, last_used_at: Option<Timestamp>, now: Timestamp) -> bool {
        let is_recent = |at: Timestamp| now < at.plus(IDLE_SECONDS);
        key.kind == ApiKeyKind::Login
            && !is_recent(key.created_at)
            && !last_used_at.is_some_and(is_recent)
            // It may not be written yet.
            && !self.last_used.noted(key.id).is_some_and(is_recent)
    }

    /// The row of a key, if the MAC of its secret is by a `SECRET_KEY` that is on its way out.
    fn signed_by_older_secret(&self, row: &Signed<ApiKeyRecord>) -> Option<Signed<ApiKeyRecord>> {
        let is_older = *row.unverified().key_mac.key_id() != self.macs.active();
        is_older.then(|| row.clone())
    }

    /// Has a MAC of the secret made by the active `SECRET_KEY`, now that the secret is at hand. The
    /// row was found genuine.
    fn renew(&self, key: &ApiKey, row: &Signed<ApiKeyRecord>) {
        let old = row.mac().clone();
        let record = ApiKeyRecord {
            key_mac: key.mac(&self.macs),
            ..row.unverified().clone()
        };
        self.last_used.renew(old, Signed::sign(record, &self.macs));
    }
}

/// The principal behind a stored key, if both rows are genuine and live.
pub(crate) fn accepted(found: KeyWithOwner, macs: &MacRing, now: Timestamp) -> Option<Principal> {
    let (record, owner, sponsor) = genuine(found, macs)?;
    let is_open = record.is_live(now)
        && owner.is_live(now)
        && sponsor.is_none_or(|sponsor| sponsor.is_live(now));
    is_open.then(|| principal(record, owner))
}

/// The rows, if all are what was written and belong together.
fn genuine(found: KeyWithOwner, macs: &MacRing) -> Option<(ApiKeyRecord, User, Option<User>)> {
    let id = found.key.unverified().id;
    let rows = found.key.verify(macs).and_then(|key| {
        let sponsor = found.sponsor.map(|sponsor| sponsor.verify(macs));
        Ok((key, found.owner.verify(macs)?, sponsor.transpose()?))
    });
    match rows {
        Ok((key, owner, sponsor))
            if key.user == owner.id && answers_for(sponsor.as_ref(), &owner) =>
        {
            Some((key, owner, sponsor))
        }
        _ => {
            tracing::error!(
                key = %id,
                "the stored row of an API key or of its owner is not genuine; it is refused \
                 (check that SECRET_KEY lists the keys that were in use, and who can write to \
                 the database)"
            );
            None
        }
    }
}

/// Whether `sponsor` is the person who answers for `user`: nobody does for people.
pub(crate) fn answers_for(sponsor: Option<&User>, user: &User) -> bool {
    match (sponsor, user.delegation) {
        (Some(sponsor), Some(delegation)) => {
            sponsor.id == delegation.owner && sponsor.kind == UserKind::Human
        }
        (None, None) => true,
        _ => false,
    }
}

fn principal(key: ApiKeyRecord, owner: User) -> Principal {
    // A proof from before the factor was enrolled is one of another factor, or of a password.
    let since = owner.mfa_since.map(|since| since.plus(FRESH_SECONDS));
    let fresh_until = key.fresh_until.filter(|until| Some(*until) >= since);
    let scopes = key.scopes.intersection(owner.scopes());
    let term = owner
        .delegation
        .and_then(|delegation| delegation.expires_at);
    let ends = [key.expires_at, term].into_iter().flatten().min();
    Principal {
        user: owner.id,
        username: owner.username,
        kind: owner.kind,
        role: owner.role,
        owner: owner.delegation.map(|delegation| delegation.owner),
        mfa_enabled: owner.mfa_since.is_some(),
        key: PrincipalKey {
            id: key.id,
            kind: key.kind,
            name: key.name,
            scopes,
            expires_at: ends,
            fresh_until,
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
