//! What somebody does with Keyward, from an empty folder on, with the real binary.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy knows test functions, but not what they share"
)]

#[path = "../canary/echo.rs"]
mod echo;
#[path = "../running/mod.rs"]
mod running;

mod agents;
mod backup;
mod broker_nodes;
mod clock;
mod codes;
mod commands;
mod first_start;
mod forged_lines;
mod health;
mod killed_between;
mod mcp;
#[cfg(target_os = "linux")]
mod memory;
mod one_code;
mod origins;
mod pressure;
mod production;
mod proxies;
mod recovery_kit;
mod redis;
mod revocation;
mod secret_rotation;
mod shown_once;
mod slow;
mod sockets;
mod stop;
mod story;
mod tls;
mod together;
mod two_nodes;
mod watching;
