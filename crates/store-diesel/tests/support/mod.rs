//! What the tests of this crate share.

#![allow(
    dead_code,
    unused_macros,
    unused_imports,
    clippy::unwrap_used,
    reason = "these are tests, and not every one needs everything"
)]

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text};
use keyward_auth::{
    ApiKeyRecord, KeyName, PersonName, Role, Scopes, User, UserId, UserKind, UserStatus, Username,
    Users,
};
use keyward_core::{Id, Store, StoreError, Timestamp};
use keyward_crypto::{ApiKey, ApiKeyKind, EncryptedString, KeyId, MacRing, Signable, Signed};
use keyward_encryption::{KeyRecord, KeyState};
use keyward_store_diesel::testing::TestDatabase;
use keyward_store_diesel::{DieselStore, DieselTx};

/// Makes two tests of each function: one on SQLite, one on PostgreSQL.
macro_rules! on_both {
    ($($check:ident),+ $(,)?) => {
        mod sqlite {
            $(#[test]
            fn $check() {
                super::$check(&keyward_store_diesel::testing::TestDatabase::sqlite());
            })+
        }

        mod postgresql {
            $(#[test]
            fn $check() {
                if let Some(database) = keyward_store_diesel::testing::TestDatabase::postgres() {
                    super::$check(&database);
                }
            })+
        }
    };
}
pub(crate) use on_both;

/// A connection beside the store's own, as somebody with a database client has it.
pub(crate) enum Client {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Client {
    pub(crate) fn of(database: &TestDatabase) -> Self {
        match database.url().strip_prefix("sqlite://") {
            Some(path) => {
                let mut connection = SqliteConnection::establish(path).unwrap();
                let settings = "PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON;";
                connection.batch_execute(settings).unwrap();
                Self::Sqlite(connection)
            }
            None => Self::Postgres(PgConnection::establish(database.url()).unwrap()),
        }
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }

    pub(crate) fn run(&mut self, sql: &str) -> QueryResult<()> {
        match self {
            Self::Sqlite(connection) => connection.batch_execute(sql),
            Self::Postgres(connection) => connection.batch_execute(sql),
        }
    }

    /// The first column of every row, as text. It must be called `value`.
    pub(crate) fn values(&mut self, sql: &str) -> Vec<Option<String>> {
        let rows: Vec<Value> = match self {
            Self::Sqlite(connection) => diesel::sql_query(sql).load(connection).unwrap(),
            Self::Postgres(connection) => diesel::sql_query(sql).load(connection).unwrap(),
        };
        rows.into_iter().map(|row| row.value).collect()
    }

    pub(crate) fn value(&mut self, sql: &str) -> String {
        self.values(sql).remove(0).unwrap()
    }

    pub(crate) fn count(&mut self, table: &str) -> i64 {
        let sql = format!("SELECT CAST(count(*) AS TEXT) AS value FROM {table}");
        self.value(&sql).parse().unwrap()
    }
}

#[derive(QueryableByName)]
struct Value {
    #[diesel(sql_type = Nullable<Text>)]
    value: Option<String>,
}

pub(crate) fn macs() -> MacRing {
    MacRing::danger_parse_any("this signs the rows of these tests and is no secret").unwrap()
}

pub(crate) fn sign<T: Signable>(row: T) -> Signed<T> {
    Signed::sign(row, &macs())
}

pub(crate) fn user() -> User {
    let id = Id::generate();
    User {
        id,
        username: Username::from_stored(format!("user-{id}")),
        kind: UserKind::Human,
        role: Role::Normal,
        status: UserStatus::Active,
        password_hash: None,
        first_name: PersonName::from_stored("Ada".to_owned()),
        last_name: PersonName::from_stored(String::new()),
        created_at: NOW,
        mfa_since: None,
        delegation: None,
        legacy_id: None,
        version: 1,
    }
}

pub(crate) fn admin() -> User {
    User {
        role: Role::Admin,
        ..user()
    }
}

pub(crate) fn changed(old: &Signed<User>, change: impl FnOnce(&mut User)) -> Signed<User> {
    let mut new = old.unverified().clone();
    new.version += 1;
    change(&mut new);
    sign(new)
}

pub(crate) fn api_key(owner: UserId) -> ApiKeyRecord {
    let key = ApiKey::generate(ApiKeyKind::User);
    ApiKeyRecord {
        id: key.id(),
        kind: ApiKeyKind::User,
        user: owner,
        name: KeyName::from_stored("laptop".to_owned()),
        scopes: Scopes::of_role(Role::Normal),
        created_at: NOW,
        expires_at: None,
        revoked_at: None,
        fresh_until: None,
        legacy_id: None,
        key_mac: key.mac(&macs()),
    }
}

pub(crate) fn write<T>(
    store: &DieselStore,
    work: impl FnOnce(&mut DieselTx) -> Result<T, StoreError>,
) -> T {
    store.write(work).unwrap()
}

pub(crate) fn added(store: &DieselStore, user: User) -> Signed<User> {
    let user = sign(user);
    assert!(write(store, |tx| tx.add_user(&user)));
    user
}

pub(crate) const NOW: Timestamp = Timestamp(1_800_000_000);

pub(crate) fn key_record(kid: KeyId, sealed: &EncryptedString) -> KeyRecord {
    KeyRecord {
        kid,
        state: KeyState::DecryptOnly,
        sealed: sealed.clone(),
        created_at: Timestamp(1_800_000_000),
    }
}

pub(crate) fn pairs(keys: Vec<KeyRecord>) -> Vec<(KeyId, EncryptedString)> {
    keys.into_iter().map(|key| (key.kid, key.sealed)).collect()
}
