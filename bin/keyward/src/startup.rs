use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use keyward_store_diesel::DatabaseUrl;

use crate::doctor;
use crate::exit::Failure;
use crate::keys::KeyMaterial;
use crate::settings::{Mode, Settings};

/// What a command needs before it may open the database.
pub(crate) struct Prepared {
    pub(crate) keys: KeyMaterial,
    pub(crate) database: DatabaseUrl,
}

/// Finds the keys and the database. The database itself is not touched.
///
/// In production every blocking check must pass first, and nothing is created. In development
/// missing keys are created, and that is said on standard error.
pub(crate) fn prepare(settings: &Settings) -> Result<Prepared, Failure> {
    let database = checked_database(settings)?;
    let keys = KeyMaterial::obtain(settings, &database, &mut std::io::stderr())?;
    if settings.mode == Mode::Development && settings.database_url.is_none() {
        create_data_dir(&settings.data_dir)?;
    }
    Ok(Prepared::told(keys, database))
}

/// [`prepare`] for commands that only read: nothing is created in development, either.
pub(crate) fn prepare_to_read(settings: &Settings) -> Result<Prepared, Failure> {
    let database = checked_database(settings)?;
    let keys = KeyMaterial::existing(settings)?;
    Ok(Prepared::told(keys, database))
}

/// [`prepare`] for a restore: a place for the database is made in development, but no key.
pub(crate) fn prepare_to_restore(settings: &Settings) -> Result<Prepared, Failure> {
    let prepared = prepare_to_read(settings)?;
    if settings.mode == Mode::Development && settings.database_url.is_none() {
        create_data_dir(&settings.data_dir)?;
    }
    Ok(prepared)
}

impl Prepared {
    fn told(keys: KeyMaterial, database: DatabaseUrl) -> Self {
        tracing::debug!(
            database = database.label(),
            field_encryption_key = %keys.fields_origin,
            secret_key = %keys.macs_origin,
            "keys and database are known"
        );
        Self { keys, database }
    }
}

fn checked_database(settings: &Settings) -> Result<DatabaseUrl, Failure> {
    if settings.mode == Mode::Production {
        doctor::preflight(settings).refuse_failures()?;
    }
    // Not asked here, but what it says has to be understood before anything is touched.
    settings.redis_url().map_err(Failure::configuration)?;
    settings.database_url().map_err(Failure::configuration)
}

/// With keys from elsewhere nothing has made the directory of the default database yet.
fn create_data_dir(path: &Path) -> Result<(), Failure> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| {
            Failure::configuration(format!(
                "cannot create the directory {}: {error}; choose another with DATA_DIR",
                path.display()
            ))
        })
}
