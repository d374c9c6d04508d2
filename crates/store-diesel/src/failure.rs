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
    "database schema is locked",
    "database or disk is full",
    "disk I/O error",
    "attempt to write a readonly database",
    "unable to open database file",
    "access permission denied",
    "locking protocol",
    // PostgreSQL
    "deadlock detected",
    "canceling statement due to",
    "could not serialize access",
    "could not obtain lock",
    "could not access ",
    "could not create file",
    "could not extend file",
    "could not flush ",
    "could not fsync ",
    "could not open ",
    "could not read ",
    "could not write ",
    "could not receive data",
    "could not send data",
    "server closed the connection",
    // A connection on which bytes were lost.
    "lost synchronization with server",
    "message contents do not agree with length",
    "invalid response from server",
    "unexpected response from server",
    "message type 0x",
    "insufficient data in",
    "extraneous data in",
    "SSL SYSCALL error",
    "the database system is",
    "too many clients already",
    "too many connections",
    "remaining connection slots",
    "out of shared memory",
    "could not resize shared memory",
    TERMINATED,
    // Our triggers. A node that has not heard yet which key is active hears it within a second.
    "the encryption key of this value is retired",
    "the secret that signs this is retired",
    // both, and what the operating system says
    "interrupted",
    "out of memory",
    "No space left on device",
    "Disk quota exceeded",
    "Input/output error",
    "Read-only file system",
    "Too many open files",
];

#[cfg(test)]
mod tests {
    use diesel::result::DatabaseErrorInformation;

    use super::*;

    #[test]
    fn a_failure_of_the_machine_may_pass() {
        for message in [
            // SQLITE_BUSY, _LOCKED, _FULL, _IOERR, _READONLY, _CANTOPEN, _PERM, _PROTOCOL, _NOMEM
            "database is locked",
            "database table is locked: users",
            "database schema is locked: main",
            "database or disk is full",
            "disk I/O error",
            "attempt to write a readonly database",
            "unable to open database file",
            "access permission denied",
            "locking protocol",
            "out of memory",
            "interrupted",
            // 40P01, 55P03, 57014
            "deadlock detected",
            "could not obtain lock on row in relation \"users\"",
            "canceling statement due to lock timeout",
            "canceling statement due to statement timeout",
            "canceling statement due to conflict with recovery",
            // 57P01, 57P02, 57P03, 57P05, 25P03
            "terminating connection due to administrator command",
            "terminating connection because of crash of another server process",
            "the database system is shutting down",
            "the database system is in recovery mode",
            "terminating connection due to idle-session timeout",
            "terminating connection due to idle-in-transaction timeout",
            // 53100, 53200, 53300, 58030
            "could not extend file \"base/5/1259\": No space left on device",
            "could not write to file \"pg_wal/xlogtemp.7\": No space left on device",
            "could not access status of transaction 7",
            "could not open file \"base/5/1259\": Input/output error",
            "could not read blocks 0..0 in file \"base/5/1259\": Input/output error",
            "could not fsync file \"base/5/1259\": Input/output error",
            "could not create file \"base/5/1259\": Read-only file system",
            "out of shared memory",
            "sorry, too many clients already",
            "too many connections for role \"keyward\"",
            "remaining connection slots are reserved for roles with the SUPERUSER attribute",
            // the triggers of every column with sealed values, and of the audit log
            "the encryption key of this value is retired",
            "the secret that signs this is retired",
            // libpq
            "server closed the connection unexpectedly",
            "could not receive data from server: Connection timed out",
            "SSL SYSCALL error: EOF detected",
        ] {
            assert!(passes(DatabaseErrorKind::Unknown, message), "{message}");
        }
        for kind in [
            // 40001, 25006, 08xxx and a broken socket
            DatabaseErrorKind::SerializationFailure,
            DatabaseErrorKind::ReadOnlyTransaction,
            DatabaseErrorKind::ClosedConnection,
            DatabaseErrorKind::UnableToSendCommand,
        ] {
            assert!(passes(kind, "in any language"));
        }
        assert!(is_unavailable(Error::BrokenTransactionManager));
        assert!(is_unavailable(Error::RollbackErrorOnCommit {
            rollback_error: Box::new(Error::NotFound),
            commit_error: Box::new(Error::DatabaseError(
                DatabaseErrorKind::Unknown,
                report("disk I/O error"),
            )),
        }));
    }

    #[test]
    fn a_mistake_does_not_pass() {
        for message in [
            "no such table: users",
            "near \"FORM\": syntax error",
            "database disk image is malformed",
            "file is not a database",
            "relation \"users\" does not exist",
            "permission denied for table users",
            "audit_events is append-only",
            "invalid page in block 0 of relation base/5/1259",
        ] {
            assert!(!passes(DatabaseErrorKind::Unknown, message), "{message}");
        }
        for kind in [
            DatabaseErrorKind::UniqueViolation,
            DatabaseErrorKind::ForeignKeyViolation,
            DatabaseErrorKind::NotNullViolation,
            DatabaseErrorKind::CheckViolation,
        ] {
            assert!(!passes(kind, "out of memory"));
        }
        assert!(!is_unavailable(Error::NotFound));
    }

    fn passes(kind: DatabaseErrorKind, message: &str) -> bool {
        is_unavailable(Error::DatabaseError(kind, report(message)))
    }

    fn is_unavailable(error: Error) -> bool {
        matches!(failed(error), StoreError::Unavailable(_))
    }

    fn report(message: &str) -> Box<dyn DatabaseErrorInformation + Send + Sync> {
        Box::new(message.to_owned())
    }
}
