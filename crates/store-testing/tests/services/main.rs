//! The services of the domain crates on a store in memory, with a clock that tests move.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on panics"
)]

mod agent_proofs;
mod agent_trees;
mod audit_chain;
mod audit_events;
mod authenticate;
mod changed_meanwhile;
mod code_limits;
mod encryption_keys;
mod flaky_store;
mod housekeeping;
mod keyed;
mod last_used;
mod logins;
mod manage_agents;
mod manage_keys;
mod manage_users;
mod meddled;
mod permit;
mod reencrypt;
mod second_factors;
mod secrets;
mod serving_node;
mod setup;
mod told;
mod world;
