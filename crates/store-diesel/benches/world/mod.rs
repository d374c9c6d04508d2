//! A database for benchmarks, with as many rows as they ask for.

#![allow(dead_code, reason = "each benchmark uses some of it")]

use std::sync::Arc;

use keyward_audit::AuditLog;
use keyward_auth::needs::CredentialsWrite;
use keyward_auth::{
    ApiKeyRecord, ApiKeys as _, Authenticate, Environment, Hashing, KeyName, NoAdvice, Permit,
    PersonName, RequiredScope, Role, Scopes, User, UserId, UserKind, UserStatus, Username,
    Users as _,
};
use keyward_core::{Id, Store as _, StoreError, SystemClock, Timestamp};
use keyward_credentials::{
    CredentialName, CredentialScope, CredentialType, ManageCredentials, NewCredential,
};
use keyward_crypto::{
    ApiKey, ApiKeyKind, FieldKey, KeyRing, MacRing, Passwords, Signed, TotpWindow,
};
use keyward_store_diesel::testing::TestDatabase;
use keyward_store_diesel::{DieselStore, Options};

pub(crate) struct World {
    pub(crate) store: DieselStore,
    pub(crate) owner: UserId,
    macs: MacRing,
    keys: KeyRing,
    database: TestDatabase,
}

impl World {
    /// An empty database with one user. `None` where there is no server for it.
    pub(crate) fn on(name: &str) -> Option<Self> {
        let database = match name {
            "SQLite" => TestDatabase::sqlite(),
            _ => TestDatabase::postgres()?,
        };
        let world = Self {
            store: database.store(),
            owner: Id::generate(),
            macs: MacRing::danger_parse_any("this signs the rows of a benchmark").unwrap(),
            keys: KeyRing::new(vec![FieldKey::generate()]).unwrap(),
            database,
        };
        let owner = Signed::sign(user(world.owner), &world.macs);
        world.store.write(|tx| tx.add_user(&owner)).unwrap();
        Some(world)
    }

    /// With new connections. PostgreSQL plans on an old one for as many rows as there were, until it
    /// has looked again, which it does within a minute.
    pub(crate) fn reconnected(self) -> Self {
        Self {
            store: DieselStore::connect(&self.database.database_url(), Options::default()).unwrap(),
            ..self
        }
    }

    /// Makes `users` who have one key each. Returns every `kept`th key.
    pub(crate) fn add_keys(&self, users: usize, kept: usize) -> Vec<ApiKey> {
        let mut keys = Vec::new();
        for first in (0..users).step_by(AT_ONCE) {
            let added = self.store.write(|tx| {
                for number in first..users.min(first + AT_ONCE) {
                    let owner = user(Id::generate());
                    let (key, record) = key(owner.id, &self.macs);
                    tx.add_user(&Signed::sign(owner, &self.macs))?;
                    tx.add_api_key(&Signed::sign(record, &self.macs))?;
                    if number % kept == 0 {
                        keys.push(key);
                    }
                }
                Ok::<_, StoreError>(())
            });
            added.unwrap();
        }
        keys
    }

    pub(crate) fn add_credentials(&self, count: usize) {
        let (service, caller) = (self.credentials(), self.permit::<CredentialsWrite>());
        for _ in 0..count {
            service.create(&caller, credential(), None).unwrap();
        }
    }

    pub(crate) fn credentials(&self) -> ManageCredentials<DieselStore> {
        let clock = Arc::new(SystemClock);
        let environment = Environment {
            store: self.store.clone(),
            fields: self.keys.clone(),
            macs: self.macs.clone(),
            hashing: Hashing::new(Passwords::danger_fast()),
            audit: AuditLog::new(self.macs.clone(), clock.clone()),
            clock,
            totp_window: TotpWindow::default(),
            advice: Arc::new(NoAdvice),
        };
        ManageCredentials::new(&environment, CredentialScope::Global)
    }

    pub(crate) fn authenticate(&self) -> Authenticate<DieselStore> {
        let clock = Arc::new(SystemClock);
        Authenticate::new(self.store.clone(), self.macs.clone(), clock, Arc::default())
    }

    pub(crate) fn permit<Needed: RequiredScope>(&self) -> Permit<Needed> {
        let (key, record) = key(self.owner, &self.macs);
        let record = ApiKeyRecord {
            scopes: Scopes::all(),
            ..record
        };
        let record = Signed::sign(record, &self.macs);
        self.store.write(|tx| tx.add_api_key(&record)).unwrap();
        let principal = self.authenticate().principal(&key).unwrap();
        principal.permit().unwrap()
    }
}

fn credential() -> NewCredential {
    let detail = serde_json::json!({
        "provider": "openai",
        "base_url": "https://api.example.com/v1",
        "api_key": "sk-0123456789abcdef0123456789abcdef",
        "custom_headers": { "X-Team": "team-0123456789abcdef" },
    });
    NewCredential {
        broker: None,
        name: CredentialName::from_stored("OpenAI".to_owned()),
        credential_type: CredentialType::Llm,
        detail: serde_json::from_value(detail).unwrap(),
    }
}

fn user(id: UserId) -> User {
    User {
        id,
        username: Username::from_stored(format!("user-{id}")),
        kind: UserKind::Human,
        role: Role::Normal,
        status: UserStatus::Active,
        password_hash: None,
        first_name: PersonName::from_stored("Ada".to_owned()),
        last_name: PersonName::from_stored("Lovelace".to_owned()),
        created_at: Timestamp(1_800_000_000),
        mfa_since: None,
        delegation: None,
        legacy_id: None,
        version: 1,
    }
}

fn key(owner: UserId, macs: &MacRing) -> (ApiKey, ApiKeyRecord) {
    let key = ApiKey::generate(ApiKeyKind::User);
    let record = ApiKeyRecord {
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
        key_mac: key.mac(macs),
    };
    (key, record)
}

/// Rows of one transaction.
const AT_ONCE: usize = 10_000;
