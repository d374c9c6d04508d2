//! Imports a database of Pipelit, an agent workflow platform: its users, API keys and credentials.
//!
//! [`ImportPipelit`] takes what a [`Source`] has read and writes all of it, or nothing, in one
//! transaction. What somebody used before goes on working: keys, passwords, authenticator apps. What
//! cannot be taken over is refused, row by row, and the [`Report`] says why.
//!
//! A row that was imported before is left as it is, so an import can be repeated.
//! `docs/import-pipelit.md` is the page for operators.

mod agents;
mod credentials;
mod details;
mod import;
mod keys;
mod names;
mod opened;
mod pass;
mod people;
mod reason;
mod repair;
mod report;
mod rows;
mod source;
mod warning;
mod when;
mod workspaces;

pub use import::{ImportPipelit, ImportTx, Imported, Mode};
pub use reason::Reason;
pub use repair::Repair;
pub use report::{Finding, Report, TableReport};
pub use rows::{
    CredentialRow, GatewayRow, GitRow, KeyRow, LlmRow, SourceRows, TelegramRow, ToolRow, UserRow,
    WorkspaceRow,
};
pub use source::{Source, SourceError};
pub use warning::Warning;

/// Runs the example of README.md.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
