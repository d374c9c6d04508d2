use std::fmt::Write as _;

use keyward_crypto::KeyId;
use keyward_encryption::{KeyState, ManageEncryption, Status};
use keyward_store_diesel::DieselStore;
use serde_json::json;

use crate::cli::Output;
use crate::exit::{Exit, Failure};
use crate::terminal;
use crate::wiring::broken;

/// Prints every key, and what is sealed under which. Ends with 1 where a value does not open.
pub(super) fn status(
    encryption: &ManageEncryption<DieselStore>,
    output: Output,
) -> Result<Exit, Failure> {
    let status = encryption.status().map_err(|error| broken(&error))?;
    terminal::print(&match output {
        Output::Json => as_json(&status).to_string() + "\n",
        Output::Text => as_text(&status),
    })?;
    let mut counted = status.columns.iter().flat_map(|column| &column.keyed);
    Ok(if counted.any(|keyed| !keyed.sample_opens) {
        Exit::Warnings
    } else {
        Exit::Done
    })
}

/// Prints how far re-encryption is.
pub(super) fn rotation(status: &Status, output: Output) -> Result<Exit, Failure> {
    let state = status.rotation.as_str();
    let text = match output {
        Output::Json => {
            json!({ "state": state, "done": status.done, "total": status.total }).to_string() + "\n"
        }
        Output::Text => format!(
            "re-encryption is {state}: {} of {} values moved, {} left\n",
            status.done,
            status.total,
            status.left()
        ),
    };
    terminal::print(&text)?;
    Ok(Exit::Done)
}

/// Prints that a key is in another state now.
pub(super) fn done(output: Output, state: &str, kid: KeyId, text: &str) -> Result<Exit, Failure> {
    match output {
        Output::Json => {
            let line = json!({ "kid": kid.as_str(), "state": state });
            terminal::print(&(line.to_string() + "\n"))?;
        }
        Output::Text => terminal::print(text)?,
    }
    Ok(Exit::Done)
}

fn name(state: Option<KeyState>) -> &'static str {
    state.map_or("unknown", KeyState::as_str)
}

fn as_text(status: &Status) -> String {
    let mut text = String::from("KEY               STATE         VALUES      HERE\n");
    for key in &status.keys {
        let here = if key.is_held { "yes" } else { "MISSING" };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{}  {:<12}  {:<10}  {here}",
            key.kid,
            name(key.state),
            key.rows
        );
    }
    text += "\nCOLUMN                       KEY               VALUES      A SAMPLE\n";
    for column in &status.columns {
        let place = format!("{}.{}", column.column.table(), column.column.column());
        for keyed in &column.keyed {
            let kid = keyed
                .kid
                .map_or_else(|| "none".to_owned(), |kid| kid.to_string());
            let opens = if keyed.sample_opens {
                "opens"
            } else {
                "DOES NOT OPEN"
            };
            let _ = writeln!(text, "{place:<27}  {kid:<16}  {:<10}  {opens}", keyed.rows);
        }
    }
    let _ = writeln!(
        text,
        "\nre-encryption is {}; {} values are under other keys than the active one",
        status.rotation.as_str(),
        status.left()
    );
    text
}

fn as_json(status: &Status) -> serde_json::Value {
    let keys: Vec<_> = status
        .keys
        .iter()
        .map(|key| {
            json!({
                "kid": key.kid.as_str(),
                "state": name(key.state),
                "rows": key.rows,
                "held": key.is_held,
            })
        })
        .collect();
    let columns: Vec<_> = status
        .columns
        .iter()
        .flat_map(|column| column.keyed.iter().map(move |keyed| (column.column, keyed)))
        .map(|(column, keyed)| {
            json!({
                "table": column.table(),
                "column": column.column(),
                "kid": keyed.kid.map(|kid| kid.to_string()),
                "rows": keyed.rows,
                "sample_opens": keyed.sample_opens,
            })
        })
        .collect();
    json!({
        "state": status.rotation.as_str(),
        "active_kid": status.active.map(|kid| kid.to_string()),
        "keys": keys,
        "columns": columns,
        "done": status.done,
        "total": status.total,
    })
}
