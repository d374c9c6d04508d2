use keyward_audit::AuditEvents;
use keyward_core::{LegacyId, StoreError, Timestamp};
use keyward_crypto::{ApiKeyId, Mac, Signed};

use crate::{
    ApiKeyRecord, AttemptLimits, IdempotencyKeys, KeptTime, KeyWithOwner, ListedKey, LoginTickets,
    SecondFactors, UsedProofs, User, UserId, Username,
};

/// Users, inside a unit of work.
pub trait Users {
    /// Adds a user. `false`: a user that is not deleted has this name already, or one was imported
    /// under this number.
    ///
    /// Test and insert must be one, so that of two racing calls with one name exactly one
    /// succeeds.
    fn add_user(&mut self, user: &Signed<User>) -> Result<bool, StoreError>;

    /// The user with this id, deleted ones included.
    fn user(&mut self, id: UserId) -> Result<Option<Signed<User>>, StoreError>;

    /// The user with this name, deleted ones excluded.
    fn user_by_name(&mut self, username: &Username) -> Result<Option<Signed<User>>, StoreError>;

    /// The user that was imported under this number, deleted ones included.
    fn user_by_legacy_id(&mut self, id: LegacyId) -> Result<Option<Signed<User>>, StoreError>;

    /// Up to `limit` users after `after` in the order of ids, deleted ones excluded.
    fn users_after(
        &mut self,
        after: Option<UserId>,
        limit: i64,
    ) -> Result<Vec<Signed<User>>, StoreError>;

    /// Whether there is any user, deleted ones included.
    fn any_user(&mut self) -> Result<bool, StoreError>;

    /// Writes `new` over the user of the same id, if the stored row still carries the MAC `old`.
    ///
    /// Never takes away the last active administrator ([`User::is_active_admin`]), not even when
    /// two calls that each take away another one run at the same time. A store counts rows and
    /// verifies none: whoever writes to the database can insert one that looks like an
    /// administrator and is not genuine. That makes nobody an administrator, but the last genuine
    /// one can then be taken away.
    fn replace_user(&mut self, old: &Mac, new: &Signed<User>) -> Result<UserReplaced, StoreError>;
}

/// What became of [`Users::replace_user`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserReplaced {
    /// It is written.
    Done,
    /// The row carries another MAC by now: read it again.
    Stale,
    /// Nobody could administer the server afterwards, so nothing was written.
    LastAdmin,
    /// Another user has the name.
    NameTaken,
}

/// API keys, inside a unit of work.
pub trait ApiKeys {
    /// Keeps a new key.
    fn add_api_key(&mut self, key: &Signed<ApiKeyRecord>) -> Result<(), StoreError>;

    /// The key with this id and its owner, in one statement: this is asked by every request.
    fn key_with_owner(&mut self, id: ApiKeyId) -> Result<Option<KeyWithOwner>, StoreError>;

    /// Up to `limit` keys of a user, oldest first, revoked and expired ones included.
    fn api_keys_of(
        &mut self,
        user: UserId,
        after: Option<KeyCursor>,
        limit: i64,
    ) -> Result<Vec<ListedKey>, StoreError>;

    /// The keys of kind `login` of a user that are neither revoked nor expired at `now`.
    fn live_sessions(
        &mut self,
        user: UserId,
        now: Timestamp,
    ) -> Result<Vec<Signed<ApiKeyRecord>>, StoreError>;

    /// Writes `new` over the key of the same id, if the stored row still carries the MAC `old`,
    /// and says whether it did. When the key was last used stays as it is.
    fn replace_api_key(
        &mut self,
        old: &Mac,
        new: &Signed<ApiKeyRecord>,
    ) -> Result<bool, StoreError>;

    /// Notes when keys were last used. A time before the one that is stored changes nothing; ids
    /// that are gone are skipped.
    fn touch_api_keys(&mut self, used: &[(ApiKeyId, Timestamp)]) -> Result<(), StoreError>;
}

/// A place in a list of keys: after the key that was made then and has this id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyCursor {
    /// When the key was made.
    pub created_at: Timestamp,
    /// Its id.
    pub id: ApiKeyId,
}

/// All repositories that this crate's services use together.
///
/// Never implement it: it follows from the others.
pub trait AuthTx:
    Users
    + ApiKeys
    + AttemptLimits
    + SecondFactors
    + UsedProofs
    + KeptTime
    + LoginTickets
    + IdempotencyKeys
    + AuditEvents
{
}

impl<Tx> AuthTx for Tx where
    Tx: Users
        + ApiKeys
        + AttemptLimits
        + SecondFactors
        + UsedProofs
        + KeptTime
        + LoginTickets
        + IdempotencyKeys
        + AuditEvents
{
}
