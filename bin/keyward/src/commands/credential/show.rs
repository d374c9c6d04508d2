use std::fmt::Write as _;

use keyward_credentials::{CredentialView, FieldView, Mask};
use serde_json::json;

use crate::cli::Output;

/// The credentials, oldest first.
pub(super) fn list(credentials: &[CredentialView], output: Output) -> String {
    match output {
        Output::Json => json!({ "items": credentials }).to_string() + "\n",
        Output::Text => table(credentials),
    }
}

/// The names stand last: how wide they are depends on script and terminal.
fn table(credentials: &[CredentialView]) -> String {
    let mut text = String::new();
    let mut row = |[id, kind, created, secrets, name]: [&str; 5]| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{id:36}  {kind:7}  {created:20}  {secrets:7}  {name}");
    };
    row(["ID", "TYPE", "CREATED", "SECRETS", "NAME"]);
    for credential in credentials {
        row([
            &credential.id.to_string(),
            &credential.credential_type,
            &credential.created_at.to_string(),
            &secrets(credential),
            &credential.name,
        ]);
    }
    text
}

/// How many there are, and how many of them cannot be opened.
fn secrets(credential: &CredentialView) -> String {
    let masks: Vec<&Mask> = credential
        .detail
        .values()
        .flat_map(|field| match field {
            FieldView::Open(_) => Vec::new(),
            FieldView::Secret(mask) => vec![mask],
            FieldView::Map(masks) => masks.values().collect(),
        })
        .filter(|mask| mask.set)
        .collect();
    match masks.iter().filter(|mask| mask.unreadable).count() {
        0 => masks.len().to_string(),
        lost => format!("{} ({lost} unreadable)", masks.len()),
    }
}
