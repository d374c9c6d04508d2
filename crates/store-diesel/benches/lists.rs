//! What a page of a list costs: the question alone, and for credentials the whole service with
//! MACs, masks and views.

#![allow(clippy::unwrap_used, reason = "this is a benchmark")]

use std::sync::Arc;

use divan::{Bencher, black_box};
use keyward_audit::AuditLog;
use keyward_auth::needs::{CredentialsWrite, Read};
use keyward_auth::{
    ApiKeyRecord, ApiKeys as _, Authenticate, Environment, Hashing, KeyName, NoAdvice, Permit,
    PersonName, RequiredScope, Role, Scopes, User, UserId, UserKind, UserStatus, Username,
    Users as _,
};
use keyward_core::{Id, Store as _, SystemClock, Timestamp};
use keyward_credentials::{
    CredentialName, CredentialScope, CredentialType, Credentials as _, ManageCredentials,
    NewCredential,
};
use keyward_crypto::{ApiKey, ApiKeyKind, FieldKey, KeyRing, MacRing, Passwords, Signed};
use keyward_store_diesel::DieselStore;
use keyward_store_diesel::testing::TestDatabase;

fn main() {
    divan::main();
}

#[divan::bench(args = DATABASES, sample_count = 200, sample_size = 50)]
fn credentials_asked(bencher: Bencher, name: &str) {
    let Some(world) = World::on(name) else {
        return;
    };
    bencher.bench(|| {
        let page = world
            .store
            .lookup(|tx| tx.credentials_after(None, None, black_box(PAGE)));
        page.unwrap()
    });
}

#[divan::bench(args = DATABASES, sample_count = 200, sample_size = 50)]
fn credentials_listed(bencher: Bencher, name: &str) {
    let Some(world) = World::on(name) else {
        return;
    };
    let (service, caller) = (world.credentials(), world.permit::<Read>());
    bencher.bench(|| service.list(&caller, None, black_box(PAGE)).unwrap());
}

#[divan::bench(args = DATABASES, sample_count = 200, sample_size = 50)]
fn keys_asked(bencher: Bencher, name: &str) {
    let Some(world) = World::on(name) else {
        return;
    };
    bencher.bench(|| {
        let page = world
            .store
            .lookup(|tx| tx.api_keys_of(world.owner, None, black_box(PAGE)));
        page.unwrap()
    });
}

#[divan::bench(args = DATABASES, sample_count = 200, sample_size = 50)]
fn users_asked(bencher: Bencher, name: &str) {
    let Some(world) = World::on(name) else {
        return;
    };
    bencher.bench(|| {
        let page = world
            .store
            .lookup(|tx| tx.users_after(None, black_box(PAGE)));
        page.unwrap()
    });
}

/// A database with many rows of each kind.
struct World {
    store: DieselStore,
    owner: UserId,
    macs: MacRing,
    keys: KeyRing,
    _database: TestDatabase,
}

impl World {
    fn on(name: &str) -> Option<Self> {
        let database = match name {
            "SQLite" => TestDatabase::sqlite(),
            _ => TestDatabase::postgres()?,
        };
        let world = Self {
            store: database.store(),
            owner: Id::generate(),
            macs: MacRing::danger_parse_any("this signs the rows of a benchmark").unwrap(),
            keys: KeyRing::new(vec![FieldKey::generate()]).unwrap(),
            _database: database,
        };
        world.fill();
        Some(world)
    }

    fn fill(&self) {
        let added = self.store.write(|tx| {
            for n in 0..ROWS {
                let id = if n == 0 { self.owner } else { Id::generate() };
                tx.add_user(&Signed::sign(user(id, n), &self.macs))?;
                tx.add_api_key(&Signed::sign(key(self.owner, &self.macs), &self.macs))?;
            }
            Ok::<_, keyward_core::StoreError>(())
        });
        added.unwrap();
        let (service, caller) = (self.credentials(), self.permit::<CredentialsWrite>());
        for _ in 0..ROWS {
            service.create(&caller, credential(), None).unwrap();
        }
    }

    fn credentials(&self) -> ManageCredentials<DieselStore> {
        let clock = Arc::new(SystemClock);
        let environment = Environment {
            store: self.store.clone(),
            fields: self.keys.clone(),
            macs: self.macs.clone(),
            hashing: Hashing::new(Passwords::danger_fast()),
            audit: AuditLog::new(self.macs.clone(), clock.clone()),
            clock,
            advice: Arc::new(NoAdvice),
        };
        ManageCredentials::new(&environment, CredentialScope::Global)
    }

    fn permit<Needed: RequiredScope>(&self) -> Permit<Needed> {
        let key = ApiKey::generate(ApiKeyKind::User);
        let record = ApiKeyRecord {
            id: key.id(),
            scopes: Scopes::all(),
            key_mac: key.mac(&self.macs),
            ..self::key(self.owner, &self.macs)
        };
        let record = Signed::sign(record, &self.macs);
        self.store.write(|tx| tx.add_api_key(&record)).unwrap();
        let clock = Arc::new(SystemClock);
        Authenticate::new(self.store.clone(), self.macs.clone(), clock, Arc::default())
            .principal(&key)
            .unwrap()
            .permit()
            .unwrap()
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

fn user(id: UserId, n: usize) -> User {
    User {
        id,
        username: Username::from_stored(format!("user{n}")),
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

fn key(owner: UserId, macs: &MacRing) -> ApiKeyRecord {
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
        key_mac: key.mac(macs),
    }
}

const DATABASES: [&str; 2] = ["SQLite", "PostgreSQL"];
const ROWS: usize = 300;
/// As a page of 20 asks for it.
const PAGE: i64 = 21;
