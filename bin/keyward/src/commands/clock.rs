use clap::Subcommand;
use keyward_auth::Host;
use serde_json::json;

use crate::cli::Output;
use crate::exit::{Exit, Failure};
use crate::settings::Settings;
use crate::terminal;
use crate::wiring::{Installation, broken};

#[derive(Debug, Subcommand)]
pub(crate) enum ClockCommand {
    /// Say that the clock is right, after it was ahead for a while.
    ///
    /// Keys, sessions and locks end by the latest time that was ever seen, so that a clock that is set
    /// back gives nothing back. After a clock that was ahead, that time has not come yet. Stop all
    /// servers, set the clock right, run this once, and start them again: what ended too early works
    /// again then.
    #[command(after_help = "Example:\n  keyward clock trust")]
    Trust,
}

/// `keyward clock …`.
pub(crate) fn clock(
    settings: &Settings,
    command: &ClockCommand,
    output: Output,
) -> Result<Exit, Failure> {
    let ClockCommand::Trust = command;
    let installation = Installation::open(settings)?;
    let given_up = installation
        .trust_clock()
        .trust(Host)
        .map_err(|error| broken(&error))?;
    let text = match (output, given_up) {
        (Output::Json, given_up) => json!({ "seconds": given_up.unwrap_or(0) }).to_string() + "\n",
        (Output::Text, None) => {
            "the clock is not behind what was seen; nothing changed\n".to_owned()
        }
        (Output::Text, Some(seconds)) => format!(
            "ends and locks go by the clock again, {seconds} seconds earlier than before; start the servers anew\n"
        ),
    };
    terminal::print(&text)?;
    Ok(Exit::Done)
}
