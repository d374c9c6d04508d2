//! Keyward's storage on SQLite and PostgreSQL, by Diesel.
//!
//! [`DieselStore`] implements [`Store`](keyward_core::Store); inside a unit of work [`DieselTx`]
//! is every repository of the domain crates. Queries are written once and run on both databases.
//!
//! ```
//! use keyward_auth::Users as _;
//! use keyward_core::{Store as _, StoreError};
//! use keyward_store_diesel::{DatabaseUrl, DieselStore, Options};
//!
//! # #[cfg(not(feature = "sqlite"))]
//! # fn main() {}
//! # #[cfg(feature = "sqlite")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let url = format!("sqlite://{}", folder.path().join("keyward.db").display());
//! let store = DieselStore::connect(&DatabaseUrl::parse(&url)?, Options::default())?;
//! store.migrate()?;
//! assert!(!store.read(|tx| tx.any_user())?);
//! # Ok::<(), StoreError>(())?; Ok(())
//! # }
//! ```
//!
//! # Promises to operators
//!
//! - What a committed unit of work wrote survives a crash of the machine: SQLite runs with
//!   `synchronous=FULL`, and PostgreSQL with `synchronous_commit=off` is refused.
//! - A SQLite file that Keyward creates can be read by its owner only.
//! - PostgreSQL over a network is encrypted, or the URL is refused.
//! - Nothing touches the database before [`DieselStore::migrate`]; what must be known before, such
//!   as [`DieselStore::encryption_keys_before_migration`], is read without changing a byte.

#![expect(clippy::ref_option_ref, reason = "diesel derives it")]
#![cfg_attr(
    not(all(feature = "sqlite", feature = "postgres")),
    allow(
        clippy::unnecessary_wraps,
        reason = "what can fail on one database cannot always on the other"
    )
)]

#[cfg(not(any(feature = "sqlite", feature = "postgres")))]
compile_error!("enable `sqlite`, or one of `pg-bundled`, `pg-bundled-tls` and `pg-system`");

mod agents;
mod api_keys;
mod attempts;
mod audit;
mod backup;
mod connection;
mod credentials;
mod durability;
mod encryption;
mod factors;
mod failure;
mod first;
mod idempotency;
mod inspect;
mod kept_time;
mod migrate;
mod pipelit;
mod pools;
#[cfg(feature = "postgres")]
mod postgres;
mod proofs;
mod safekeeping;
mod schema;
mod sealed;
mod signed;
#[cfg(feature = "sqlite")]
mod sqlite;
mod store;
mod stored;
#[cfg(feature = "testing")]
pub mod testing;
mod tickets;
mod url;
mod users;
mod uses;
mod waits;

pub use durability::DurabilityReport;
pub use failure::ConnectError;
pub use migrate::{MigrateError, MigrationReport};
pub use pipelit::PipelitDatabase;
pub use store::{DieselStore, DieselTx, Options, PoolState};
pub use url::{DatabaseUrl, DatabaseUrlError};

/// Runs the example of README.md.
#[cfg(all(doctest, feature = "sqlite"))]
#[doc = include_str!("../README.md")]
struct Readme;
