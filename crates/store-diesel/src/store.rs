use std::sync::Arc;
use std::time::Duration;

use diesel::prelude::*;
use keyward_core::{Store, StoreError, Timestamp};

use crate::connection::{Access, AnyConnection};
use crate::failure::failed;
use crate::pools::{Pooled, Pools};
use crate::{ConnectError, DatabaseUrl, inspect};

/// How many connections, and how long to wait for one.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Connections for queries. PostgreSQL gets as many again for changes, SQLite one more.
    /// They are opened as they are needed.
    pub connections: u32,
    /// How long a unit of work waits for a connection before it is told to come back later.
    pub wait: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connections: 8,
            wait: Duration::from_millis(1_400),
        }
    }
}

/// Units of work on a SQLite or PostgreSQL database. Clones share their connections.
#[derive(Clone)]
pub struct DieselStore {
    pools: Arc<Pools>,
}

impl DieselStore {
    /// Makes sure that the database answers.
    ///
    /// A SQLite file that does not exist is not created: that is up to the first unit of work that
    /// writes, usually [`migrate`](Self::migrate).
    pub fn connect(url: &DatabaseUrl, options: Options) -> Result<Self, ConnectError> {
        inspect::answers(url)?;
        Ok(Self {
            pools: Arc::new(Pools::new(url.clone(), options)),
        })
    }

    /// Where the database is.
    #[must_use]
    pub fn url(&self) -> &DatabaseUrl {
        self.pools.url()
    }

    /// How many connections there are. Pools that were not needed yet are not among them.
    #[must_use]
    pub fn pools(&self) -> Vec<PoolState> {
        self.pools.states()
    }

    /// The time by the clock of the server; `None` where the database is a file, which has no clock
    /// of its own.
    pub fn server_time(&self) -> Result<Option<Timestamp>, StoreError> {
        self.open(Access::Read)?.run(server_time)
    }

    pub(crate) fn open(&self, access: Access) -> Result<DieselTx, StoreError> {
        Ok(DieselTx {
            link: self.pools.get(access)?,
            is_open: false,
        })
    }

    fn transact<T, E: From<StoreError>>(
        &self,
        access: Access,
        begin: impl FnOnce(&mut AnyConnection) -> QueryResult<()>,
        work: impl FnOnce(&mut DieselTx) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut tx = self.open(access)?;
        tx.run(begin)?;
        tx.is_open = true;
        let value = work(&mut tx)?;
        // From here on diesel rolls back by itself.
        tx.is_open = false;
        tx.run(|connection| connection.commit())?;
        Ok(value)
    }
}

impl Store for DieselStore {
    type Tx = DieselTx;

    fn read<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&mut DieselTx) -> Result<T, E>,
    ) -> Result<T, E> {
        part_of_request(|| tracing::info_span!(target: keyward_core::SPANS, "database read"))
            .in_scope(|| self.transact(Access::Read, AnyConnection::begin_read, work))
    }

    fn write<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&mut DieselTx) -> Result<T, E>,
    ) -> Result<T, E> {
        part_of_request(|| tracing::info_span!(target: keyward_core::SPANS, "database write"))
            .in_scope(|| self.transact(Access::Write, AnyConnection::begin_write, work))
    }

    fn health(&self) -> Result<(), StoreError> {
        if self.pools.ask_beside(is_standby)? {
            return Err(StoreError::Unavailable("the server is a standby".into()));
        }
        Ok(())
    }

    fn lookup<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&mut DieselTx) -> Result<T, E>,
    ) -> Result<T, E> {
        part_of_request(|| tracing::info_span!(target: keyward_core::SPANS, "database lookup"))
            .in_scope(|| work(&mut self.open(Access::Read)?))
    }
}

/// One open unit of work. Only [`DieselStore`] commits it; when it is dropped before, it is rolled
/// back.
pub struct DieselTx {
    link: Pooled,
    is_open: bool,
}

impl DieselTx {
    /// Runs one query. Every query of the repositories goes through here.
    pub(crate) fn run<T>(
        &mut self,
        query: impl FnOnce(&mut AnyConnection) -> QueryResult<T>,
    ) -> Result<T, StoreError> {
        self.link.run(query).map_err(failed)
    }
}

impl Drop for DieselTx {
    fn drop(&mut self) {
        if self.is_open {
            self.link.rollback();
        }
    }
}

/// A span below the one of the request that asks; what the server does by itself has none.
fn part_of_request(span: impl FnOnce() -> tracing::Span) -> tracing::Span {
    if tracing::Span::current().is_none() {
        return tracing::Span::none();
    }
    span()
}

/// One of the pools of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolState {
    /// `read` or `write`.
    pub name: &'static str,
    /// How many connections are open.
    pub connections: u32,
    /// How many of them wait for work.
    pub idle: u32,
    /// How often a unit of work got one, since the start.
    pub got: u64,
    /// How long those have waited for it, together.
    pub waited: Duration,
    /// How often a unit of work got none in time.
    pub timeouts: u64,
}

fn server_time(connection: &mut AnyConnection) -> QueryResult<Option<Timestamp>> {
    match connection {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(_) => Ok(None),
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(inner) => {
            diesel::select(diesel::dsl::sql::<diesel::sql_types::BigInt>(
                "EXTRACT(EPOCH FROM clock_timestamp())::bigint",
            ))
            .get_result(inner)
            .map(|seconds| Some(Timestamp(seconds)))
        }
    }
}

fn is_standby(connection: &mut AnyConnection) -> QueryResult<bool> {
    match connection {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(inner) => {
            diesel::select(diesel::dsl::sql::<diesel::sql_types::Bool>("FALSE")).get_result(inner)
        }
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(inner) => diesel::select(
            diesel::dsl::sql::<diesel::sql_types::Bool>("pg_is_in_recovery()"),
        )
        .get_result(inner),
    }
}
