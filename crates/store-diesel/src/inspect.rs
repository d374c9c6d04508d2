use std::time::{Duration, Instant};

use crate::connection::{Access, AnyConnection};
use crate::{ConnectError, DatabaseUrl};

/// Whether there is a database to ask. A SQLite file that is not there yet is no error.
pub(crate) fn answers(url: &DatabaseUrl) -> Result<(), ConnectError> {
    inspect(url, |connection| {
        connection
            .has_table("users")
            .map(drop)
            .map_err(|error| ConnectError::Unreachable(error.into()))
    })
}

/// Asks the database without changing a byte of it, and answers the default where there is none.
///
/// Asks again for a while when a file gives no answer: how it has to be opened depends on what lies
/// beside it, and another process can create or remove that between the look and the opening. SQLite
/// has no lock that would hold both together.
pub(crate) fn inspect<T: Default, E: From<ConnectError>>(
    url: &DatabaseUrl,
    question: impl Fn(&mut AnyConnection) -> Result<T, E>,
) -> Result<T, E> {
    let started = Instant::now();
    loop {
        let answer = ask(url, &question);
        let is_final = url.sqlite_path().is_none() || started.elapsed() > PATIENCE;
        if answer.is_ok() || is_final {
            return answer;
        }
        std::thread::sleep(PAUSE);
    }
}

fn ask<T: Default, E: From<ConnectError>>(
    url: &DatabaseUrl,
    question: impl Fn(&mut AnyConnection) -> Result<T, E>,
) -> Result<T, E> {
    match connection(url)? {
        Some(mut connection) => question(&mut connection),
        None => Ok(T::default()),
    }
}

fn connection(url: &DatabaseUrl) -> Result<Option<AnyConnection>, ConnectError> {
    match &url.0 {
        #[cfg(feature = "sqlite")]
        crate::url::Target::Sqlite(path) if !path.try_exists().map_err(ConnectError::File)? => {
            Ok(None)
        }
        _ => AnyConnection::open(url, Access::Inspect).map(Some),
    }
}

/// A file that is no database is refused after this time, too.
const PATIENCE: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(5);
