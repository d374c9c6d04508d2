use crate::cli::Output;
use crate::exit::{Exit, Failure};
use crate::settings::Settings;
use crate::terminal;
use crate::wiring::Installation;

/// `keyward migrate`: brings the schema up to date.
pub(crate) fn migrate(settings: &Settings, output: Output) -> Result<Exit, Failure> {
    let applied = Installation::open(settings)?.migrated.applied;
    let text = match output {
        Output::Json => serde_json::json!({ "applied": applied }).to_string() + "\n",
        Output::Text if applied.is_empty() => "the schema is up to date\n".to_owned(),
        Output::Text => format!("applied {}\n", applied.join(", ")),
    };
    terminal::print(&text)?;
    Ok(Exit::Done)
}
