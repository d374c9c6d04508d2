mod agents;
mod api_keys;
mod audit;
mod credentials;
mod encryption;
mod idempotency;
mod kept_time;
mod people;
mod signed;
mod tamper;
mod users;
mod uses;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use keyward_agents::AgentRecord;
use keyward_audit::{Head, Record, Seq};
use keyward_auth::{StoredAnswer, TotpSecrets, User, UserId};
use keyward_core::{Store, StoreError, Timestamp};
use keyward_credentials::CredentialId;
use keyward_crypto::{ApiKeyId, EncryptedString, KeyId, Mac, Signed, TicketId};
use keyward_encryption::{KeyRecord, NodeRecord};

pub use tamper::Tampering;

/// A store in memory, for tests and for trying things out. It keeps the whole
/// [`contract()`](crate::contract()) but durability.
///
/// One `write` at a time; `read` and `lookup` work on the state that was committed last and never
/// wait for a `write`. A unit of work that fails or panics is thrown away, and so is whatever
/// changed: changes in `read` are refused with [`StoreError::Backend`].
///
/// Share it as `Arc<MemoryStore>`, which is a [`Store`] too.
///
/// # Panics
///
/// When a unit of work is opened inside another one of the same store on the same thread. On other
/// stores that waits for itself or takes a second connection, so it is a mistake in the caller.
#[derive(Default)]
pub struct MemoryStore {
    committed: Mutex<Tables>,
    writer: Mutex<()>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn snapshot(&self) -> Tables {
        lock(&self.committed).clone()
    }
}

impl Store for MemoryStore {
    type Tx = MemoryTx;

    fn read<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&mut MemoryTx) -> Result<T, E>,
    ) -> Result<T, E> {
        let _open = OpenUnit::enter(self);
        work(&mut MemoryTx::new(self.snapshot(), Access::Read))
    }

    fn write<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&mut MemoryTx) -> Result<T, E>,
    ) -> Result<T, E> {
        let _open = OpenUnit::enter(self);
        let _turn = lock(&self.writer);
        let mut tx = MemoryTx::new(self.snapshot(), Access::Write);
        let value = work(&mut tx)?;
        *lock(&self.committed) = tx.tables;
        Ok(value)
    }

    fn health(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// One open unit of work on a [`MemoryStore`].
#[derive(Clone)]
pub struct MemoryTx {
    pub(crate) tables: Tables,
    access: Access,
    audit_head_locked: bool,
}

impl MemoryTx {
    fn new(tables: Tables, access: Access) -> Self {
        Self {
            tables,
            access,
            audit_head_locked: false,
        }
    }

    /// The tables to change.
    fn tables_mut(&mut self) -> Result<&mut Tables, StoreError> {
        match self.access {
            Access::Write => Ok(&mut self.tables),
            Access::Read => Err(refused("a unit of work opened by `read` may not write")),
        }
    }

    fn require_user(&self, id: UserId) -> Result<(), StoreError> {
        if self.tables.users.contains_key(&id) {
            Ok(())
        } else {
            Err(refused("the row refers to a user that does not exist"))
        }
    }
}

#[derive(Clone, Copy)]
enum Access {
    Read,
    Write,
}

/// Everything stored. A clone shares all rows, and a change copies one table of pointers.
#[derive(Clone, Default)]
pub(crate) struct Tables {
    pub(crate) users: Table<UserId, Signed<User>>,
    pub(crate) api_keys: Table<ApiKeyId, api_keys::Row>,
    pub(crate) totp_secrets: Table<UserId, TotpSecrets>,
    pub(crate) recovery_codes: Table<UserId, Vec<Mac>>,
    pub(crate) attempts: Table<String, people::Attempts>,
    pub(crate) agents: Table<UserId, Signed<AgentRecord>>,
    pub(crate) used_proofs: Table<agents::ProofPlace, i64>,
    pub(crate) proofs_floor: i64,
    pub(crate) kept_time: Option<Timestamp>,
    pub(crate) tickets: Table<TicketId, people::Ticket>,
    pub(crate) answers: Table<(UserId, String), StoredAnswer>,
    pub(crate) credentials: Table<CredentialId, credentials::Row>,
    pub(crate) uses: Table<(CredentialId, UserId), uses::Uses>,
    pub(crate) encryption_keys: Table<KeyId, KeyRecord>,
    pub(crate) audit_keys: Table<KeyId, EncryptedString>,
    pub(crate) rotation: encryption::Rotation,
    pub(crate) nodes: Table<String, NodeRecord>,
    pub(crate) audit: Table<Seq, Record>,
    pub(crate) audit_head: Option<Head>,
}

pub(crate) type Table<Key, Row> = Arc<BTreeMap<Key, Arc<Row>>>;

/// Adds a row under a key that must be new.
fn insert<Key: Ord + Clone, Row>(
    table: &mut Table<Key, Row>,
    key: Key,
    row: Row,
) -> Result<(), StoreError> {
    if table.contains_key(&key) {
        return Err(refused("there is a row with this id already"));
    }
    Arc::make_mut(table).insert(key, Arc::new(row));
    Ok(())
}

/// Takes up to `limit` rows, none when it is negative.
fn limited<Row>(rows: impl Iterator<Item = Row>, limit: i64) -> Vec<Row> {
    rows.take(usize::try_from(limit).unwrap_or(0)).collect()
}

fn refused(why: &'static str) -> StoreError {
    StoreError::Backend(why.into())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What a panicking unit of work changed is in its own copy.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Notes that this thread has a unit of work open.
struct OpenUnit {
    store: usize,
}

impl OpenUnit {
    fn enter(store: &MemoryStore) -> Self {
        let store = std::ptr::from_ref(store).addr();
        OPEN.with_borrow_mut(|open| {
            assert!(
                !open.contains(&store),
                "a unit of work was opened inside another one of the same store: do all the work \
                 in one, or end the first before the second begins"
            );
            open.push(store);
        });
        Self { store }
    }
}

impl Drop for OpenUnit {
    fn drop(&mut self) {
        OPEN.with_borrow_mut(|open| open.retain(|store| *store != self.store));
    }
}

thread_local! {
    static OPEN: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use keyward_auth::{ApiKeys as _, IdempotencyKeys as _, Users as _};
    use keyward_core::Id;

    use super::*;
    use crate::contract::rows::{added_user, api_key, sign, user};
    use crate::{contract, races, random_attempts_follow_the_rules};

    #[test]
    fn memory_keeps_the_contract() {
        contract(MemoryStore::new());
    }

    #[test]
    fn memory_keeps_the_contract_on_a_store_with_other_data() {
        let store = Arc::new(MemoryStore::new());
        contract(Arc::clone(&store));
        let before = store.snapshot();
        contract(Arc::clone(&store));
        let after = store.snapshot();
        for (id, user) in before.users.iter() {
            let now = after.users.get(id).map(|user| user.mac());
            assert_eq!(now, Some(user.mac()), "the second run changed {user:?}");
        }
    }

    #[test]
    fn memory_stands_the_races_again_and_again() {
        let store = Arc::new(MemoryStore::new());
        for _ in 0..5 {
            races(Arc::clone(&store));
        }
    }

    #[test]
    fn memory_counts_attempts_as_the_rules_say() {
        let store = MemoryStore::new();
        for seed in 0..24 {
            let user = added_user(&store);
            random_attempts_follow_the_rules(&store, user, seed, 2_000);
        }
    }

    #[test]
    fn an_empty_store_has_no_user() {
        let store = MemoryStore::new();
        assert!(!store.read(|tx| tx.any_user()).unwrap());
    }

    #[test]
    fn a_write_inside_read_or_lookup_is_refused() {
        let store = MemoryStore::new();
        let user = sign(user());
        let by_read = store.read(|tx| tx.add_user(&user));
        let by_lookup = store.lookup(|tx| tx.add_user(&user));
        assert!(matches!(by_read, Err(StoreError::Backend(_))));
        assert!(matches!(by_lookup, Err(StoreError::Backend(_))));
    }

    #[test]
    fn a_unit_of_work_inside_another_panics_and_says_why() {
        let store = MemoryStore::new();
        let nested: [&dyn Fn(&MemoryStore); 2] =
            [&|store| drop(store.read(|tx| tx.any_user())), &|store| {
                drop(store.write(|tx| tx.any_user()));
            }];
        for inner in nested {
            let panic = catch_unwind(AssertUnwindSafe(|| {
                store.write(|_| {
                    inner(&store);
                    Ok::<_, StoreError>(())
                })
            }));
            let panic = panic.unwrap_err();
            let message = panic.downcast_ref::<&str>().unwrap();
            assert!(message.contains("inside another one"), "{message}");
        }
        assert!(store.write(|tx| tx.any_user()).is_ok(), "usable afterwards");
    }

    #[test]
    fn units_of_work_of_two_stores_may_nest() {
        let (one, other) = (MemoryStore::new(), MemoryStore::new());
        let any = one.write(|_| other.write(|tx| tx.any_user()));
        assert!(!any.unwrap());
    }

    #[test]
    fn rows_of_unknown_users_are_refused() {
        let store = MemoryStore::new();
        let key = sign(api_key(Id::generate()));
        let added = store.write(|tx| tx.add_api_key(&key));
        assert!(matches!(added, Err(StoreError::Backend(_))));
    }

    #[test]
    fn an_id_is_given_once() {
        let store = MemoryStore::new();
        let owner = sign(user());
        let key = sign(api_key(owner.unverified().id));
        store.write(|tx| tx.add_user(&owner)).unwrap();
        store.write(|tx| tx.add_api_key(&key)).unwrap();
        let again = store.write(|tx| tx.add_api_key(&key));
        assert!(matches!(again, Err(StoreError::Backend(_))));
    }

    #[test]
    fn an_answer_without_a_claim_is_refused() {
        let store = MemoryStore::new();
        let key = keyward_auth::IdempotencyKey::parse("k").unwrap();
        let answer = keyward_auth::Answer(String::new());
        let kept = store.write(|tx| tx.keep_answer(Id::generate(), &key, &answer));
        assert!(matches!(kept, Err(StoreError::Backend(_))));
    }
}
