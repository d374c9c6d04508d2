use std::io;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::exit::Failure;
use crate::settings::{LogFormat, LogSettings};
use crate::terminal;

/// Sends log lines to standard error from here on; standard output belongs to results.
///
/// Call it once.
pub(crate) fn start(settings: &LogSettings) -> Result<(), Failure> {
    let filter = filter(&settings.directives).map_err(Failure::configuration)?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    match settings.format {
        LogFormat::Text => lines.with_ansi(terminal::colours(&io::stderr())).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).with_ansi(false).try_init(),
    }
    .map_err(|error| Failure::unavailable(format_args!("cannot set up logging: {error}")))
}

/// Reads filter directives, such as `info` or `warn,keyward_http=debug`.
///
/// The error is a phrase that follows the name of the setting.
pub(crate) fn filter(directives: &str) -> Result<EnvFilter, String> {
    for directive in directives.split(',') {
        // Above `warn` it writes down what tools are given and give back, keys and codes included.
        if directive.contains("rmcp") {
            return Err("the lines of `rmcp` hold secrets and cannot be switched on".to_owned());
        }
        // A filter takes a lone word for a module and shows everything of it, so that a misspelled
        // level would silence the log; and nothing at all for the level `error`.
        let lone_word = !directive.contains(['=', '[', ']']);
        if directive.is_empty() || lone_word && directive.parse::<LevelFilter>().is_err() {
            return Err(format!(
                "{directive:?} is no level; write off, error, warn, info, debug or trace, \
                 or module=level, separated by commas"
            ));
        }
    }
    let quiet = format!("{directives},rmcp=warn");
    EnvFilter::try_new(quiet).map_err(|error| format!("not filter directives: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_modules_are_directives() {
        for good in [
            "info",
            "OFF",
            "warn,keyward_http=debug",
            "keyward[request{id=7}]=trace",
        ] {
            assert!(filter(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn a_misspelled_level_is_refused() {
        for bad in [
            "verbose",
            "info,debugg",
            "",
            "info,,",
            "keyward=loud",
            "warn, info",
        ] {
            assert!(filter(bad).is_err(), "{bad:?}");
        }
    }
}
