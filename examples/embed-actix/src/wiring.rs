//! Keyward's part of the application.

use std::error::Error;
use std::sync::Arc;

use keyward_auth::{Environment, LastUsed};
use keyward_core::Store as _;
use keyward_crypto::{KeyRing, MacRing};
use keyward_encryption::keep;
use keyward_http::{Api, ApiOptions, Services};
use keyward_store_diesel::{DatabaseUrl, DieselStore, Options};

/// What the application holds of Keyward.
#[derive(Clone)]
pub struct Keyward {
    /// What services are made from.
    pub environment: Environment<DieselStore>,
    /// Times of last use, to be written now and then.
    pub last_used: Arc<LastUsed>,
    /// To be mounted.
    pub api: Api<DieselStore>,
}

/// Opens the database and wires the services. `field_keys` and `secrets` are lists as in
/// `FIELD_ENCRYPTION_KEY` and `SECRET_KEY`, newest first.
pub fn keyward(url: &str, field_keys: &str, secrets: &str) -> Result<Keyward, Box<dyn Error>> {
    // The wiring begins here.
    let store = DieselStore::connect(&DatabaseUrl::parse(url)?, Options::default())?;
    store.migrate()?;
    let keys = KeyRing::parse(field_keys)?;
    let environment = Environment::new(store, keys, MacRing::parse(secrets)?).steady()?;
    let (keys, macs, now) = (
        &environment.fields,
        &environment.macs,
        environment.clock.now(),
    );
    // Refuses keys that are not those of the database, before anything is written with them.
    environment.store.write(|tx| keep(tx, keys, macs, now))?;
    let last_used = Arc::new(LastUsed::default());
    let services = Services::new(&environment, ApiOptions::default(), Arc::clone(&last_used));
    let api = Api::new(services);
    // And ends here.
    Ok(Keyward {
        environment,
        last_used,
        api,
    })
}
