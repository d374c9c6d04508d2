//! The checklist: `keyward doctor`, and what production demands before it starts.
//!
//! A check has a stable id, which dashboards and scripts rely on; never rename or reuse one.

mod check;
mod checklist;
mod database;
mod exposure;
mod keys;
mod safekeeping;
mod sarif;
mod stored;
mod table;

use std::io;

use crate::cli::{Output, ReportFormat};
use crate::exit::{Exit, Failure};
use crate::settings::Settings;
use crate::terminal;

use self::checklist::Checklist;

/// Every check that needs no database. Nothing is changed or created.
pub(crate) fn preflight(settings: &Settings) -> Checklist {
    let mut checklist = Checklist::new(settings.mode);
    checklist.extend(keys::checks(settings));
    checklist.extend(exposure::checks(settings));
    checklist.extend(database::checks(settings));
    checklist
}

/// The checks of a database that production is about to serve.
pub(crate) fn of_database(settings: &Settings) -> Checklist {
    let mut checklist = Checklist::new(settings.mode);
    checklist.extend(stored::quick_checks(settings));
    checklist
}

/// Prints the checklist. The exit code tells the worst outcome.
pub(crate) fn run(
    settings: &Settings,
    format: Option<ReportFormat>,
    output: Output,
) -> Result<Exit, Failure> {
    let mut checklist = preflight(settings);
    checklist.extend(stored::checks(settings));
    let format = format.unwrap_or(match output {
        Output::Text => ReportFormat::Table,
        Output::Json => ReportFormat::Json,
    });
    let text = match format {
        ReportFormat::Table => table::render(&checklist, terminal::colours(&io::stdout())),
        ReportFormat::Json => pretty(&checklist.report())?,
        ReportFormat::Sarif => pretty(&sarif::log(&checklist))?,
    };
    terminal::print(&text)?;
    Ok(checklist.exit())
}

fn pretty(value: &impl serde::Serialize) -> Result<String, Failure> {
    serde_json::to_string_pretty(value)
        .map(|json| json + "\n")
        .map_err(Failure::unavailable)
}
