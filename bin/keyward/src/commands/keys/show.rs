use keyward_crypto::KeyId;
use keyward_encryption::{KeyState, KeyStatus, ManageEncryption, Status};
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
    let mut lines = table_of_keys("KEY", "VALUES", &status.keys);
    lines.push("\nCOLUMN                       KEY               VALUES      A SAMPLE".to_owned());
    for column in &status.columns {
        let place = format!("{}.{}", column.column.table(), column.column.column());
        lines.extend(column.keyed.iter().map(|keyed| {
            let opens = if keyed.sample_opens {
                "opens"
            } else {
                "DOES NOT OPEN"
            };
            let (kid, rows) = (id(keyed.kid), keyed.rows);
            format!("{place:<27}  {kid:<16}  {rows:<10}  {opens}")
        }));
    }
    lines.push(String::new());
    lines.extend(table_of_keys("SECRET", "MACS", &status.secrets));
    lines.push("\nCOLUMN                       SECRET            MACS".to_owned());
    for made in &status.macs {
        let place = format!("{}.{}", made.column.table(), made.column.column());
        let counts = made.counts.iter();
        lines.extend(counts.map(|(kid, rows)| format!("{place:<27}  {:<16}  {rows}", id(*kid))));
    }
    lines.push(format!(
        "\nre-encryption is {}; {} values and rows are under other keys than the active ones\n",
        status.rotation.as_str(),
        status.left()
    ));
    lines.join("\n")
}

fn table_of_keys(title: &str, counted: &str, keys: &[KeyStatus]) -> Vec<String> {
    let head = format!("{title:<16}  STATE         {counted:<10}  HERE");
    let rows = keys.iter().map(|key| {
        let here = match (key.is_held, key.state) {
            (true, _) => "yes",
            (false, Some(KeyState::Retired)) => "no",
            (false, _) => "MISSING",
        };
        let (kid, state) = (key.kid, name(key.state));
        format!("{kid}  {state:<12}  {:<10}  {here}", key.rows)
    });
    std::iter::once(head).chain(rows).collect()
}

fn id(kid: Option<KeyId>) -> String {
    kid.map_or_else(|| "none".to_owned(), |kid| kid.to_string())
}

fn as_json(status: &Status) -> serde_json::Value {
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
    let macs: Vec<_> = status
        .macs
        .iter()
        .flat_map(|made| made.counts.iter().map(move |count| (made.column, count)))
        .map(|(column, (kid, rows))| {
            json!({
                "table": column.table(),
                "column": column.column(),
                "kid": kid.map(|kid| kid.to_string()),
                "rows": rows,
            })
        })
        .collect();
    json!({
        "state": status.rotation.as_str(),
        "active_kid": status.active.map(|kid| kid.to_string()),
        "keys": json_of_keys(&status.keys),
        "columns": columns,
        "signing_kid": status.signing.map(|kid| kid.to_string()),
        "secrets": json_of_keys(&status.secrets),
        "macs": macs,
        "done": status.done,
        "total": status.total,
    })
}

fn json_of_keys(keys: &[KeyStatus]) -> Vec<serde_json::Value> {
    keys.iter()
        .map(|key| {
            json!({
                "kid": key.kid.as_str(),
                "state": name(key.state),
                "rows": key.rows,
                "held": key.is_held,
            })
        })
        .collect()
}
