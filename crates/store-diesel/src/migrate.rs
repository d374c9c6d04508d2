use diesel::backend::Backend;
#[cfg(feature = "postgres")]
use diesel::connection::SimpleConnection as _;
use diesel::migration::{Migration, MigrationSource};
use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use keyward_core::{Source, StoreError};

use crate::connection::{Access, AnyConnection};
use crate::failure::failed;
use crate::inspect::inspect;
use crate::url::Target;
use crate::{ConnectError, DieselStore};

/// What [`DieselStore::migrate`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationReport {
    /// The names of the migrations that were applied, in their order.
    pub applied: Vec<String>,
}

/// Why the schema was not brought up to date. Whatever the reason, it is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// There is no connection to the database.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A newer Keyward has migrated this database.
    #[error(
        "the database was migrated by a newer version of Keyward (unknown migrations: {}); start \
         that version, or restore the backup from before",
        .unknown.join(", ")
    )]
    NewerSchema {
        /// The migrations that this version does not know.
        unknown: Vec<String>,
    },
    /// A migration failed.
    #[error("cannot migrate the database")]
    Failed(#[source] Source),
}

impl From<diesel::result::Error> for MigrateError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl DieselStore {
    /// Brings the schema up to date: all that is missing, or nothing. Of several nodes that start
    /// at the same time one does it and the others wait.
    pub fn migrate(&self) -> Result<MigrationReport, MigrateError> {
        let mut connection = AnyConnection::open(self.url(), Access::Write)?;
        connection.begin_write()?;
        // When something fails, the connection is dropped, and with it the transaction.
        hold_others_back(&mut connection)?;
        let applied = apply(&mut connection, UpTo::Latest)?;
        connection.commit()?;
        Ok(MigrationReport { applied })
    }

    /// The migrations that [`migrate`](Self::migrate) would apply. Only reads.
    pub fn pending_migrations(&self) -> Result<Vec<String>, StoreError> {
        let recorded = inspect(self.url(), |connection| {
            recorded(connection).map_err(failed)
        })?;
        match &self.url().0 {
            #[cfg(feature = "sqlite")]
            Target::Sqlite(_) => pending::<diesel::sqlite::Sqlite>(&SQLITE, &recorded),
            #[cfg(feature = "postgres")]
            Target::Postgres(_) => pending::<diesel::pg::Pg>(&POSTGRES, &recorded),
        }
        .map_err(StoreError::Backend)
    }
}

/// Which migrations are applied.
#[derive(Clone, Copy)]
pub(crate) enum UpTo<'a> {
    /// All of them.
    Latest,
    /// Those of these versions.
    Listed(&'a [String]),
}

impl UpTo<'_> {
    fn includes(self, version: &String) -> bool {
        match self {
            Self::Latest => true,
            Self::Listed(versions) => versions.contains(version),
        }
    }
}

/// Applies what is missing, and says what that was.
pub(crate) fn apply(
    connection: &mut AnyConnection,
    up_to: UpTo<'_>,
) -> Result<Vec<String>, MigrateError> {
    let recorded = recorded(connection)?;
    match connection {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(inner) => apply_from(&SQLITE, &recorded, up_to, inner),
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(inner) => apply_from(&POSTGRES, &recorded, up_to, inner),
    }
}

/// Which of these versions this Keyward does not know.
pub(crate) fn unknown(
    connection: &AnyConnection,
    versions: &[String],
) -> Result<Vec<String>, Source> {
    match connection {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(_) => Ok(unknown_of(
            &embedded::<diesel::sqlite::Sqlite>(&SQLITE)?,
            versions,
        )),
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(_) => Ok(unknown_of(
            &embedded::<diesel::pg::Pg>(&POSTGRES)?,
            versions,
        )),
    }
}

fn unknown_of<DB: Backend>(known: &[Known<DB>], versions: &[String]) -> Vec<String> {
    let is_known = |version: &String| known.iter().any(|known| known.version == *version);
    let unknown = versions.iter().filter(|version| !is_known(version));
    unknown.cloned().collect()
}

/// Lets one node at a time change the schema, and lets that take as long as it needs.
pub(crate) fn hold_others_back(connection: &mut AnyConnection) -> QueryResult<()> {
    match connection {
        // The transaction began by locking the database.
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(_) => Ok(()),
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(inner) => inner.batch_execute(&format!(
            "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '60s'; \
             SET LOCAL idle_in_transaction_session_timeout = 0; \
             SELECT pg_advisory_xact_lock({LOCK});"
        )),
    }
}

fn apply_from<C, DB>(
    source: &EmbeddedMigrations,
    recorded: &[String],
    up_to: UpTo<'_>,
    connection: &mut C,
) -> Result<Vec<String>, MigrateError>
where
    C: MigrationHarness<DB>,
    DB: Backend,
{
    let known = embedded::<DB>(source).map_err(MigrateError::Failed)?;
    let unknown = unknown_of(&known, recorded);
    if !unknown.is_empty() {
        return Err(MigrateError::NewerSchema { unknown });
    }
    connection
        .applied_migrations() // makes the table of migrations
        .map_err(MigrateError::Failed)?;
    let mut applied = Vec::new();
    for missing in known
        .into_iter()
        .filter(|known| !recorded.contains(&known.version) && up_to.includes(&known.version))
    {
        connection
            .run_migration(&*missing.migration)
            .map_err(MigrateError::Failed)?;
        applied.push(missing.name);
    }
    Ok(applied)
}

fn pending<DB: Backend>(
    source: &EmbeddedMigrations,
    recorded: &[String],
) -> Result<Vec<String>, Source> {
    let pending = embedded::<DB>(source)?
        .into_iter()
        .filter(|known| !recorded.contains(&known.version))
        .map(|known| known.name);
    Ok(pending.collect())
}

/// The versions of the migrations that the database has seen.
pub(crate) fn recorded(connection: &mut AnyConnection) -> QueryResult<Vec<String>> {
    if connection.has_table("__diesel_schema_migrations")? {
        __diesel_schema_migrations::table
            .select(__diesel_schema_migrations::version)
            .order(__diesel_schema_migrations::version)
            .load(connection)
    } else {
        Ok(Vec::new())
    }
}

struct Known<DB: Backend> {
    name: String,
    version: String,
    migration: Box<dyn Migration<DB>>,
}

/// In the order in which they are applied.
fn embedded<DB: Backend>(source: &EmbeddedMigrations) -> Result<Vec<Known<DB>>, Source> {
    let mut known: Vec<Known<DB>> = MigrationSource::<DB>::migrations(source)?
        .into_iter()
        .map(|migration| Known {
            name: migration.name().to_string(),
            version: migration.name().version().to_string(),
            migration,
        })
        .collect();
    known.sort_by(|a, b| a.version.cmp(&b.version));
    Ok(known)
}

diesel::table! {
    /// Diesel's own.
    __diesel_schema_migrations (version) {
        version -> Text,
        run_on -> Timestamp,
    }
}

#[cfg(feature = "sqlite")]
const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
#[cfg(feature = "postgres")]
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// The name of the lock that migrations take: `keyward` in ASCII. Versions of Keyward that use
/// different ones would not wait for each other.
#[cfg(feature = "postgres")]
const LOCK: i64 = 0x6b65_7977_6172_6400;
