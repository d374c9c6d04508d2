//! What the server does when its surroundings fail or its clients are too many: it says so, in time, and is well again
//! by itself.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy knows test functions, but not what they share"
)]

#[path = "../running/mod.rs"]
mod running;

#[path = "../e2e/together.rs"]
#[allow(dead_code, reason = "not every test needs everything")]
mod together;

#[cfg(target_os = "linux")]
mod crowd;
mod database;
#[cfg(target_os = "linux")]
mod disk;
mod locks;
mod overload;
mod proxy;
mod stop;
mod traffic;
