//! The commands that work on the database, one file each.

mod agent;
mod api_key;
mod audit;
mod backup;
mod credential;
mod env;
mod health;
mod import;
mod init;
mod keys;
mod man;
mod migrate;
mod new_file;
mod openapi;
mod password;
mod people;
mod serve;
mod settings;
mod user;

pub(crate) use self::agent::{AgentCommand, agent};
pub(crate) use self::api_key::{ApiKeyCommand, api_key};
pub(crate) use self::audit::{ExportArgs, audit_anchor, audit_export, audit_verify};
pub(crate) use self::backup::{BackupCommand, backup};
pub(crate) use self::credential::{CredentialCommand, credential};
pub(crate) use self::env::{EnvArgs, env};
pub(crate) use self::health::{HealthArgs, health};
pub(crate) use self::import::{ImportCommand, import};
pub(crate) use self::init::init;
pub(crate) use self::keys::keys;
pub(crate) use self::man::{ManArgs, man};
pub(crate) use self::migrate::migrate;
pub(crate) use self::openapi::openapi;
pub(crate) use self::serve::serve;
pub(crate) use self::settings::{ReferenceFormat, settings};
pub(crate) use self::user::{UserCommand, user};
