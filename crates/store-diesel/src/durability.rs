use keyward_core::StoreError;

use crate::DieselStore;
use crate::connection::{Access, AnyConnection};

/// What the database says about keeping what was committed, for `keyward doctor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DurabilityReport {
    /// `SQLite` or `PostgreSQL`.
    pub backend: &'static str,
    /// Settings and their values, by name, as the database shows them; among them
    /// `server_version`.
    pub settings: Vec<(String, String)>,
    /// What is wrong: settings that can lose or damage committed changes when the machine stops.
    /// Empty is good.
    pub weaknesses: Vec<&'static str>,
}

impl DieselStore {
    /// Asks the database how durable its transactions are.
    pub fn durability_report(&self) -> Result<DurabilityReport, StoreError> {
        let mut tx = self.open(Access::Read)?;
        tx.run(|connection| match connection {
            #[cfg(feature = "sqlite")]
            AnyConnection::Sqlite(inner) => {
                crate::sqlite::durability(inner).map(|settings| report("SQLite", settings))
            }
            #[cfg(feature = "postgres")]
            AnyConnection::Postgres(inner) => {
                crate::postgres::durability(inner).map(|settings| report("PostgreSQL", settings))
            }
        })
    }
}

fn report(backend: &'static str, settings: Vec<(String, String)>) -> DurabilityReport {
    let has = |name: &str, value: &str| settings.iter().any(|(n, v)| n == name && v == value);
    let weaknesses = WEAK
        .iter()
        .filter(|(name, value, _)| has(name, value))
        .map(|(_, _, weakness)| *weakness)
        .collect();
    DurabilityReport {
        backend,
        settings,
        weaknesses,
    }
}

/// Those that would end the connection at once (see `settings.rs` of each database) are missing.
const WEAK: &[(&str, &str, &str)] = &[
    (
        "fsync",
        "off",
        "fsync is off: a crash of the machine can damage the database",
    ),
    (
        "full_page_writes",
        "off",
        "full_page_writes is off: a crash of the machine can damage the database",
    ),
    (
        "synchronous_commit",
        "local",
        "synchronous_commit is local: a standby that takes over can lack committed changes",
    ),
    (
        "synchronous_commit",
        "remote_write",
        "synchronous_commit is remote_write: a standby that takes over can lack committed changes",
    ),
];
