use std::fmt::Debug;

use keyward_auth::{
    ApiKeyRecord, KeyName, PersonName, Role, Scopes, User, UserId, UserKind, UserStatus, Username,
    Users,
};
use keyward_core::{Id, LegacyId, Store, Timestamp};
use keyward_crypto::{ApiKey, ApiKeyKind, Mac, MacRing, PasswordHash, Signable, Signed};

use super::run::write;

/// What the checks sign with. The same in every run, so that a chain that one run has begun can be
/// continued by the next.
pub(crate) fn macs() -> MacRing {
    MacRing::danger_parse_any(SECRET)
        .unwrap_or_else(|error| panic!("the key of the checks is refused: {error}"))
}

pub(crate) const SECRET: &str = "this signs the rows of keyward-store-testing and is no secret";

pub(crate) fn sign<T: Signable>(row: T) -> Signed<T> {
    Signed::sign(row, &macs())
}

/// A number that nothing was imported under.
pub(crate) fn legacy_id() -> LegacyId {
    let id = Id::<User>::generate();
    let random = id.as_bytes().last_chunk().copied().unwrap_or_default();
    LegacyId(i64::from_be_bytes(random))
}

/// An active person without special powers, under a name that nobody has.
pub(crate) fn user() -> User {
    let id = Id::generate();
    User {
        id,
        username: fresh_name(),
        kind: UserKind::Human,
        role: Role::Normal,
        status: UserStatus::Active,
        password_hash: Some(PasswordHash::from_stored("$argon2id$not-one".to_owned())),
        first_name: PersonName::from_stored("Ada".to_owned()),
        last_name: PersonName::from_stored("Lovelace".to_owned()),
        created_at: Timestamp(1_800_000_000),
        mfa_since: None,
        delegation: None,
        legacy_id: None,
        version: 1,
    }
}

/// An active administrator.
pub(crate) fn admin() -> User {
    User {
        role: Role::Admin,
        ..user()
    }
}

pub(crate) fn fresh_name() -> Username {
    Username::from_stored(format!("contract-{}", Id::<User>::generate()))
}

/// The row after one more change.
pub(crate) fn changed(old: &Signed<User>, change: impl FnOnce(&mut User)) -> Signed<User> {
    let mut new = old.unverified().clone();
    new.version += 1;
    change(&mut new);
    sign(new)
}

/// Adds a user for other rows to belong to.
#[track_caller]
pub(crate) fn added_user<S: Store<Tx: Users>>(store: &S) -> UserId {
    let user = user();
    let added = write(store, |tx| tx.add_user(&sign(user.clone())));
    assert!(added, "add_user: a user with a new name was not added");
    user.id
}

/// A living key without expiry.
pub(crate) fn api_key(owner: UserId) -> ApiKeyRecord {
    let key = ApiKey::generate(ApiKeyKind::User);
    ApiKeyRecord {
        id: key.id(),
        kind: ApiKeyKind::User,
        user: owner,
        name: KeyName::from_stored("laptop".to_owned()),
        scopes: Scopes::of_role(Role::Normal),
        created_at: Timestamp(1_800_000_000),
        expires_at: None,
        revoked_at: None,
        fresh_until: None,
        legacy_id: None,
        key_mac: key.mac(&macs()),
    }
}

/// A row as a store reads it back whose MAC is no MAC.
pub(crate) fn unreadable<T>(row: T) -> Signed<T> {
    Signed::from_stored(row, Mac::unreadable())
}

/// Panics unless the row is there and not genuine.
#[track_caller]
pub(crate) fn assert_unreadable<T: Signable>(found: Option<&Signed<T>>, by: &str) {
    let found = found.unwrap_or_else(|| panic!("{by}: a row without a readable MAC is left out"));
    assert!(
        found.mac().is_unreadable() && !found.is_genuine(&macs()),
        "{by}: a stored MAC that cannot be read must come back as Mac::unreadable()"
    );
}

/// Texts that get lost where a column, a connection or a comparison is not made for Unicode.
pub(crate) const TEXTS: [&str; 7] = [
    "plain",
    "O'Brien \"; DROP TABLE users; --",
    "percent % and under_score and back\\slash",
    "Grüße, Δοκιμή, 测试, تجربة, 🗝️🇺🇳",
    "e\u{301} stays e\u{301}",
    " inner  spaces stay ",
    "ﷺ\u{200d}\u{10ffff}",
];

/// Panics unless `found` is what was stored, MAC included.
#[track_caller]
pub(crate) fn assert_same<T: Signable + Debug + PartialEq>(
    found: &Signed<T>,
    stored: &Signed<T>,
    by: &str,
) {
    assert_eq!(
        found.unverified(),
        stored.unverified(),
        "{by}: a row came back with other values than it was stored with"
    );
    assert_eq!(
        found.mac().as_stored(),
        stored.mac().as_stored(),
        "{by}: a row came back with another MAC than it was stored with"
    );
    assert!(
        found.is_genuine(&macs()),
        "{by}: the MAC of a row that was stored and read back is not valid any more"
    );
}
