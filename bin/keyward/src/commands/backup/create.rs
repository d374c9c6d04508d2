use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Write as _};
use std::path::Path;

use keyward_backup::{CreateBackup, CreateError, Created, Recipients};
use tempfile::NamedTempFile;

use super::arguments::CreateArgs;
use super::progress::Progress;
use super::refusal::no_backup;
use super::show;
use crate::cli::Output;
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
    refuse_existing(&args.file)?;
    let installation = Installation::open_to_read(settings)?;
    let service = CreateBackup::new(installation.environment());
    let mut progress = Progress::new("written", output);

    let unwritten = |error: &io::Error| unwritable(&args.file, error);
    let draft = draft(&args.file).map_err(|error| unwritten(&error))?;
    let (created, out) = service
        .create(
            BufWriter::new(draft.as_file()),
            &recipients,
            &mut |done, total| progress.is_at(done, total),
        )
        .map_err(|error| match error {
            CreateError::Write(error) => unwritten(&error),
            error => no_backup(&error),
        })?;
    finish(out).map_err(|error| unwritten(&error))?;
    let bytes = keep(draft, &args.file)?;
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

fn refuse_existing(file: &Path) -> Result<(), Failure> {
    if fs::symlink_metadata(file).is_ok() {
        return Err(exists(file));
    }
    Ok(())
}

fn exists(file: &Path) -> Failure {
    Failure::refused(format!(
        "{} exists and is not overwritten; choose another name",
        file.display()
    ))
}

/// Mode 0600, in the folder where it will be, and removed unless it is kept.
fn draft(file: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new()
        .prefix(".keyward-backup-")
        .tempfile_in(folder_of(file))
}

fn folder_of(file: &Path) -> &Path {
    let parent = file
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

fn finish(mut out: BufWriter<&File>) -> io::Result<()> {
    out.flush()?;
    out.get_ref().sync_all()
}

/// Gives the draft its name, and says how long it is.
fn keep(draft: NamedTempFile, file: &Path) -> Result<u64, Failure> {
    let kept = draft.persist_noclobber(file).map_err(|error| {
        if error.error.kind() == ErrorKind::AlreadyExists {
            exists(file)
        } else {
            unwritable(file, &error.error)
        }
    })?;
    let folder = File::open(folder_of(file)).and_then(|folder| folder.sync_all());
    let bytes = folder.and_then(|()| kept.metadata());
    Ok(bytes.map_err(|error| unwritable(file, &error))?.len())
}

fn unwritable(file: &Path, error: &io::Error) -> Failure {
    Failure::unavailable(format!("cannot write {}: {error}", file.display()))
}

fn warn_of_strangers(created: &Created) {
    if !created.strangers.is_empty() {
        terminal::warn(&format!(
            "the database has tables that are not of Keyward and not in the backup: {}",
            created.strangers.join(", ")
        ));
    }
}
