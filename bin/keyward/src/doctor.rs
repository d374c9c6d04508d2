//! The checklist: `keyward doctor`, and what production demands before it starts.
//!
//! A check has a stable id, which dashboards and scripts rely on; never rename or reuse one.

mod certificate;
mod check;
mod checklist;
mod clock;
mod database;
mod exposure;
mod keys;
mod people;
mod redis;
mod safekeeping;
mod sarif;
mod stored;
mod table;
mod waivers;

use std::io;

use keyward_core::{Clock as _, SystemClock};

use crate::cli::{Output, ReportFormat};
use crate::exit::{Exit, Failure};
use crate::settings::Settings;
use crate::terminal;

use self::checklist::Checklist;

/// Every check that needs no database. Nothing is changed or created.
pub(crate) fn preflight(settings: &Settings) -> Checklist {
    settled(settings, without_database(settings))
}

/// The checks of a database that production is about to serve.
pub(crate) fn of_database(settings: &Settings) -> Checklist {
    let mut checklist = Checklist::new(settings.mode);
    checklist.extend(stored::quick_checks(settings));
    settled(settings, checklist)
}

/// Every check but the reading of a long audit log.
pub(crate) fn while_serving(settings: &Settings) -> Checklist {
    let mut checklist = without_database(settings);
    checklist.extend([redis::reachable(settings)]);
    checklist.extend(stored::checks(settings, stored::Audit::IfShort));
    settled(settings, checklist)
}

fn without_database(settings: &Settings) -> Checklist {
    let mut checklist = Checklist::new(settings.mode);
    checklist.extend(keys::checks(settings));
    checklist.extend(exposure::checks(settings));
    checklist.extend([certificate::check(settings)]);
    checklist.extend(database::checks(settings));
    checklist.extend(redis::checks(settings));
    checklist
}

fn settled(settings: &Settings, checklist: Checklist) -> Checklist {
    checklist.waived(&settings.waivers, SystemClock.now())
}

/// Every rule that there is, in the order in which they are shown.
pub(crate) fn rules() -> impl Iterator<Item = check::Rule> {
    let before = keys::RULES.into_iter().chain(exposure::RULES);
    let before = before.chain(certificate::RULES).chain(database::RULES);
    before
        .chain(redis::RULES)
        .chain(stored::RULES)
        .chain(clock::RULES)
        .chain(people::RULES)
        .chain(safekeeping::RULES)
        .chain(waivers::RULES)
}

/// Prints the checklist. The exit code tells the worst outcome.
pub(crate) fn run(
    settings: &Settings,
    format: Option<ReportFormat>,
    output: Output,
) -> Result<Exit, Failure> {
    let mut checklist = without_database(settings);
    checklist.extend([redis::reachable(settings)]);
    checklist.extend(stored::checks(settings, stored::Audit::Whole));
    let checklist = settled(settings, checklist);
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
