use keyward_auth::Environment;
use keyward_store_diesel::{DatabaseUrl, DieselStore, Options};
use tempfile::TempDir;

use crate::exit::Failure;
use crate::keys::KeyMaterial;
use crate::settings::Settings;
use crate::wiring::broken;

/// A database for a look at a backup: a file of its own, in a folder that only its owner can enter.
/// Both go with it.
pub(super) struct Scratch {
    store: DieselStore,
    _folder: TempDir,
}

impl Scratch {
    pub(super) fn new() -> Result<Self, Failure> {
        let folder = tempfile::Builder::new()
            .prefix("keyward-verify-")
            .tempdir()
            .map_err(|error| {
                Failure::unavailable(format!(
                    "cannot make a temporary folder: {error}; name another place with TMPDIR"
                ))
            })?;
        let url = format!("sqlite://{}", folder.path().join("scratch.db").display());
        let url = DatabaseUrl::parse(&url).map_err(Failure::configuration)?;
        let store =
            DieselStore::connect(&url, Options::default()).map_err(|error| broken(&error))?;
        Ok(Self {
            store,
            _folder: folder,
        })
    }

    /// What services work with there: the keys of the settings.
    pub(super) fn environment(
        &self,
        settings: &Settings,
    ) -> Result<Environment<DieselStore>, Failure> {
        let keys = KeyMaterial::existing(settings)?;
        Ok(Environment::new(self.store.clone(), keys.fields, keys.macs))
    }
}
