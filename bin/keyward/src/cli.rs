use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::commands::{
    AgentCommand, ApiKeyCommand, BackupCommand, ClockCommand, CredentialCommand, EnvArgs,
    ExportArgs, HealthArgs, ImportCommand, ManArgs, ReferenceFormat, UserCommand,
};
use crate::exit::Failure;
use crate::terminal;

/// Keeps the keys of an AI-agent platform.
///
/// Settings come from `keyward.toml` in the working directory and from the environment, which wins.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
pub(crate) struct Cli {
    /// Read settings from this file instead of keyward.toml.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Print JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    pub(crate) fn output(&self) -> Output {
        if self.json {
            Output::Json
        } else {
            Output::Text
        }
    }
}

/// The form of what a command prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Text,
    Json,
}

/// Secrets are no arguments: other users see those in the process list, and shells remember them.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Migrate the database, check the settings, and serve.
    #[command(
        after_help = "Examples:\n  keyward serve\n  KEYWARD_ENV=production keyward serve --config /etc/keyward/keyward.toml"
    )]
    Serve,
    /// Create the first administrator and its API key.
    #[command(after_help = "Example:\n  keyward init --username ada")]
    Init(InitArgs),
    /// Bring the database schema up to date.
    #[command(after_help = "Example:\n  keyward migrate")]
    Migrate,
    /// People, administered by the operator of this host.
    #[command(subcommand)]
    User(UserCommand),
    /// Agents, administered by the operator of this host.
    #[command(subcommand)]
    Agent(AgentCommand),
    /// Credentials of other services, administered by the operator of this host.
    #[command(subcommand)]
    Credential(CredentialCommand),
    /// API keys, administered by the operator of this host.
    #[command(subcommand)]
    ApiKey(ApiKeyCommand),
    /// Take over what another system keeps.
    #[command(subcommand)]
    Import(ImportCommand),
    /// Encryption keys.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// What is kept outside, so that the loss of this machine is not the end.
    #[command(subcommand)]
    Backup(BackupCommand),
    /// The audit log.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// The time that keys, sessions and locks go by.
    #[command(subcommand)]
    Clock(ClockCommand),
    /// Print the variables by which the client of a service works through the broker.
    ///
    /// For a shell: `eval "$(keyward env CREDENTIAL)"`. The key itself is not printed; put it into
    /// `KEYWARD_API_KEY` before.
    #[command(after_help = "Example:\n  eval \"$(keyward env OpenAI)\"")]
    Env(EnvArgs),
    /// Ask the running server whether it is ready. Ends with 69 when it is not.
    ///
    /// For the probes of containers and supervisors, which need no other program for it then.
    #[command(
        after_help = "Examples:\n  keyward health\n  keyward health --address 127.0.0.1:8080"
    )]
    Health(HealthArgs),
    /// Print the OpenAPI document of the HTTP interface.
    #[command(after_help = "Example:\n  keyward openapi > openapi.json")]
    Openapi,
    /// Check this installation. Ends with 0, with 1 on warnings, with 2 on failures.
    #[command(
        after_help = "Examples:\n  keyward doctor\n  keyward doctor --format sarif > keyward.sarif"
    )]
    Doctor {
        /// How to print the checks [default: table, or json with --json].
        #[arg(long, value_enum)]
        format: Option<ReportFormat>,
    },
    /// Print everything that can be set, with its default.
    #[command(after_help = "Examples:\n  keyward settings\n  keyward settings --format markdown")]
    Settings {
        /// How to print it [default: text, or json with --json].
        #[arg(long, value_enum)]
        format: Option<ReferenceFormat>,
    },
    /// Print the manual, as `man` reads it, or write a page for each command.
    #[command(
        after_help = "Examples:\n  keyward man | man -l -\n  keyward man --out-dir /usr/local/share/man/man1"
    )]
    Man(ManArgs),
    /// Print completions for a shell.
    #[command(after_help = "Example:\n  keyward completions bash > /etc/bash_completion.d/keyward")]
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// Who the first administrator is.
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// The name to log in with.
    #[arg(long, value_name = "NAME")]
    pub(crate) username: String,

    /// Read the password from standard input instead of generating one.
    #[arg(long)]
    pub(crate) password_stdin: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Print new keys in the form in which they are set. Nothing is stored.
    #[command(after_help = "Example:\n  keyward keys generate > keys.env")]
    Generate,
    /// Generate a key and put it in front of those in the key file. Nothing is sealed under it yet.
    #[command(after_help = "Examples:\n  keyward keys add\n  keyward keys add --secret")]
    Add {
        /// A secret for `SECRET_KEY`, and not an encryption key.
        #[arg(long)]
        secret: bool,
    },
    /// Show which keys there are, and how many values are sealed under or signed by which.
    #[command(after_help = "Example:\n  keyward keys status --json")]
    Status,
    /// Seal new values under this key, or sign rows with this secret. Every node must hold it.
    #[command(after_help = "Example:\n  keyward keys activate 0123456789abcdef")]
    Activate {
        /// Its id, as `keyward keys status` shows it.
        #[arg(value_name = "KID")]
        kid: String,
    },
    /// Move every stored value to the active key and sign rows anew, while everything runs.
    #[command(
        after_help = "Examples:\n  keyward keys rotate\n  keyward keys rotate --rate 500\n  keyward keys rotate --pause"
    )]
    Rotate(RotateArgs),
    /// End the life of a key that nothing needs any more.
    #[command(after_help = "Example:\n  keyward keys retire 0123456789abcdef")]
    Retire {
        /// Its id, as `keyward keys status` shows it.
        #[arg(value_name = "KID")]
        kid: String,
        /// Of a secret: revoke the API keys and drop the recovery codes that were not used since
        /// another secret is active. Only their owners could have renewed them.
        #[arg(long)]
        end_unused: bool,
    },
}

/// How fast values are moved.
#[derive(Debug, Args)]
pub(crate) struct RotateArgs {
    /// Move at most so many values in a second; 0 for as many as there can be.
    #[arg(long, value_name = "VALUES", default_value_t = 5_000)]
    pub(crate) rate: u32,

    /// Stop what is going on, here or on a server. Values stay readable where they are.
    #[arg(long, conflicts_with = "rate")]
    pub(crate) pause: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Check that no event was changed, removed or put in. Ends with 1 when one was.
    #[command(
        after_help = "Examples:\n  keyward audit verify\n  keyward audit verify --anchor \"$(cat keyward.anchor)\""
    )]
    Verify {
        /// What `keyward audit anchor` printed earlier: detects a log cut off after it, too.
        #[arg(long, value_name = "TEXT")]
        anchor: Option<String>,
    },
    /// Print the end of the log, to be kept elsewhere.
    #[command(after_help = "Example:\n  keyward audit anchor > keyward.anchor")]
    Anchor,
    /// Print events, or write them to a file: for archives and for other programs.
    ///
    /// Each has the MAC that ties it to the one before it. Export after `keyward audit verify`, and keep the
    /// anchor beside the file: it vouches for the log up to there.
    #[command(
        after_help = "Examples:\n  keyward audit export --since 2027-01-01T00:00:00Z --output events.jsonl\n  keyward audit export --format csv --output events.csv"
    )]
    Export(ExportArgs),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    Table,
    Json,
    Sarif,
}

/// Prints completions for `shell`.
pub(crate) fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "keyward", &mut script);
    terminal::print(&String::from_utf8_lossy(&script))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_options_stand_before_or_after_the_command() {
        let before = Cli::parse_from(["keyward", "--json", "--config", "a.toml", "migrate"]);
        let after = Cli::parse_from(["keyward", "migrate", "--config", "a.toml", "--json"]);
        for cli in [before, after] {
            assert_eq!(cli.output(), Output::Json);
            assert_eq!(cli.config, Some(PathBuf::from("a.toml")));
        }
    }

    /// Commands that do something, by their words.
    fn leaves(command: &clap::Command, words: &[String]) -> Vec<(String, clap::Command)> {
        let mut found = Vec::new();
        for sub in command
            .get_subcommands()
            .filter(|sub| sub.get_name() != "help")
        {
            let mut words = words.to_vec();
            words.push(sub.get_name().to_owned());
            if sub.has_subcommands() {
                found.extend(leaves(sub, &words));
            } else {
                found.push((words.join(" "), sub.clone()));
            }
        }
        found
    }

    #[test]
    fn every_command_says_what_it_does_and_shows_how() {
        let all = leaves(&Cli::command(), &[]);
        assert!(all.len() > 40, "{}", all.len());
        for (words, command) in all {
            assert!(command.get_about().is_some(), "{words}");
            for argument in command.get_arguments() {
                let name = argument.get_id();
                assert!(argument.get_help().is_some(), "{words}: {name}");
            }
            let help = command.get_after_help().map(ToString::to_string);
            let help = help.unwrap_or_else(|| panic!("no example: {words}"));
            assert!(
                help.contains(&format!("keyward {words}")),
                "{words}: {help}"
            );
            for line in help.lines().filter(|line| line.starts_with("  ")) {
                parses(line.trim());
            }
        }
    }

    /// The part of an example that this binary gets.
    fn parses(example: &str) {
        let line = example.rsplit_once("keyward ").map_or("", |(_, rest)| rest);
        let line = ["<", ">", "|", ")\""]
            .into_iter()
            .fold(line, |line, end| line.split(end).next().unwrap());
        let line = line.replace("\"$(cat keyward.anchor", "anchor");
        let words = std::iter::once("keyward").chain(line.split_whitespace());
        if let Err(error) = Cli::try_parse_from(words) {
            panic!("{example}: {error}");
        }
    }

    #[test]
    fn no_option_takes_a_secret() {
        for words in [["init", "--password", "x"], ["serve", "--secret-key", "x"]] {
            let line = ["keyward"].into_iter().chain(words);
            assert!(Cli::try_parse_from(line).is_err(), "{words:?}");
        }
    }
}
