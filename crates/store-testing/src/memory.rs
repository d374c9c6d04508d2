mod api_keys;
mod audit;
mod credentials;
mod idempotency;
mod tamper;
mod users;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use keyward_audit::{Head, Record, Seq};
use keyward_auth::{StoredAnswer, User, UserId};
use keyward_core::{Store, StoreError};
use keyward_credentials::CredentialId;
use keyward_crypto::{ApiKeyId, Signed};

pub use tamper::Tampering;

/// A store in memory, for tests and for trying things out. It keeps the whole
/// [`contract`](crate::contract) but durability.
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
}

/// One open unit of work on a [`MemoryStore`].
#[derive(Clone)]
pub struct MemoryTx {
    tables: Tables,
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
struct Tables {
    users: Table<UserId, Signed<User>>,
    api_keys: Table<ApiKeyId, api_keys::Row>,
    answers: Table<(UserId, String), StoredAnswer>,
    credentials: Table<CredentialId, credentials::Row>,
    audit: Table<Seq, Record>,
    audit_head: Option<Head>,
}

type Table<Key, Row> = Arc<BTreeMap<Key, Arc<Row>>>;

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
