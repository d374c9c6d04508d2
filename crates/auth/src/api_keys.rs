use keyward_audit::{Action, Actor, Event, Subject};
use keyward_core::{LegacyId, Store, StoreError, Timestamp};
use keyward_crypto::{ApiKey, ApiKeyId, ApiKeyKind, MacRing, Signed};
use serde::{Deserialize, Serialize};

use crate::permit::needs::UsersWrite;
use crate::{
    Any, ApiKeyRecord, ApiKeys as _, AuthTx, Denied, Environment, Idempotency, IdempotencyConflict,
    KeyCursor, KeyName, ListedKey, Outcome, Permit, Principal, Recheck, Scopes, User, UserId,
    UserKind, UserStatus, Users as _,
};

/// Makes, lists, rotates and revokes API keys.
///
/// ```
/// use keyward_auth::{Environment, KeyError, KeyName, ManageKeys, NewKey, Scope, Scopes, Username};
/// use keyward_crypto::Password;
/// # use std::sync::Arc;
/// # use keyward_auth::{Authenticate, LastUsed, Setup};
/// # use keyward_crypto::{FieldKey, KeyRing, MacRing};
/// # let store = Arc::new(keyward_store_testing::MemoryStore::new());
/// # let fields = KeyRing::new(vec![FieldKey::generate()])?;
/// # let macs = MacRing::parse(MacRing::generate_secret().expose())?;
/// # let environment = Environment::new(store, fields, macs);
/// # let password = Password::new_secret("correct horse battery".to_owned().into())?;
/// # let admin = Setup::new(environment.clone()).first_admin(&Username::parse("ada")?, &password)?;
/// # let Environment { store, macs, clock, .. } = environment.clone();
/// # let authenticate = Authenticate::new(store, macs, clock, Arc::new(LastUsed::default()));
///
/// // `environment`, `authenticate` and `admin` are as on the page of this crate.
/// let keys = ManageKeys::new(environment);
/// let permit = authenticate.principal(&admin.key)?.permit()?;
/// let reader = NewKey {
///     name: KeyName::parse("dashboard")?,
///     scopes: Some(Scopes::from_iter([Scope::Read])),
///     expires_at: None,
/// };
/// let (view, key) = keys.create_own(&permit, &reader, None)?;
/// let key = key.ok_or("a new key is shown once")?;
/// assert_eq!(view.id, key.id().to_string());
///
/// // A key makes none that is stronger than itself.
/// let weak = authenticate.principal(&key)?.permit()?;
/// let stronger = NewKey { scopes: Some(Scopes::all()), ..reader };
/// assert!(matches!(keys.create_own(&weak, &stronger, None), Err(KeyError::Stronger(_))));
///
/// // A revoked one is refused from the next request on.
/// keys.revoke_own(&permit, key.id())?;
/// assert!(authenticate.principal(&key).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ManageKeys<S>(pub(crate) Environment<S>);

impl<S: Store<Tx: AuthTx>> ManageKeys<S> {
    /// Wires the service.
    pub fn new(environment: Environment<S>) -> Self {
        Self(environment)
    }

    /// Makes a key for the caller, never stronger than the key that asks for it.
    ///
    /// The [`ApiKey`] is there only when the key is new: a repeated attempt gets its view alone.
    pub fn create_own(
        &self,
        caller: &Permit<Any>,
        new: &NewKey,
        attempt: Option<&Idempotency>,
    ) -> Result<(KeyView, Option<ApiKey>), KeyError> {
        self.create(caller, new, attempt, |_, caller| {
            Ok(Owner {
                user: caller.user,
                kind: caller.kind,
                possible: caller.key.scopes,
            })
        })
    }

    /// Makes a key for another user, within that user's role and the scopes of the asking key.
    pub fn create_for(
        &self,
        caller: &Permit<UsersWrite>,
        user: UserId,
        new: &NewKey,
        attempt: Option<&Idempotency>,
    ) -> Result<(KeyView, Option<ApiKey>), KeyError> {
        self.create(caller, new, attempt, |tx, caller| {
            let owner = self.owner_of_keys(tx, user)?;
            Ok(Owner {
                possible: owner.possible.intersection(caller.key.scopes),
                ..owner
            })
        })
    }

    /// The caller's keys, oldest first.
    pub fn list_own(
        &self,
        caller: &Permit<Any>,
        after: Option<KeyCursor>,
        limit: i64,
    ) -> Result<Vec<KeyView>, KeyError> {
        self.list(caller.user, after, limit)
    }

    /// The keys of another user.
    pub fn list_of(
        &self,
        _: &Permit<UsersWrite>,
        user: UserId,
        after: Option<KeyCursor>,
        limit: i64,
    ) -> Result<Vec<KeyView>, KeyError> {
        self.0.store.lookup(|tx| self.owner(tx, user))?;
        self.list(user, after, limit)
    }

    /// Revokes a key of the caller. It is refused from the commit on.
    pub fn revoke_own(&self, caller: &Permit<Any>, id: ApiKeyId) -> Result<(), KeyError> {
        self.revoke(caller, caller.user, id, |_, _| Ok(()))
    }

    /// Revokes a key of another user.
    pub fn revoke_of(
        &self,
        caller: &Permit<UsersWrite>,
        user: UserId,
        id: ApiKeyId,
    ) -> Result<(), KeyError> {
        self.revoke(caller, user, id, Principal::require_fresh_factor)
    }

    /// Replaces a key of the caller by a new one with the same name, expiry, and scopes as far as
    /// the caller's role still allows them. The old one goes on working for `overlap_seconds`; with 0 it ends at once.
    pub fn rotate_own(
        &self,
        caller: &Permit<Any>,
        id: ApiKeyId,
        overlap_seconds: u32,
        attempt: Option<&Idempotency>,
    ) -> Result<(KeyView, Option<ApiKey>), KeyError> {
        let now = self.0.clock.now();
        let mut secret = None;
        let outcome = self.0.store.write(|tx| {
            let caller = &Any::recheck(caller, tx, &self.0.macs, now)?;
            caller.require_fresh_factor(now)?;
            Idempotency::once(attempt, tx, caller.user, now, |tx| {
                let old = self.own_live_key(tx, caller.user, id, now)?;
                let mut ended = old.unverified().clone();
                let scopes = rotated_scopes(caller, &ended, now)?;
                // In place of a key that an import brought comes one of ours.
                let key = ApiKey::generate(kind_for(caller.kind));
                let record = ApiKeyRecord {
                    id: key.id(),
                    kind: key.kind(),
                    scopes,
                    created_at: now,
                    fresh_until: None,
                    legacy_id: None,
                    key_mac: key.mac(&self.0.macs),
                    ..ended.clone()
                };
                if overlap_seconds == 0 {
                    ended.revoked_at = Some(now);
                } else {
                    let end = now.plus(i64::from(overlap_seconds));
                    ended.expires_at = Some(ended.expires_at.map_or(end, |set| set.min(end)));
                }
                let ended = Signed::sign(ended, &self.0.macs);
                if !tx.replace_api_key(old.mac(), &ended)? {
                    return Err(KeyError::Busy);
                }
                tx.add_api_key(&Signed::sign(record.clone(), &self.0.macs))?;
                let event = Event::new(caller.actor(), KEY_ROTATE, subject(id))
                    .with("new_key", record.id.to_string())
                    .with("overlap_seconds", overlap_seconds.to_string());
                self.0.audit.record(tx, &event)?;
                secret = Some(key);
                Ok(KeyView::of(&record, None))
            })
        })?;
        Ok(shown_once(outcome, secret))
    }

    fn create<Needed: Recheck>(
        &self,
        caller: &Permit<Needed>,
        new: &NewKey,
        attempt: Option<&Idempotency>,
        owner: impl FnOnce(&mut S::Tx, &Principal) -> Result<Owner, KeyError>,
    ) -> Result<(KeyView, Option<ApiKey>), KeyError> {
        let now = self.0.clock.now();
        let mut secret = None;
        let outcome = self.0.store.write(|tx| {
            let caller = &Needed::recheck(caller, tx, &self.0.macs, now)?;
            caller.require_fresh_factor(now)?;
            // What is asked for is checked inside: a repeat is answered as it was then, whatever
            // has changed since.
            Idempotency::once(attempt, tx, caller.user, now, |tx| {
                let owner = owner(tx, caller)?;
                let draft = Draft::of(new, &owner, bounded_expiry(caller, new.expires_at, now)?)?;
                let key = ApiKey::generate(draft.kind);
                let record = draft.record(&key, &self.0.macs, now);
                let view = KeyView::of(&record, None);
                tx.add_api_key(&Signed::sign(record, &self.0.macs))?;
                let event = Event::new(caller.actor(), KEY_CREATE, subject(key.id()))
                    .with("user", draft.user.to_string())
                    .with("scopes", draft.scopes.to_string());
                self.0.audit.record(tx, &event)?;
                secret = Some(key);
                Ok::<_, KeyError>(view)
            })
        })?;
        Ok(shown_once(outcome, secret))
    }

    pub(crate) fn list(
        &self,
        user: UserId,
        after: Option<KeyCursor>,
        limit: i64,
    ) -> Result<Vec<KeyView>, KeyError> {
        let keys = self
            .0
            .store
            .lookup(|tx| tx.api_keys_of(user, after, limit))?;
        Ok(keys.iter().map(KeyView::listed).collect())
    }

    fn revoke<Needed: Recheck>(
        &self,
        caller: &Permit<Needed>,
        user: UserId,
        id: ApiKeyId,
        also: impl FnOnce(&Principal, Timestamp) -> Result<(), Denied>,
    ) -> Result<(), KeyError> {
        let now = self.0.clock.now();
        self.0.store.write(|tx| {
            let caller = Needed::recheck(caller, tx, &self.0.macs, now)?;
            also(&caller, now)?;
            self.end(tx, (user, id), caller.actor(), now).map(|_| ())
        })
    }

    /// Ends a live key of `user`, and has it written down.
    pub(crate) fn end(
        &self,
        tx: &mut S::Tx,
        (user, id): (UserId, ApiKeyId),
        by: Actor,
        now: Timestamp,
    ) -> Result<KeyView, KeyError> {
        let old = self.own_live_key(tx, user, id, now)?;
        let mut ended = old.unverified().clone();
        ended.revoked_at = Some(now);
        let view = KeyView::of(&ended, None);
        if !tx.replace_api_key(old.mac(), &Signed::sign(ended, &self.0.macs))? {
            return Err(KeyError::Busy);
        }
        let event = Event::new(by, KEY_REVOKE, subject(id)).with("user", user.to_string());
        self.0.audit.record(tx, &event)?;
        Ok(view)
    }

    fn own_live_key(
        &self,
        tx: &mut S::Tx,
        user: UserId,
        id: ApiKeyId,
        now: Timestamp,
    ) -> Result<Signed<ApiKeyRecord>, KeyError> {
        let found = tx.key_with_owner(id)?.ok_or(KeyError::NotFound)?;
        if found.key.unverified().user != user {
            return Err(KeyError::NotFound);
        }
        if !found.key.is_genuine(&self.0.macs) {
            return Err(KeyError::Store(StoreError::corrupt(
                "api_keys",
                "the row does not carry a valid MAC",
            )));
        }
        // A key that ended is not there to be ended again, or to be brought back by a rotation.
        if !found.key.unverified().is_live(now) {
            return Err(KeyError::NotFound);
        }
        Ok(found.key)
    }

    /// A user as the owner of a new key.
    pub(crate) fn owner_of_keys(&self, tx: &mut S::Tx, user: UserId) -> Result<Owner, KeyError> {
        let owner = self.owner(tx, user)?;
        Ok(Owner {
            user,
            kind: owner.kind,
            possible: owner.scopes(),
        })
    }

    fn owner(&self, tx: &mut S::Tx, user: UserId) -> Result<User, KeyError> {
        tx.user(user)?
            .and_then(|owner| owner.verify(&self.0.macs).ok())
            .filter(|owner| owner.status != UserStatus::Deleted)
            .ok_or(KeyError::NotFound)
    }
}

/// What a caller asks for.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// What to call the key.
    pub name: KeyName,
    /// What it may do; `None` for all that is possible here.
    pub scopes: Option<Scopes>,
    /// When it ends; `None` for never, or when the asking key does.
    pub expires_at: Option<Timestamp>,
}

/// A key as its owner sees it later: without the secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyView {
    /// The public part of the key: the 16 characters after its kind, or what is derived from a
    /// foreign one.
    pub id: String,
    /// `user`, `agent`, `login` or `foreign`.
    pub kind: String,
    /// What the owner calls it.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
    /// Since when it is refused because somebody said so.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// Its number in the system that it was imported from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legacy_id: Option<LegacyId>,
}

impl KeyView {
    pub(crate) fn of(record: &ApiKeyRecord, last_used_at: Option<Timestamp>) -> Self {
        Self {
            id: record.id.to_string(),
            kind: record.kind.as_str().to_owned(),
            name: record.name.to_string(),
            scopes: record.scopes,
            created_at: record.created_at,
            expires_at: record.expires_at,
            revoked_at: record.revoked_at,
            last_used_at,
            legacy_id: record.legacy_id,
        }
    }

    fn listed(key: &ListedKey) -> Self {
        Self::of(key.key.unverified(), key.last_used_at)
    }
}

/// Why a key was not made, rotated or revoked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// There is no such key or user, or it is not the caller's, or it has ended.
    #[error("no such key")]
    NotFound,
    /// The new key would have scopes that it cannot get here.
    #[error("a key cannot make a stronger key; these scopes are too much: {0}")]
    Stronger(Scopes),
    /// The new key would live longer than the key that asks for it.
    #[error("a key cannot make a key that lives longer than itself")]
    OutlivesCreator,
    /// The new key would be dead on arrival.
    #[error("the expiry lies in the past")]
    ExpiryInPast,
    /// Somebody changed the key at the same moment.
    #[error("the key is being changed by somebody else")]
    Busy,
    /// The caller may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// See [`IdempotencyConflict`].
    #[error(transparent)]
    Idempotency(#[from] IdempotencyConflict),
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A key to be made, after all checks.
pub(crate) struct Draft<'a> {
    pub(crate) user: UserId,
    pub(crate) kind: ApiKeyKind,
    pub(crate) name: &'a KeyName,
    pub(crate) scopes: Scopes,
    pub(crate) expires_at: Option<Timestamp>,
}

/// For whom a key is made, and what it can get at most.
pub(crate) struct Owner {
    user: UserId,
    kind: UserKind,
    possible: Scopes,
}

impl<'a> Draft<'a> {
    /// Holds what is asked for against what is possible.
    pub(crate) fn of(
        new: &'a NewKey,
        owner: &Owner,
        expires_at: Option<Timestamp>,
    ) -> Result<Self, KeyError> {
        let scopes = new.scopes.unwrap_or(owner.possible);
        let stronger = scopes.without(owner.possible);
        if !stronger.is_empty() {
            return Err(KeyError::Stronger(stronger));
        }
        Ok(Self {
            user: owner.user,
            kind: kind_for(owner.kind),
            name: &new.name,
            scopes,
            expires_at,
        })
    }

    pub(crate) fn record(&self, key: &ApiKey, macs: &MacRing, now: Timestamp) -> ApiKeyRecord {
        ApiKeyRecord {
            id: key.id(),
            kind: self.kind,
            user: self.user,
            name: self.name.clone(),
            scopes: self.scopes,
            created_at: now,
            expires_at: self.expires_at,
            revoked_at: None,
            fresh_until: None,
            legacy_id: None,
            key_mac: key.mac(macs),
        }
    }
}

/// What a lasting key of such a user is.
fn kind_for(owner: UserKind) -> ApiKeyKind {
    match owner {
        UserKind::Human => ApiKeyKind::User,
        UserKind::Agent => ApiKeyKind::Agent,
    }
}

/// The expiry of a new key: as asked for, but within the life of the asking key. A login key is
/// short-lived by nature and is how people make their lasting keys, so it sets no bound.
fn bounded_expiry(
    caller: &Principal,
    asked: Option<Timestamp>,
    now: Timestamp,
) -> Result<Option<Timestamp>, KeyError> {
    if asked.is_some_and(|end| end <= now) {
        return Err(KeyError::ExpiryInPast);
    }
    let bound = caller
        .key
        .expires_at
        .filter(|_| caller.key.kind != ApiKeyKind::Login);
    match (asked, bound) {
        (Some(asked), Some(bound)) if asked > bound => Err(KeyError::OutlivesCreator),
        (asked, bound) => Ok(asked.or(bound)),
    }
}

/// The scopes of the key that takes the place of `old`: those of `old` that the role of its owner
/// still allows. Rotation is no way around what [`ManageKeys::create_own`] refuses.
fn rotated_scopes(
    caller: &Principal,
    old: &ApiKeyRecord,
    now: Timestamp,
) -> Result<Scopes, KeyError> {
    // A login key comes from a login alone.
    if old.kind == ApiKeyKind::Login {
        return Err(KeyError::NotFound);
    }
    let scopes = old.scopes.intersection(Scopes::of_role(caller.role));
    let stronger = scopes.without(caller.key.scopes);
    if !stronger.is_empty() {
        return Err(KeyError::Stronger(stronger));
    }
    if bounded_expiry(caller, old.expires_at, now)? != old.expires_at {
        return Err(KeyError::OutlivesCreator);
    }
    Ok(scopes)
}

fn shown_once(outcome: Outcome<KeyView>, key: Option<ApiKey>) -> (KeyView, Option<ApiKey>) {
    match outcome {
        Outcome::Fresh(view) => (view, key),
        Outcome::Repeated(view) => (view, None),
    }
}

pub(crate) fn subject(id: ApiKeyId) -> Subject {
    Subject::new("api_key", id)
}

pub(crate) const KEY_CREATE: Action = Action("api_key.create");
const KEY_ROTATE: Action = Action("api_key.rotate");
const KEY_REVOKE: Action = Action("api_key.revoke");
