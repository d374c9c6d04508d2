use keyward_core::StoreError;

use crate::connection::{Access, AnyConnection};
use crate::{ConnectError, DatabaseUrl};

/// Whether there is a database to ask. A SQLite file that is not there yet is no error.
pub(crate) fn answers(url: &DatabaseUrl) -> Result<(), ConnectError> {
    match connection(url)? {
        Some(mut connection) => connection
            .has_table("users")
            .map(drop)
            .map_err(|error| ConnectError::Unreachable(error.into())),
        None => Ok(()),
    }
}

/// Asks the database without changing a byte of it, and answers the default where there is none.
pub(crate) fn inspect<T: Default>(
    url: &DatabaseUrl,
    question: impl FnOnce(&mut AnyConnection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
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
