use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::commands::{
    AgentCommand, BackupCommand, EnvArgs, HealthArgs, ImportCommand, UserCommand,
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
    Serve,
    /// Create the first administrator and its API key.
    Init(InitArgs),
    /// Bring the database schema up to date.
    Migrate,
    /// People, administered by the operator of this host.
    #[command(subcommand)]
    User(UserCommand),
    /// Agents, administered by the operator of this host.
    #[command(subcommand)]
    Agent(AgentCommand),
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
    /// Print the variables by which the client of a service works through the broker.
    ///
    /// For a shell: `eval "$(keyward env CREDENTIAL)"`. The key itself is not printed; put it into
    /// `KEYWARD_API_KEY` before.
    Env(EnvArgs),
    /// Ask the running server whether it is ready. Ends with 69 when it is not.
    ///
    /// For the probes of containers and supervisors, which need no other program for it then.
    Health(HealthArgs),
    /// Print the OpenAPI document of the HTTP interface.
    Openapi,
    /// Check this installation. Ends with 0, with 1 on warnings, with 2 on failures.
    Doctor {
        /// How to print the checks [default: table, or json with --json].
        #[arg(long, value_enum)]
        format: Option<ReportFormat>,
    },
    /// Print completions for a shell.
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
    Generate,
    /// Generate a key and put it in front of those in the key file. Nothing is sealed under it yet.
    Add {
        /// A secret for `SECRET_KEY`, and not an encryption key.
        #[arg(long)]
        secret: bool,
    },
    /// Show which keys there are, and how many values are sealed under or signed by which.
    Status,
    /// Seal new values under this key, or sign rows with this secret. Every node must hold it.
    Activate {
        /// Its id, as `keyward keys status` shows it.
        #[arg(value_name = "KID")]
        kid: String,
    },
    /// Move every stored value to the active key and sign rows anew, while everything runs.
    Rotate(RotateArgs),
    /// End the life of a key that nothing needs any more.
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
    Verify {
        /// What `keyward audit anchor` printed earlier: detects a log cut off after it, too.
        #[arg(long, value_name = "TEXT")]
        anchor: Option<String>,
    },
    /// Print the end of the log, to be kept elsewhere.
    Anchor,
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

    #[test]
    fn no_option_takes_a_secret() {
        for words in [["init", "--password", "x"], ["serve", "--secret-key", "x"]] {
            let line = ["keyward"].into_iter().chain(words);
            assert!(Cli::try_parse_from(line).is_err(), "{words:?}");
        }
    }
}
