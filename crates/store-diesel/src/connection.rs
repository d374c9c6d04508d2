use diesel::connection::{AnsiTransactionManager, TransactionManager};
use diesel::prelude::*;

use crate::ConnectError;
use crate::url::{DatabaseUrl, Target};

/// A connection to either database. Queries written against it run on both.
#[derive(diesel::MultiConnection)]
pub(crate) enum AnyConnection {
    #[cfg(feature = "sqlite")]
    Sqlite(SqliteConnection),
    #[cfg(feature = "postgres")]
    Postgres(PgConnection),
}

/// Runs one expression on the connection inside, for queries that do not compile on
/// [`AnyConnection`] or are faster without it.
macro_rules! each {
    ($connection:expr, $inner:ident => $body:expr) => {
        match $connection {
            #[cfg(feature = "sqlite")]
            $crate::connection::AnyConnection::Sqlite($inner) => $body,
            #[cfg(feature = "postgres")]
            $crate::connection::AnyConnection::Postgres($inner) => $body,
        }
    };
}
pub(crate) use each;

/// What a connection is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Queries.
    Read,
    /// Everything.
    Write,
    /// Queries that leave the database as it is, byte by byte.
    Inspect,
}

impl AnyConnection {
    pub(crate) fn open(url: &DatabaseUrl, access: Access) -> Result<Self, ConnectError> {
        match &url.0 {
            #[cfg(feature = "sqlite")]
            Target::Sqlite(path) => crate::sqlite::open(path, access).map(Self::Sqlite),
            #[cfg(feature = "postgres")]
            Target::Postgres(server) => crate::postgres::open(server, access).map(Self::Postgres),
        }
    }

    /// Begins a transaction that sees one state of the database and cannot write.
    pub(crate) fn begin_read(&mut self) -> QueryResult<()> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(inner) => AnsiTransactionManager::begin_transaction_sql(inner, "BEGIN"),
            #[cfg(feature = "postgres")]
            Self::Postgres(inner) => AnsiTransactionManager::begin_transaction_sql(
                inner,
                "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            ),
        }
    }

    /// Begins a transaction that writes.
    pub(crate) fn begin_write(&mut self) -> QueryResult<()> {
        match self {
            // Takes the lock at once: a transaction that has read first cannot wait for it.
            #[cfg(feature = "sqlite")]
            Self::Sqlite(inner) => {
                AnsiTransactionManager::begin_transaction_sql(inner, "BEGIN IMMEDIATE")
            }
            // Says the level, because the configuration of the server could say another.
            #[cfg(feature = "postgres")]
            Self::Postgres(inner) => AnsiTransactionManager::begin_transaction_sql(
                inner,
                "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
            ),
        }
    }

    pub(crate) fn commit(&mut self) -> QueryResult<()> {
        <Self as Connection>::TransactionManager::commit_transaction(self)
    }

    pub(crate) fn rollback(&mut self) -> QueryResult<()> {
        <Self as Connection>::TransactionManager::rollback_transaction(self)
    }

    /// Whether there is a table of this name.
    pub(crate) fn has_table(&mut self, name: &str) -> QueryResult<bool> {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::Bool)]
            present: bool,
        }
        let row: Row = match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(inner) => diesel::sql_query(
                "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?) \
                 AS present",
            )
            .bind::<diesel::sql_types::Text, _>(name)
            .get_result(inner)?,
            #[cfg(feature = "postgres")]
            Self::Postgres(inner) => {
                diesel::sql_query("SELECT to_regclass($1) IS NOT NULL AS present")
                    .bind::<diesel::sql_types::Text, _>(name)
                    .get_result(inner)?
            }
        };
        Ok(row.present)
    }
}
