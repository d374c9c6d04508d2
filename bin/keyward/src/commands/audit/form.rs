//! How an exported event is written.

use keyward_audit::Record;
use serde_json::{Value, json};

/// An object in a line, as the API shows it, with the MAC that ties it to the event before.
pub(super) fn json(record: &Record) -> String {
    let fields = &record.fields;
    let details = serde_json::from_str::<Value>(&fields.details);
    let event = json!({
        "seq": fields.seq,
        "at": fields.at,
        "actor": { "kind": fields.actor_kind, "id": fields.actor_id, "key_id": fields.actor_key },
        "action": fields.action,
        "subject": { "kind": fields.subject_kind, "id": fields.subject_id },
        // A row that somebody broke is still exported; `keyward audit verify` names it.
        "details": details.unwrap_or_default(),
        "request_id": fields.request,
        "mac": record.mac.as_stored(),
    });
    event.to_string() + "\n"
}

pub(super) const CSV_HEADING: &str = "seq,at,actor_kind,actor_id,actor_key_id,action,\
    subject_kind,subject_id,details,request_id,mac\r\n";

/// A row (RFC 4180).
pub(super) fn csv(record: &Record) -> String {
    let fields = &record.fields;
    let none = String::new();
    let row = [
        &fields.seq.to_string(),
        &fields.at.to_string(),
        &fields.actor_kind,
        fields.actor_id.as_ref().unwrap_or(&none),
        fields.actor_key.as_ref().unwrap_or(&none),
        &fields.action,
        &fields.subject_kind,
        &fields.subject_id,
        &fields.details,
        fields.request.as_ref().unwrap_or(&none),
        &record.mac.as_stored().clone(),
    ];
    let cells: Vec<_> = row.into_iter().map(|text| cell(text)).collect();
    cells.join(",") + "\r\n"
}

/// A cell that no spreadsheet takes for a formula: somebody may have chosen a name that begins like
/// one.
fn cell(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        "'"
    } else {
        ""
    };
    let text = text.replace('"', "\"\"");
    format!("\"{guard}{text}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_quoted_and_never_a_formula() {
        for (text, written) in [
            ("plain", "\"plain\""),
            ("", "\"\""),
            ("a \"b\", c\r\nd", "\"a \"\"b\"\", c\r\nd\""),
            ("=1+1", "\"'=1+1\""),
            ("+1", "\"'+1\""),
            ("-1", "\"'-1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("\t=1", "\"'\t=1\""),
            ("a=1", "\"a=1\""),
        ] {
            assert_eq!(cell(text), written);
        }
    }
}
