//! Backups of real databases, restored into the other kind of database.

#![cfg(all(feature = "sqlite", feature = "postgres"))]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "these are tests"
)]

mod epoch;
mod kept;
mod old_schema;
mod refused;
#[path = "../support/mod.rs"]
mod support;
mod vault;
mod whole;
#[path = "../people/world.rs"]
#[allow(dead_code, reason = "this is shared with others")]
mod world;
