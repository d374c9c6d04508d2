//! `keyward backup`: made, proven and restored on the host.

mod arguments;
mod create;
mod identity;
mod open;
mod progress;
mod refusal;
mod restore;
mod scratch;
mod show;
mod verify;

use crate::cli::Output;
use crate::exit::{Exit, Failure};
use crate::settings::Settings;

pub(crate) use self::arguments::BackupCommand;

/// Does one of the commands.
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
    }
}
