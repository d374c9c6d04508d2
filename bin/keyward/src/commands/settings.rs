use std::fmt::Write as _;

use clap::ValueEnum;
use serde_json::json;

use crate::cli::Output;
use crate::exit::{Exit, Failure};
use crate::settings::Name;
use crate::terminal;

/// The form of the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReferenceFormat {
    Text,
    Markdown,
    Json,
}

/// `keyward settings`: everything that can be set, from the declarations that the settings are read by.
pub(crate) fn settings(format: Option<ReferenceFormat>, output: Output) -> Result<Exit, Failure> {
    let format = format.unwrap_or(match output {
        Output::Json => ReferenceFormat::Json,
        Output::Text => ReferenceFormat::Text,
    });
    terminal::print(&match format {
        ReferenceFormat::Text => text(),
        ReferenceFormat::Markdown => markdown(),
        ReferenceFormat::Json => json(),
    })?;
    Ok(Exit::Done)
}

fn text() -> String {
    let mut text = String::new();
    for name in Name::ALL {
        let default = name.default_value().unwrap_or("none");
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{}  [default: {default}]\n    {}",
            spellings(name).join(", "),
            name.meaning()
        );
    }
    text
}

fn markdown() -> String {
    let mut text = HEADING.to_owned();
    for name in Name::ALL {
        let spellings: Vec<_> = spellings(name)
            .iter()
            .map(|spelling| format!("`{spelling}`"))
            .collect();
        let default = name
            .default_value()
            .map_or_else(|| "none".to_owned(), |default| format!("`{default}`"));
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| {} | {default} | {} |",
            spellings.join(", "),
            name.meaning()
        );
    }
    text
}

fn json() -> String {
    let items: Vec<_> = Name::ALL
        .into_iter()
        .map(|name| {
            json!({
                "name": name.variable(),
                "key": name.key(),
                "file": name.file_variable(),
                "default": name.default_value(),
                "meaning": name.meaning(),
            })
        })
        .collect();
    json!({ "items": items }).to_string() + "\n"
}

fn spellings(name: Name) -> Vec<String> {
    let twin = name.file_variable();
    std::iter::once(name.variable().to_owned())
        .chain(twin)
        .collect()
}

const HEADING: &str = "# Every setting

Settings come from their defaults, then from `keyward.toml` in the working directory (or the file that `--config` names),
then from the environment, which wins. In the file their names are in lower case: `bind = \"127.0.0.1:8080\"`. A name
that is not known is an error, and so is a value that cannot be meant. What ends in `_FILE` names a file with the value.

This page is made by `keyward settings --format markdown`.

| name | default | what it is |
| --- | --- | --- |
";
