use std::path::PathBuf;

use crate::exit::Failure;
use crate::private_path::SecretFileError;
use crate::settings::{Name, SettingsError};

use super::KeyOrigin;

/// Why there are no keys to work with: one paragraph that says what to do, without any key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    #[error(
        "KEYWARD_ENV is production, and {names} not set; production generates no keys, so run \
         `keyward keys generate`, keep what it prints in a safe place, and set it, or name a file \
         that holds it (mode 0600) with {name}_FILE"
    )]
    Missing { names: String, name: Name },
    #[error(
        "{} exists, but the key it was written under is missing: neither {name} is set, nor does \
         {} exist; restore the key from your backup, or move the database away to start with a \
         new one. No new key was generated, since it could not open what is stored",
        database.display(),
        key.display()
    )]
    Lost {
        name: Name,
        key: PathBuf,
        database: PathBuf,
    },
    #[error(
        "{name} is not set, {} does not exist, and this command generates no key; set the key \
         that the database was written under",
        key.display()
    )]
    Absent { name: Name, key: PathBuf },
    #[error(transparent)]
    Unreadable(#[from] SettingsError),
    #[error("{name} cannot be taken from the data directory: {source}")]
    GeneratedUnreadable { name: Name, source: SecretFileError },
    #[error(
        "cannot create {}: {source}; make the directory writable, choose another with DATA_DIR, \
         or set {name}",
        path.display()
    )]
    NotCreated {
        name: Name,
        path: PathBuf,
        source: std::io::Error,
    },
    // A new key would lock existing data, so it is not the first advice.
    #[error(
        "{name} ({origin}) cannot be used: {problem}; set the key that the data was written \
         under, or on a new installation one from `keyward keys generate`"
    )]
    Unusable {
        name: Name,
        origin: KeyOrigin,
        problem: String,
    },
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        Self::configuration(error)
    }
}
