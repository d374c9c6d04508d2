//! A database of Pipelit as a source to import from. Nothing of it is changed.

mod columns;
mod rows;

use keyward_pipelit::{Source, SourceError, SourceRows};

use self::columns::Columns;
use crate::connection::AnyConnection;
use crate::inspect::inspect;
use crate::{ConnectError, DatabaseUrl};

/// A database of Pipelit on SQLite or PostgreSQL.
///
/// It is opened so that not a byte of it changes: also while Pipelit runs, or when a copy was made
/// with the files beside it. Its schema is known by its tables and columns, whoever made it.
#[derive(Clone, Debug)]
pub struct PipelitDatabase(DatabaseUrl);

impl PipelitDatabase {
    /// Names the database.
    #[must_use]
    pub fn new(url: DatabaseUrl) -> Self {
        Self(url)
    }
}

impl Source for PipelitDatabase {
    fn rows(&self) -> Result<SourceRows, SourceError> {
        let read = inspect(&self.0, |connection| {
            connection.begin_read()?;
            let rows = all_rows(connection);
            // Nothing was changed, and the connection is dropped.
            let _ = connection.rollback();
            rows.map(Some)
        });
        match read {
            Ok(Some(rows)) => rows.map_err(SourceError::NotPipelit),
            Ok(None) => Err(SourceError::Missing),
            Err(Failure::Connect(ConnectError::File(error)))
                if error.kind() == std::io::ErrorKind::NotFound =>
            {
                Err(SourceError::Missing)
            }
            Err(Failure::Connect(error)) => Err(SourceError::Failed(error.into())),
            Err(Failure::Query(error)) => Err(SourceError::Failed(error.into())),
        }
    }
}

/// Everything as of one moment, or the table that is missing.
fn all_rows(connection: &mut AnyConnection) -> Result<Result<SourceRows, &'static str>, Failure> {
    for table in NEEDED {
        if !connection.has_table(table)? {
            return Ok(Err(table));
        }
    }
    let mut columns = Columns::of(connection);
    Ok(Ok(SourceRows {
        users: rows::users(&mut columns)?,
        api_keys: rows::api_keys(&mut columns)?,
        credentials: rows::credentials(&mut columns)?,
        llm: rows::llm(&mut columns)?,
        git: rows::git(&mut columns)?,
        gateway: rows::gateway(&mut columns)?,
        tool: rows::tool(&mut columns)?,
        telegram: rows::telegram(&mut columns)?,
        workspaces: rows::workspaces(&mut columns)?,
    }))
}

/// Why nothing was read.
enum Failure {
    Connect(ConnectError),
    Query(diesel::result::Error),
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        Self::Connect(error)
    }
}

impl From<diesel::result::Error> for Failure {
    fn from(error: diesel::result::Error) -> Self {
        Self::Query(error)
    }
}

/// What every version has.
const NEEDED: [&str; 3] = ["user_profiles", "api_keys", "credentials"];
