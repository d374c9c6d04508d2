//! Advice between nodes over Redis. Optional, and nothing is decided by it.
//!
//! [`Redis`] implements [`Advice`](keyward_auth::Advice): nodes tell each other whose attempts are limited,
//! so that a flood of them takes no lock of the database; they share the writing of times; and they
//! wake each other when keys have changed. Whoever asks checks what Redis says in the database, or
//! does the same a little later anyway. So a Redis that is gone, emptied, slow, or in the hands of
//! somebody else changes no answer.
//!
//! A caller waits 50 milliseconds at most, whatever hangs: one thread owns the connection, and callers
//! talk to it over a queue. After a failure nobody waits any more until that thread has found Redis
//! well again.
//!
//! Names in Redis are MACs, and values are all `1`: there is nothing in it to read.
//!
//! ```
//! use keyward_auth::{Advice as _, AdviceName};
//! use keyward_crypto::MacRing;
//! use keyward_redis::{Redis, RedisUrl};
//!
//! let url = RedisUrl::parse("redis://:a-password@127.0.0.1:1/0")?;
//! assert_eq!(url.label(), "redis://127.0.0.1:1/0");
//!
//! let redis = Redis::start(&url, "an-installation");
//! let macs = MacRing::parse(MacRing::generate_secret().expose())?;
//! // Nothing answers at port 1, and nothing is different from a node without Redis.
//! assert!(!redis.advice().is_limited(&[AdviceName::of(&macs, &[b"ada"])]));
//! assert!(!redis.is_well());
//! redis.stop();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod breaker;
mod client;
mod command;
mod link;
mod listener;
mod measure;
#[cfg(feature = "testing")]
pub mod testing;
mod thread;
mod url;
mod worker;

pub use client::Redis;
pub use link::{Unreachable, reach};
pub use measure::describe_metrics;
pub use url::{RedisUrl, RedisUrlError};

/// Runs the example of README.md.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
