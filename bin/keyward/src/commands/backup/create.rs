use std::fs;

use keyward_backup::{CreateBackup, CreateError, Created, Recipients};

use super::arguments::CreateArgs;
use super::progress::Progress;
use super::refusal::no_backup;
use super::show;
use crate::cli::Output;
use crate::commands::new_file::NewFile;
use crate::exit::{Exit, Failure};
use crate::settings::Settings;
use crate::terminal;
use crate::wiring::{Installation, broken};

/// `keyward backup create`: the file appears complete, or not at all.
pub(super) fn create(
    settings: &Settings,
    args: &CreateArgs,
    output: Output,
) -> Result<Exit, Failure> {
    let recipients = recipients(args)?;
    let file = NewFile::begin(&args.file)?;
    let installation = Installation::open_to_read(settings)?;
    let service = CreateBackup::new(installation.environment());
    let mut progress = Progress::new("written", output);

    let (created, out) = service
        .create(file.writer(), &recipients, &mut |done, total| {
            progress.is_at(done, total);
        })
        .map_err(|error| match error {
            CreateError::Write(error) => file.unwritable(&error),
            error => no_backup(&error),
        })?;
    file.finish(out)?;
    let bytes = file.keep()?;
    progress.finish();
    service.is_kept().map_err(|error| broken(&error))?;
    warn_of_strangers(&created);
    show::created(&args.file, bytes, &created, &recipients, output)?;
    Ok(Exit::Done)
}

fn recipients(args: &CreateArgs) -> Result<Recipients, Failure> {
    let mut text = args.recipients.join("\n");
    if let Some(path) = &args.recipients_file {
        let listed = fs::read_to_string(path).map_err(|error| {
            Failure::configuration(format!("cannot read {}: {error}", path.display()))
        })?;
        text = format!("{text}\n{listed}");
    }
    Recipients::parse(&text).map_err(Failure::configuration)
}

fn warn_of_strangers(created: &Created) {
    if !created.strangers.is_empty() {
        terminal::warn(&format!(
            "the database has tables that are not of Keyward and not in the backup: {}",
            created.strangers.join(", ")
        ));
    }
}
