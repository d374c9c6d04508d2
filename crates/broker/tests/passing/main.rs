//! Requests through a broker to services of all kinds.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod callers;
mod injected;
mod recorded;
mod refused;
mod scrubbed;
mod stored;
mod streamed;
mod upstream;
mod world;
