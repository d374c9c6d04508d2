//! The contract of Keyward's storage ports as a test suite, and a store in memory that keeps it.
//!
//! An adapter proves itself by calling [`contract()`] from one of its tests. One that implements
//! only some of the repositories calls their parts: [`units_of_work()`], [`users()`],
//! [`api_keys()`], [`attempt_limits()`], [`second_factors()`], [`login_tickets()`],
//! [`idempotency()`], [`audit()`], [`credentials()`], [`encryption_keys()`], [`sealed_values()`]. Each
//! panics at the first promise that is broken, with a message that says what is wrong.
//!
//! ```
//! use keyward_store_testing::{MemoryStore, contract};
//!
//! // In a test of an adapter: `contract(MyStore::connect(url)?)`.
//! contract(MemoryStore::new());
//! ```
//!
//! All rows that the checks make are new, so they can run on a database with other data in it. It
//! must be a *test* database all the same: rows stay behind, signed with a key that is no secret,
//! [`users()`] disables other administrators for a moment, and [`encryption_keys()`] the active key.

#[cfg(test)]
mod broken_stores;
mod contract;
mod memory;

pub use contract::{
    agents, api_keys, attempt_limits, attempt_limits_of, audit, audit_with, contract, credentials,
    credentials_of, encryption_keys, idempotency, idempotency_of, kept_time, login_tickets,
    login_tickets_of, races, random_attempts_follow_the_rules, sealed_values, second_factors,
    second_factors_of, signed_rows, units_of_work, use_counts, used_proofs, users,
};
pub use memory::{MemoryStore, MemoryTx, Tampering};

/// Runs the example of README.md.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
