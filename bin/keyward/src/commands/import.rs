//! `keyward import`: takes over what another system keeps.

mod key_file;
mod show;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use keyward_core::with_causes;
use keyward_pipelit::{Imported, Mode, Source as _, SourceError, SourceRows};
use keyward_store_diesel::{DatabaseUrl, PipelitDatabase};

use crate::cli::Output;
use crate::exit::{Exit, Failure};
use crate::settings::Settings;
use crate::terminal;
use crate::wiring::{Installation, broken};

#[derive(Debug, Subcommand)]
pub(crate) enum ImportCommand {
    /// Users, API keys and credentials of Pipelit. Ends with 1 when a row is refused.
    #[command(
        after_help = "Examples:\n  keyward import pipelit --from sqlite:///srv/pipelit/pipelit.db --key-file /srv/pipelit/.env --dry-run\n  keyward import pipelit --from sqlite:///srv/pipelit/pipelit.db --key-file /srv/pipelit/.env"
    )]
    Pipelit(PipelitArgs),
}

/// What to import, and how much of it.
#[derive(Debug, Args)]
pub(crate) struct PipelitArgs {
    /// The database of Pipelit: `sqlite:///path` or `postgres://host/database`. It is not changed.
    #[arg(long, value_name = "URL")]
    from: String,

    /// The file with its `FIELD_ENCRYPTION_KEY`: one or several keys, or the .env of Pipelit.
    #[arg(long, value_name = "FILE")]
    key_file: PathBuf,

    /// Print what would be done with each row, and write nothing.
    #[arg(long)]
    dry_run: bool,

    /// Write what can be imported although some rows are refused.
    #[arg(long)]
    partial: bool,
}

impl PipelitArgs {
    fn mode(&self) -> Mode {
        match (self.dry_run, self.partial) {
            (true, _) => Mode::DryRun,
            (false, true) => Mode::Partial,
            (false, false) => Mode::Whole,
        }
    }
}

/// Imports, and prints a report.
pub(crate) fn import(
    settings: impl FnOnce() -> Result<Settings, Failure>,
    ImportCommand::Pipelit(args): &ImportCommand,
    output: Output,
) -> Result<Exit, Failure> {
    let url = source_url(&args.from)?;
    let keys = key_file::read(&args.key_file)?;
    let settings = settings()?;
    let rows = read(&url)?;
    // What changes nothing must not migrate, either.
    let installation = match args.mode() {
        Mode::DryRun => Installation::open_to_read(&settings)?,
        Mode::Whole | Mode::Partial => Installation::open(&settings)?,
    };
    let service = installation.import_pipelit(keys);
    let done = service.run(&rows, args.mode());
    let done = done.map_err(|error| broken(&error))?;
    show::report(&done.report, output)?;
    Ok(conclude(args.mode(), &done))
}

/// Says what was written, beside the report, which is the same for a dry run.
fn conclude(mode: Mode, done: &Imported) -> Exit {
    let refused = done.report.refused.len();
    let said = match (mode, done.written) {
        (Mode::DryRun, _) => "nothing was written, because of --dry-run".to_owned(),
        (_, true) => "the import is written".to_owned(),
        (Mode::Whole, false) if refused > 0 => format!(
            "nothing was written, because {refused} rows are refused; put them right in Pipelit, or \
             import the others with --partial"
        ),
        (_, false) => "nothing was written, because there is nothing new".to_owned(),
    };
    terminal::note(&said);
    match (refused, mode) {
        (0, _) => Exit::Done,
        (_, Mode::Whole) => Exit::Refused,
        (_, Mode::DryRun | Mode::Partial) => Exit::Warnings,
    }
}

fn source_url(text: &str) -> Result<DatabaseUrl, Failure> {
    if has_password(text) {
        return Err(Failure::configuration(
            "--from: other users see the password in the process list; leave it out of the URL and \
             put it into the file ~/.pgpass, or into one that PGPASSFILE names",
        ));
    }
    DatabaseUrl::parse(text).map_err(|error| Failure::configuration(format!("--from: {error}")))
}

/// Whether a URL of PostgreSQL holds a password.
fn has_password(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else {
        return false;
    };
    let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
    let login = address.rsplit_once('@').map_or("", |(login, _)| login);
    let in_query = query.split('&').any(|pair| pair.starts_with("password="));
    scheme.starts_with("postgres") && (login.contains(':') || in_query)
}

fn read(url: &DatabaseUrl) -> Result<SourceRows, Failure> {
    let rows = PipelitDatabase::new(url.clone()).rows();
    rows.map_err(|error| {
        let text = format!("--from {}: {}", url.label(), with_causes(&error));
        match error {
            SourceError::NotPipelit(_) => Failure::configuration(text),
            _ => Failure::unavailable(text),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_urls_are_noticed() {
        for url in [
            "postgres://ada:secret@localhost/pipelit",
            "postgresql://ada:@localhost/pipelit",
            "postgres://localhost/pipelit?password=secret",
            "postgres://localhost/pipelit?user=ada&password=secret",
        ] {
            assert!(has_password(url), "{url}");
        }
        for url in [
            "postgres://ada@localhost:5432/pipelit",
            "postgres:///pipelit?passfile=/etc/pass&host=/run",
            "sqlite:///home/a:b@c/pipelit.db",
            "pipelit.db",
        ] {
            assert!(!has_password(url), "{url}");
        }
    }
}
