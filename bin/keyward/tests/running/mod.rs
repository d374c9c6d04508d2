//! The real binary, running: what the end-to-end tests share.

#![allow(dead_code, unused_imports, reason = "not every test needs everything")]

pub(crate) mod app;
mod client;
mod home;
mod output;
mod server;
mod sql;

pub(crate) use client::{Answer, Client};
pub(crate) use home::{Home, Ran};
pub(crate) use server::{Left, Server};
pub(crate) use sql::Sql;

use std::time::{Duration, Instant};

/// Asks until there is an answer. The patience is for busy machines; nothing waits when it need not.
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
