//! People, their factors and their keys, when many ask at the same time.
//!
//! `KEYWARD_RACE_ROUNDS` multiplies the rounds.

#![cfg(all(feature = "sqlite", feature = "postgres"))]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "these are tests"
)]

mod admins;
mod advice;
mod codes;
mod keys;
mod mixed;
#[path = "../support/mod.rs"]
mod support;
mod world;
