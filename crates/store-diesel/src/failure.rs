use diesel::result::{DatabaseErrorKind, Error};
use keyward_core::StoreError;

/// Why there is no connection to the database.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The file of the database is not there or cannot be created.
    #[error("cannot open the file of the database")]
    File(#[source] std::io::Error),
    /// The database does not answer, refuses the login, or is none.
    #[error("cannot connect to the database")]
    Unreachable(#[source] keyward_core::Source),
    /// The database would not keep its promises.
    #[error("the database has {name} = {found}; Keyward needs {expected}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// What it is.
        found: String,
        /// What it must be.
        expected: &'static str,
    },
}

impl From<ConnectError> for StoreError {
    fn from(error: ConnectError) -> Self {
        Self::Unavailable(error.into())
    }
}

/// Sorts what diesel reports into what may pass and what will not.
pub(crate) fn failed(error: Error) -> StoreError {
    if may_pass(&error) {
        StoreError::Unavailable(error.into())
    } else {
        StoreError::Backend(error.into())
    }
}

fn may_pass(error: &Error) -> bool {
    match error {
        Error::DatabaseError(kind, information) => match kind {
            DatabaseErrorKind::SerializationFailure
            | DatabaseErrorKind::ReadOnlyTransaction
            | DatabaseErrorKind::ClosedConnection
            | DatabaseErrorKind::UnableToSendCommand => true,
            DatabaseErrorKind::Unknown => {
                let message = information.message();
                PASSING.iter().any(|passing| message.contains(passing))
            }
            _ => false,
        },
        Error::RollbackErrorOnCommit { commit_error, .. } => may_pass(commit_error),
        Error::BrokenTransactionManager => true,
        _ => false,
    }
}

/// Whether the connection is of no use any more.
pub(crate) fn is_connection_lost(error: &Error) -> bool {
    match error {
        Error::DatabaseError(kind, information) => match kind {
            DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand => true,
            DatabaseErrorKind::Unknown => information.message().contains(TERMINATED),
            _ => false,
        },
        Error::RollbackErrorOnCommit { .. } | Error::BrokenTransactionManager => true,
        _ => false,
    }
}

const TERMINATED: &str = "terminating connection";

/// Diesel keeps the error codes to itself, so the messages have to do: those of SQLite
/// (`sqlite3_errstr`), and those of PostgreSQL in English, which is asked for where that is
/// allowed. A message in another language makes an error permanent that is not, nothing worse.
const PASSING: &[&str] = &[
    // SQLite
    "database is locked",
    "database table is locked",
    "database or disk is full",
    "disk I/O error",
    "attempt to write a readonly database",
    "unable to open database file",
    "locking protocol",
    // PostgreSQL
    "deadlock detected",
    "canceling statement due to",
    "could not extend file",
    "could not write to file",
    "could not serialize access",
    "the database system is",
    "out of shared memory",
    "No space left on device",
    TERMINATED,
    // both
    "out of memory",
];
