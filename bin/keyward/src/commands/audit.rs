mod export;
mod form;

use keyward_audit::{Anchor, Verification};
use serde_json::json;

use crate::cli::Output;
use crate::exit::{Exit, Failure};
use crate::settings::Settings;
use crate::terminal;
use crate::wiring::{Installation, broken};

pub(crate) use self::export::{ExportArgs, audit_export};

/// `keyward audit verify`: checks the whole chain; ends with 1 when something does not fit.
pub(crate) fn audit_verify(
    settings: &Settings,
    anchor: Option<&str>,
    output: Output,
) -> Result<Exit, Failure> {
    let anchor = anchor
        .map(str::parse::<Anchor>)
        .transpose()
        .map_err(Failure::configuration)?;
    let found = Installation::open_to_read(settings)?
        .verify_audit()
        .verify(anchor.as_ref())
        .map_err(|error| broken(&error))?;
    terminal::print(&report(&found, output))?;
    Ok(if found.findings.is_empty() {
        Exit::Done
    } else {
        Exit::Warnings
    })
}

/// `keyward audit anchor`: prints the end of the chain.
pub(crate) fn audit_anchor(settings: &Settings, output: Output) -> Result<Exit, Failure> {
    let anchor = Installation::open_to_read(settings)?
        .verify_audit()
        .anchor()
        .map_err(|error| broken(&error))?
        .map(|anchor| anchor.to_string());
    let text = match (output, anchor) {
        (Output::Json, anchor) => json!({ "anchor": anchor }).to_string(),
        (Output::Text, Some(anchor)) => anchor,
        (Output::Text, None) => {
            return Err(Failure::unavailable(
                "the audit log is empty; there is no end to print yet",
            ));
        }
    };
    terminal::print(&(text + "\n"))?;
    Ok(Exit::Done)
}

fn report(found: &Verification, output: Output) -> String {
    let findings: Vec<_> = found.findings.iter().map(ToString::to_string).collect();
    match output {
        Output::Json => {
            let report = json!({
                "intact": findings.is_empty(),
                "events": found.events,
                "findings": findings,
            });
            report.to_string() + "\n"
        }
        Output::Text if findings.is_empty() => {
            format!("the audit log is intact: {} events\n", found.events)
        }
        Output::Text => format!(
            "the audit log is NOT intact ({} events):\n  {}\n",
            found.events,
            findings.join("\n  ")
        ),
    }
}
