use std::io;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::exit::Failure;
use crate::settings::{LogFormat, LogSettings};
use crate::terminal;
use crate::traces::Traces;

/// Sends log lines to standard error from here on; standard output belongs to results.
///
/// Call it once.
pub(crate) fn start(settings: &LogSettings, traces: Option<&Traces>) -> Result<(), Failure> {
    let filter = filter(&settings.directives).map_err(Failure::configuration)?;
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let lines = match settings.format {
        LogFormat::Text => lines.with_ansi(terminal::colours(&io::stderr())).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_ansi(false).boxed(),
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .with(traces.map(Traces::layer))
        .try_init()
        .map_err(|error| Failure::unavailable(format_args!("cannot set up logging: {error}")))
}

/// Reads filter directives, such as `info` or `warn,keyward_http=debug`.
///
/// The error is a phrase that follows the name of the setting.
pub(crate) fn filter(directives: &str) -> Result<EnvFilter, String> {
    for directive in directives.split(',') {
        if let Some(name) = QUIET.iter().find(|name| names(directive, name)) {
            return Err(format!(
                "the lines of `{name}` hold secrets and cannot be switched on"
            ));
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
    let quiet = QUIET.iter().map(|name| format!(",{name}=warn"));
    // Spans are for traces, and would repeat themselves in each line.
    let spans = format!(",{}=off", keyward_core::SPANS);
    let all = [STRANGERS.to_owned(), directives.to_owned()]
        .into_iter()
        .chain(quiet)
        .chain([spans]);
    EnvFilter::try_new(all.collect::<String>())
        .map_err(|error| format!("not filter directives: {error}"))
}

/// Whether a directive speaks of a crate or of a module of it.
fn names(directive: &str, crate_name: &str) -> bool {
    let target = directive
        .split(['=', '['])
        .next()
        .unwrap_or_default()
        .trim();
    let rest = target.strip_prefix(crate_name);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// What clients send that is no HTTP is no error of this server, and anybody can send it.
const STRANGERS: &str = "actix_http::h1::dispatcher=off,";

/// Above `warn` they can write down what passes through them: keys and codes of tools, header fields
/// and addresses of requests to other services.
const QUIET: [&str; 9] = [
    "rmcp",
    "h2",
    "hyper",
    "hyper_util",
    "reqwest",
    "rustls",
    "opentelemetry",
    "opentelemetry_sdk",
    "opentelemetry_otlp",
];

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
    fn what_would_show_secrets_cannot_be_switched_on() {
        for bad in [
            "rmcp=debug",
            "info,h2=trace",
            "hyper_util::client=debug",
            "reqwest[x]=trace",
        ] {
            assert!(filter(bad).is_err(), "{bad:?}");
        }
        assert!(filter("h2o=debug,rmcpx=info").is_ok());
        let shown = filter("trace").unwrap().to_string();
        for name in QUIET {
            assert!(shown.contains(&format!("{name}=warn")), "{shown}");
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
