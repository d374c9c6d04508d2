use std::fmt::Write as _;

use keyward_pipelit::{Finding, Report};
use serde_json::json;

use crate::cli::Output;
use crate::exit::Failure;
use crate::terminal;

/// Prints what is done with each row.
pub(super) fn report(report: &Report, output: Output) -> Result<(), Failure> {
    terminal::print(&match output {
        Output::Json => json!(report).to_string() + "\n",
        Output::Text => as_text(report),
    })
}

// Writing to a string cannot fail.
fn as_text(report: &Report) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{:13}  {:>8}  {:>8}  {:>8}  {:>13}  {:>8}  {:>8}",
        "TABLE", "READ", "IMPORTED", "REPAIRED", "ALREADY THERE", "LEFT OUT", "REFUSED"
    );
    for table in &report.tables {
        let _ = writeln!(
            text,
            "{:13}  {:>8}  {:>8}  {:>8}  {:>13}  {:>8}  {:>8}",
            table.table,
            table.read,
            table.imported,
            table.repaired,
            table.already_there,
            table.left_out,
            table.refused
        );
    }
    findings(&mut text, "Refused", &report.refused);
    findings(&mut text, "Repaired", &report.repaired);
    findings(&mut text, "Left out", &report.left_out);
    findings(&mut text, "Worth a look", &report.warnings);
    if !report.advice.is_empty() {
        text.push_str("\nThen:\n");
    }
    for advice in &report.advice {
        let _ = writeln!(text, "  {advice}");
    }
    text
}

fn findings(text: &mut String, title: &str, findings: &[Finding]) {
    if findings.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{title}:");
    for finding in findings {
        let Finding {
            table,
            id,
            code,
            text: what,
        } = finding;
        let _ = writeln!(text, "  {table} {id}  {what} [{code}]");
    }
}
