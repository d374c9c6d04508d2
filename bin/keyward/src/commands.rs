//! Commands that need the store. Placeholder: replaced as a whole by the wiring.

use crate::cli::{InitArgs, Output};
use crate::exit::{Exit, Failure};
use crate::settings::Settings;
use crate::startup;

pub(crate) fn serve(settings: &Settings) -> Result<Exit, Failure> {
    not_wired(settings)
}

pub(crate) fn init(
    settings: &Settings,
    _args: &InitArgs,
    _output: Output,
) -> Result<Exit, Failure> {
    not_wired(settings)
}

pub(crate) fn migrate(settings: &Settings, _output: Output) -> Result<Exit, Failure> {
    not_wired(settings)
}

pub(crate) fn audit_verify(
    settings: &Settings,
    _anchor: Option<&str>,
    _output: Output,
) -> Result<Exit, Failure> {
    not_wired(settings)
}

pub(crate) fn audit_anchor(settings: &Settings, _output: Output) -> Result<Exit, Failure> {
    not_wired(settings)
}

pub(crate) fn openapi() -> Result<Exit, Failure> {
    Err(Failure::unavailable("not wired yet"))
}

fn not_wired(settings: &Settings) -> Result<Exit, Failure> {
    startup::prepare(settings)?;
    Err(Failure::unavailable("not wired yet"))
}
