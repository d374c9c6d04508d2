use std::path::Path;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;

use super::{create_private, inspection_uri, open_uri};
use crate::ConnectError;
use crate::connection::Access;

/// Opens the file, sets what Keyward relies on, and refuses to go on where it did not take effect.
///
/// Only [`Access::Write`] creates a file.
pub(crate) fn open(path: &Path, access: Access) -> Result<SqliteConnection, ConnectError> {
    let uri = match access {
        Access::Inspect => inspection_uri(path)
            .map_err(ConnectError::File)?
            .ok_or_else(|| ConnectError::File(std::io::ErrorKind::NotFound.into()))?,
        Access::Read => open_uri(path),
        Access::Write => {
            create_private(path).map_err(ConnectError::File)?;
            open_uri(path)
        }
    };
    let mut connection = SqliteConnection::establish(&uri)
        .map_err(|error| ConnectError::Unreachable(error.into()))?;
    set(&mut connection, access).map_err(|error| ConnectError::Unreachable(error.into()))?;
    if !matches!(access, Access::Inspect) {
        check(&mut connection, access)?;
    }
    Ok(connection)
}

fn set(connection: &mut SqliteConnection, access: Access) -> QueryResult<()> {
    connection.batch_execute(SETTINGS)?;
    match access {
        Access::Inspect => connection.batch_execute(READ_ONLY),
        Access::Read => {
            use_wal(connection)?;
            connection.batch_execute(READ_ONLY)
        }
        Access::Write => use_wal(connection),
    }
}

/// Switches to write-ahead logging, where that was not done before.
///
/// SQLite does not wait for others while it switches, whatever `busy_timeout` says.
fn use_wal(connection: &mut SqliteConnection) -> QueryResult<()> {
    let mut tries = 0;
    loop {
        match connection.batch_execute("PRAGMA journal_mode = WAL") {
            Err(_) if tries < SWITCH_TRIES => {
                tries += 1;
                std::thread::sleep(SWITCH_PAUSE);
            }
            done => return done,
        }
    }
}

/// Reads the settings back: a `PRAGMA` that SQLite does not know or cannot follow is no error.
fn check(connection: &mut SqliteConnection, access: Access) -> Result<(), ConnectError> {
    let found = read_back(connection).map_err(|error| ConnectError::Unreachable(error.into()))?;
    let query_only = match access {
        Access::Write => "0",
        Access::Read | Access::Inspect => "1",
    };
    let wanted = [
        ("journal_mode", found.journal_mode, "wal"),
        ("synchronous", found.synchronous, "2"),
        ("foreign_keys", found.foreign_keys, "1"),
        ("trusted_schema", found.trusted_schema, "0"),
        ("secure_delete", found.secure_delete, "1"),
        ("busy_timeout", found.busy_timeout, "5000"),
        ("query_only", found.query_only, query_only),
    ];
    for (name, found, expected) in wanted {
        if found != expected {
            return Err(ConnectError::Setting {
                name,
                found,
                expected,
            });
        }
    }
    Ok(())
}

#[derive(QueryableByName)]
struct ReadBack {
    #[diesel(sql_type = Text)]
    version: String,
    #[diesel(sql_type = Text)]
    journal_mode: String,
    #[diesel(sql_type = Text)]
    synchronous: String,
    #[diesel(sql_type = Text)]
    foreign_keys: String,
    #[diesel(sql_type = Text)]
    trusted_schema: String,
    #[diesel(sql_type = Text)]
    secure_delete: String,
    #[diesel(sql_type = Text)]
    busy_timeout: String,
    #[diesel(sql_type = Text)]
    query_only: String,
}

fn read_back(connection: &mut SqliteConnection) -> QueryResult<ReadBack> {
    diesel::sql_query(READ_BACK).get_result(connection)
}

/// What decides whether a committed transaction survives a crash.
pub(crate) fn durability(connection: &mut SqliteConnection) -> QueryResult<Vec<(String, String)>> {
    let found = read_back(connection)?;
    let settings = [
        ("busy_timeout", found.busy_timeout),
        ("foreign_keys", found.foreign_keys),
        ("journal_mode", found.journal_mode),
        ("secure_delete", found.secure_delete),
        ("server_version", found.version),
        ("synchronous", found.synchronous),
        ("trusted_schema", found.trusted_schema),
    ];
    Ok(settings
        .map(|(name, value)| (name.to_owned(), value))
        .into())
}

/// First the time to wait, because the others may have to. No memory mapping: there, an error of
/// the disk would end the process instead of the query. Instead a connection keeps 16 MB of pages, enough
/// for two thousand keys that are in use among a million. What is sorted or spilled stays in memory.
const SETTINGS: &str = "
    PRAGMA busy_timeout = 5000;
    PRAGMA trusted_schema = OFF;
    PRAGMA foreign_keys = ON;
    PRAGMA synchronous = FULL;
    PRAGMA fullfsync = ON;
    PRAGMA secure_delete = ON;
    PRAGMA cell_size_check = ON;
    PRAGMA mmap_size = 0;
    PRAGMA cache_size = -16000;
    PRAGMA temp_store = MEMORY;
    PRAGMA journal_size_limit = 67108864;
";

const READ_ONLY: &str = "PRAGMA query_only = ON";

const READ_BACK: &str = "SELECT sqlite_version() AS version,
    (SELECT CAST(journal_mode AS TEXT) FROM pragma_journal_mode) AS journal_mode,
    (SELECT CAST(synchronous AS TEXT) FROM pragma_synchronous) AS synchronous,
    (SELECT CAST(foreign_keys AS TEXT) FROM pragma_foreign_keys) AS foreign_keys,
    (SELECT CAST(trusted_schema AS TEXT) FROM pragma_trusted_schema) AS trusted_schema,
    (SELECT CAST(secure_delete AS TEXT) FROM pragma_secure_delete) AS secure_delete,
    (SELECT CAST(timeout AS TEXT) FROM pragma_busy_timeout) AS busy_timeout,
    (SELECT CAST(query_only AS TEXT) FROM pragma_query_only) AS query_only";

const SWITCH_TRIES: u32 = 100;
const SWITCH_PAUSE: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    /// The setting that a connection is refused for, after `change`.
    fn refused_for(change: &str) -> Option<&'static str> {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("keyward.db");
        let mut connection = open(&path, Access::Write).unwrap();
        connection.batch_execute(change).unwrap();
        match check(&mut connection, Access::Write) {
            Err(ConnectError::Setting { name, .. }) => Some(name),
            other => {
                other.unwrap();
                None
            }
        }
    }

    #[test]
    fn a_setting_that_did_not_take_effect_is_named() {
        assert_eq!(refused_for(""), None);
        for (name, change) in [
            ("journal_mode", "PRAGMA journal_mode = DELETE"),
            ("synchronous", "PRAGMA synchronous = NORMAL"),
            ("foreign_keys", "PRAGMA foreign_keys = OFF"),
            ("trusted_schema", "PRAGMA trusted_schema = ON"),
            ("secure_delete", "PRAGMA secure_delete = OFF"),
            ("busy_timeout", "PRAGMA busy_timeout = 0"),
            ("query_only", "PRAGMA query_only = ON"),
        ] {
            assert_eq!(refused_for(change), Some(name));
        }
    }
}
