//! `keyward backup`: what is kept outside, so that the loss of a machine is not the end.

mod arguments;
mod create;
mod identity;
mod key;
mod open;
mod progress;
mod refusal;
mod restore;
mod restore_key;
mod scratch;
mod sheets;
mod show;
mod verify;

pub(crate) use self::arguments::BackupCommand;

use crate::cli::Output;
use crate::exit::{Exit, Failure};
use crate::settings::Settings;

/// Does one of the commands, as the operator of the host.
pub(crate) fn backup(
    settings: impl FnOnce() -> Result<Settings, Failure>,
    command: &BackupCommand,
    output: Output,
) -> Result<Exit, Failure> {
    match command {
        // Needs no settings: identities are best made on another machine.
        BackupCommand::Identity { file } => identity::identity(file, output),
        BackupCommand::Create(args) => create::create(&settings()?, args, output),
        BackupCommand::Verify(args) => verify::verify(&settings()?, args, output),
        BackupCommand::Restore(args) => restore::restore(&settings()?, args, output),
        BackupCommand::Key(args) => key::key(&settings()?, args, output),
        // Needs no settings, which on a new machine are not there yet.
        BackupCommand::RestoreKey(args) => restore_key::restore_key(args, output),
    }
}
