//! The commands that work on the database, one file each.

mod agent;
mod audit;
mod backup;
mod env;
mod health;
mod import;
mod init;
mod keys;
mod migrate;
mod openapi;
mod password;
mod serve;
mod user;

pub(crate) use self::agent::{AgentCommand, agent};
pub(crate) use self::audit::{audit_anchor, audit_verify};
pub(crate) use self::backup::{BackupCommand, backup};
pub(crate) use self::env::{EnvArgs, env};
pub(crate) use self::health::{HealthArgs, health};
pub(crate) use self::import::{ImportCommand, import};
pub(crate) use self::init::init;
pub(crate) use self::keys::keys;
pub(crate) use self::migrate::migrate;
pub(crate) use self::openapi::openapi;
pub(crate) use self::serve::serve;
pub(crate) use self::user::{UserCommand, user};
