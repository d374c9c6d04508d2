//! The HTTP API as its clients see it: one file a resource, and files for what all routes share.
//!
//! Everything runs against [`world::World`]. What decides in the storage (races, pages, all or
//! nothing) runs on every storage there is, by `World::on_every_store`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "tests and their helpers panic to fail"
)]

mod access;
mod agents;
mod audit;
mod broker_rules;
mod calls;
mod checklist;
mod clock;
mod codes;
mod contract;
mod coverage;
mod credential_fields;
mod credentials;
mod edge;
mod encryption;
mod idempotency;
mod isolation;
mod keys;
mod limits;
mod login;
mod mass_assignment;
mod me;
mod metrics;
mod mfa;
mod passwords;
mod peers;
mod problems;
mod proofs;
mod races;
mod reads;
mod relay;
mod sessions;
mod step_up;
mod tickets;
mod users;
mod world;
