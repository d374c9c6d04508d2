//! Keyward's tools for agents, over the Model Context Protocol (streamable HTTP, stateless).
//!
//! [`McpServer`] answers one message of one caller, whose key was checked before. It knows no web
//! framework; `keyward-http` mounts it.
//!
//! No tool can return a stored secret. The services that open one are not among [`McpServices`],
//! the answers of other services come by a port that takes secrets out of them, and what a tool
//! gives back is serialised, which no secret type of Keyward can be. Two tools
//! show what the caller has asked for, and what nobody can see again: the key of an agent that it
//! makes, and its own one-time code.

mod failure;
mod server;
mod services;
mod tool;
mod tools;
mod use_credential;

pub use server::{McpAnswer, McpServer, PLACES};
pub use services::McpServices;

/// Runs the example of README.md.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
