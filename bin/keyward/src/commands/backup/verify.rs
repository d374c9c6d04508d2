use keyward_backup::{Verified, VerifyBackup};
use keyward_store_diesel::DieselStore;

use super::arguments::OpenArgs;
use super::open::{self, Opening};
use super::progress::Progress;
use super::refusal::not_verified;
use super::scratch::Scratch;
use super::show;
use crate::cli::Output;
use crate::exit::{Exit, Failure};
use crate::settings::Settings;

/// `keyward backup verify`: needs the keys and the backup, and no database.
pub(super) fn verify(
    settings: &Settings,
    args: &OpenArgs,
    output: Output,
) -> Result<Exit, Failure> {
    let opening = Opening::of(args)?;
    let scratch = Scratch::new()?;
    let service = VerifyBackup::new(scratch.environment(settings)?);
    let verified = prove(&service, args, &opening, output)?;
    show::verified(&args.file, &verified, output)?;
    Ok(if verified.findings().is_empty() {
        Exit::Done
    } else {
        Exit::Warnings
    })
}

/// Verifies a backup, for `verify` and before `restore`.
pub(super) fn prove(
    service: &VerifyBackup<DieselStore>,
    args: &OpenArgs,
    opening: &Opening,
    output: Output,
) -> Result<Verified, Failure> {
    let mut progress = Progress::new("verified", output);
    let verified = service.verify(
        open::file(args)?,
        &opening.identities,
        opening.anchor.as_ref(),
        &mut |done, total| progress.is_at(done, total),
    );
    progress.finish();
    verified.map_err(|error| not_verified(&error))
}
