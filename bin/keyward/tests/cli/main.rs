//! The real binary, in directories of its own and with an environment of its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy knows test functions, but not what they share"
)]

#[path = "../running/mod.rs"]
mod running;

mod agent;
mod api_key;
mod audit_export;
mod backup;
mod backup_key;
mod bad_productions;
mod credential;
mod doctor;
mod env;
mod keys;
mod man;
mod refusals;
mod sandbox;
mod shell;
mod user;
