//! The clients of other services, unmodified, through the broker of a real server.
//!
//! Their services are fakes that write down every byte that they get, and between the clients and
//! the server stands a tap that writes down every byte of both directions.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy knows test functions, but not what they share"
)]

#[path = "../running/mod.rs"]
mod running;
#[path = "../canary/scanner.rs"]
mod scanner;

mod anthropic;
mod fake;
mod git;
mod hang_up;
mod https;
mod limits;
mod openai;
mod page;
mod programs;
mod proxied;
mod sdk;
mod tap;
mod watched;
