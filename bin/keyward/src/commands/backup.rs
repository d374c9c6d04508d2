//! `keyward backup`: what is kept outside, so that the loss of a machine is not the end.

mod arguments;
mod key;
mod restore_key;
mod sheets;

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
        BackupCommand::Key(args) => key::key(&settings()?, args, output),
        // Needs no settings, which on a new machine are not there yet.
        BackupCommand::RestoreKey(args) => restore_key::restore_key(args, output),
    }
}
