use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use diesel::prelude::*;
use diesel::r2d2::R2D2Connection as _;
use keyward_core::{StoreError, storage_wait, with_causes};
use r2d2::{ManageConnection, Pool, PooledConnection};

use crate::connection::{Access, AnyConnection};
use crate::failure::{failed, is_connection_lost};
use crate::waits::Waits;
use crate::{ConnectError, DatabaseUrl, Options, PoolState};

/// A pool for queries and one for changes.
///
/// SQLite has one writer at a time. With one connection for writing, writers of this process queue
/// for it in order instead of polling a locked file; the others never wait for them.
pub(crate) struct Pools {
    url: DatabaseUrl,
    options: Options,
    // Opened when first needed: until then the database is not touched.
    read: OnceLock<Pool<Manager>>,
    write: OnceLock<Pool<Manager>>,
    read_waits: Waits,
    write_waits: Waits,
    /// Whether the database answers is asked on a connection that nothing else waits for.
    health: Mutex<Option<Link>>,
    epoch: Epoch,
}

impl Pools {
    pub(crate) fn new(url: DatabaseUrl, options: Options) -> Self {
        Self {
            url,
            options,
            read: OnceLock::new(),
            write: OnceLock::new(),
            read_waits: Waits::default(),
            write_waits: Waits::default(),
            health: Mutex::default(),
            epoch: Epoch::default(),
        }
    }

    pub(crate) fn url(&self) -> &DatabaseUrl {
        &self.url
    }

    /// Waits for a connection, but not for long.
    pub(crate) fn get(&self, access: Access) -> Result<Pooled, StoreError> {
        let pool = match access {
            Access::Write => &self.write,
            Access::Read | Access::Inspect => &self.read,
        };
        let connection = || pool.get_or_init(|| self.build(access)).get();
        storage_wait(connection).map_err(|error| StoreError::Unavailable(error.into()))
    }

    /// Asks something on the connection that is for this, or on a new one while that is with
    /// somebody, who may never come back with it.
    pub(crate) fn ask_beside<T>(
        &self,
        question: impl FnOnce(&mut AnyConnection) -> QueryResult<T>,
    ) -> Result<T, StoreError> {
        let manager = self.manager(Access::Read);
        let kept = lock(&self.health).take();
        let kept = kept.and_then(|mut link| manager.is_valid(&mut link).ok().map(|()| link));
        let mut link = match kept {
            Some(link) => link,
            None => storage_wait(|| manager.connect())
                .map_err(|error| StoreError::Unavailable(error.into()))?,
        };
        let answer = link.run(question);
        if !manager.has_broken(&mut link) {
            *lock(&self.health) = Some(link);
        }
        answer.map_err(failed)
    }

    pub(crate) fn states(&self) -> Vec<PoolState> {
        let pools = [
            ("read", self.read.get(), &self.read_waits),
            ("write", self.write.get(), &self.write_waits),
        ];
        let known = pools.into_iter().filter_map(|(name, pool, waits)| {
            let state = pool?.state();
            Some(PoolState {
                name,
                connections: state.connections,
                idle: state.idle_connections,
                got: waits.got(),
                waited: waits.waited(),
                timeouts: waits.timeouts(),
            })
        });
        known.collect()
    }

    fn size(&self, access: Access) -> u32 {
        if self.url.sqlite_path().is_some() && access == Access::Write {
            1
        } else {
            self.options.connections.max(1)
        }
    }

    fn manager(&self, access: Access) -> Manager {
        Manager {
            url: self.url.clone(),
            access,
            epoch: self.epoch.clone(),
        }
    }

    fn build(&self, access: Access) -> Pool<Manager> {
        let waits = match access {
            Access::Write => &self.write_waits,
            Access::Read | Access::Inspect => &self.read_waits,
        };
        Pool::builder()
            .max_size(self.size(access))
            // At least one, or nobody would replace a lost connection while others wait for it.
            .min_idle(Some(1))
            .connection_timeout(self.options.wait)
            // Free of charge, see `is_valid`.
            .test_on_check_out(true)
            .event_handler(Box::new(waits.clone()))
            .error_handler(Box::new(LogErrors))
            .build_unchecked(self.manager(access))
    }
}

pub(crate) type Pooled = PooledConnection<Manager>;

/// Opens connections, and finds out which of them are dead.
pub(crate) struct Manager {
    url: DatabaseUrl,
    access: Access,
    epoch: Epoch,
}

impl ManageConnection for Manager {
    type Connection = Link;
    type Error = LinkError;

    fn connect(&self) -> Result<Link, LinkError> {
        let checked_in = self.epoch.now();
        Ok(Link {
            connection: AnyConnection::open(&self.url, self.access)?,
            is_lost: false,
            checked_in,
            epoch: self.epoch.clone(),
        })
    }

    /// Asks the database only when some connection was lost since this one last answered: a check
    /// at each use would cost every request a round trip.
    fn is_valid(&self, link: &mut Link) -> Result<(), LinkError> {
        let now = self.epoch.now();
        if link.checked_in != now {
            storage_wait(|| link.connection.ping())?;
            link.checked_in = now;
        }
        Ok(())
    }

    fn has_broken(&self, link: &mut Link) -> bool {
        link.is_lost || std::thread::panicking() || link.connection.is_broken()
    }
}

/// A pooled connection that knows when it was lost.
pub(crate) struct Link {
    connection: AnyConnection,
    is_lost: bool,
    checked_in: u64,
    epoch: Epoch,
}

impl Link {
    /// Runs a query, and takes note when the connection does not survive it.
    pub(crate) fn run<T>(
        &mut self,
        query: impl FnOnce(&mut AnyConnection) -> QueryResult<T>,
    ) -> QueryResult<T> {
        let result = storage_wait(|| query(&mut self.connection));
        if let Err(error) = &result
            && is_connection_lost(error)
        {
            self.is_lost = true;
            self.epoch.end();
        }
        result
    }

    /// Rolls back; a connection that cannot is not used again.
    pub(crate) fn rollback(&mut self) {
        if self.run(|connection| connection.rollback()).is_err() {
            self.is_lost = true;
        }
    }
}

/// Counts lost connections. When one was lost, because the server was restarted for example, the
/// others that were open then are suspects.
#[derive(Clone, Default)]
struct Epoch(Arc<AtomicU64>);

impl Epoch {
    fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn end(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Why a connection of the pool cannot be used, with its cause in the text, because the pool keeps
/// nothing but the text.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("{}", with_causes(.0))]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Ping(#[from] diesel::result::Error),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug)]
struct LogErrors;

impl r2d2::HandleError<LinkError> for LogErrors {
    fn handle_error(&self, error: LinkError) {
        tracing::warn!(%error, "lost or could not open a connection to the database");
    }
}
