use clap::{Args, Subcommand};
use keyward_auth::{KeyName, MalformedName, Scope, Scopes};
use keyward_core::Timestamp;

use crate::commands::people::Who;

/// Keys are no arguments: a new one is printed once, and one that is there is named by its id.
#[derive(Debug, Subcommand)]
pub(crate) enum ApiKeyCommand {
    /// Make a key for a user, and print it once.
    ///
    /// It can do what the role of the user allows, or what an agent was made for, and no more.
    #[command(
        after_help = "Examples:\n  keyward api-key create --user ada --name laptop\n  keyward api-key create --user ada --name reports --scope read --expires-at 2027-01-31T00:00:00Z"
    )]
    Create(CreateArgs),
    /// List keys, without the keys themselves.
    #[command(after_help = "Example:\n  keyward api-key list --user ada")]
    List {
        /// Only those of this user, by name or id.
        #[arg(long, value_name = "USER")]
        user: Option<Who>,
    },
    /// End a key for ever. Every server refuses it from the next request on.
    #[command(after_help = "Example:\n  keyward api-key revoke 4JbCdEfGh1JkLmN0")]
    Revoke {
        /// The id of the key, as `keyward api-key list` shows it. Not the key.
        id: String,
    },
}

/// Which key to make.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// The name or the id of the user that it is for.
    #[arg(long, value_name = "USER")]
    pub(super) user: Who,

    /// What to call it.
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub(super) name: KeyName,

    /// What it may do, once for each scope; if not given, all that is possible.
    #[arg(long = "scope", value_name = "SCOPE")]
    scope: Vec<Scope>,

    /// When it ends, as in 2027-01-31T00:00:00Z; if not given, never.
    #[arg(long, value_name = "TIME", value_parser = Timestamp::parse)]
    pub(super) expires_at: Option<Timestamp>,
}

impl CreateArgs {
    pub(super) fn scopes(&self) -> Option<Scopes> {
        let scopes: Scopes = self.scope.iter().copied().collect();
        (!scopes.is_empty()).then_some(scopes)
    }
}

fn name(text: &str) -> Result<KeyName, MalformedName> {
    KeyName::parse(text)
}
