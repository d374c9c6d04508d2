//! What the question costs that every request asks: the key with its owner.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "this is a benchmark"
)]

use std::sync::atomic::{AtomicUsize, Ordering};

use divan::{Bencher, black_box};
use keyward_auth::{
    ApiKeyRecord, ApiKeys as _, KeyName, PersonName, Role, Scopes, User, UserKind, UserStatus,
    Username, Users as _,
};
use keyward_core::{Id, Store as _, StoreError, Timestamp};
use keyward_crypto::{ApiKey, ApiKeyId, ApiKeyKind, MacRing, Signed};
use keyward_store_diesel::DieselStore;
use keyward_store_diesel::testing::TestDatabase;

fn main() {
    divan::main();
}

#[divan::bench(threads = [1, 2], sample_count = 100, sample_size = 100)]
fn sqlite(bencher: Bencher) {
    measure(bencher, &TestDatabase::sqlite());
}

#[divan::bench(threads = [1, 2], sample_count = 100, sample_size = 100)]
fn postgresql(bencher: Bencher) {
    if let Some(database) = TestDatabase::postgres() {
        measure(bencher, &database);
    }
}

/// The price of a consistent snapshot around the same question.
#[divan::bench(sample_count = 100, sample_size = 100)]
fn sqlite_in_a_transaction(bencher: Bencher) {
    let database = TestDatabase::sqlite();
    let store = database.store();
    let ids = fill(&store).unwrap();
    let id = ids[KEYS / 2];
    bencher.bench(|| store.read(|tx| tx.key_with_owner(black_box(id))).unwrap());
}

#[divan::bench(sample_count = 100, sample_size = 100)]
fn postgresql_in_a_transaction(bencher: Bencher) {
    let Some(database) = TestDatabase::postgres() else {
        return;
    };
    let store = database.store();
    let ids = fill(&store).unwrap();
    let id = ids[KEYS / 2];
    bencher.bench(|| store.read(|tx| tx.key_with_owner(black_box(id))).unwrap());
}

fn measure(bencher: Bencher, database: &TestDatabase) {
    let store = database.store();
    let ids = fill(&store).unwrap();
    let next = AtomicUsize::new(0);
    bencher
        .with_inputs(|| ids[next.fetch_add(1, Ordering::Relaxed) % KEYS])
        .bench_values(|id| {
            store
                .lookup(|tx| tx.key_with_owner(black_box(id)))
                .unwrap()
                .unwrap()
        });
}

fn fill(store: &DieselStore) -> Result<Vec<ApiKeyId>, StoreError> {
    let macs = MacRing::danger_parse_any("this signs the rows of a benchmark").unwrap();
    store.write(|tx| {
        let mut ids = Vec::new();
        for n in 0..KEYS {
            let user = user(n);
            let key = key(&user, &macs);
            ids.push(key.id);
            tx.add_user(&Signed::sign(user, &macs))?;
            tx.add_api_key(&Signed::sign(key, &macs))?;
        }
        Ok(ids)
    })
}

fn user(n: usize) -> User {
    User {
        id: Id::generate(),
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

fn key(owner: &User, macs: &MacRing) -> ApiKeyRecord {
    let key = ApiKey::generate(ApiKeyKind::User);
    ApiKeyRecord {
        id: key.id(),
        kind: ApiKeyKind::User,
        user: owner.id,
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

const KEYS: usize = 5_000;
