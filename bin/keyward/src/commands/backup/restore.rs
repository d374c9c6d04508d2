use keyward_backup::{Restore, VerifyBackup};

use super::arguments::RestoreArgs;
use super::open::{self, Opening};
use super::progress::Progress;
use super::refusal::not_restored;
use super::scratch::Scratch;
use super::{show, verify};
use crate::cli::Output;
use crate::exit::{Exit, Failure};
use crate::settings::Settings;
use crate::wiring::Installation;

/// `keyward backup restore`: first everything is proven elsewhere, then it is done in one
/// transaction.
pub(super) fn restore(
    settings: &Settings,
    args: &RestoreArgs,
    output: Output,
) -> Result<Exit, Failure> {
    let opening = Opening::of(&args.open)?;
    let installation = Installation::open_to_restore(settings)?;
    let scratch = Scratch::new()?;
    let service = VerifyBackup::new(scratch.environment(settings)?);
    let verified = verify::prove(&service, &args.open, &opening, output)?;
    if !verified.findings().is_empty() {
        show::verified(&args.open.file, &verified, output)?;
    }
    let mut progress = Progress::new("restored", output);
    let restored = Restore::new(installation.environment()).restore(
        open::file(&args.open)?,
        &opening.identities,
        &verified,
        args.replace,
        &mut |done, total| progress.is_at(done, total),
    );
    progress.finish();
    let restored = restored.map_err(|error| not_restored(&error))?;
    show::restored(installation.store.url(), &restored, output)?;
    Ok(Exit::Done)
}
