use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use keyward_credentials::{CredentialName, CredentialType, MalformedCredentialName, Which};

use crate::commands::people::Who;

/// Secrets are no arguments: they come on standard input or in a file.
#[derive(Debug, Subcommand)]
pub(crate) enum CredentialCommand {
    /// Keep a credential. Its fields come as a JSON object, on standard input or in a file.
    #[command(
        long_about = "Keep a credential. Its fields come as a JSON object, on standard input or in a file.\n\nThe fields are those of the API. llm: provider, api_key, base_url, organization_id, custom_headers. git: provider, auth (token or ssh_key), username, access_token, ssh_private_key, webhook_secret. gateway: adapter, token, config. tool: tool_type, config. generic: any names, all secret. Secret fields are sealed before they are stored, and nothing shows them again.",
        after_help = "Examples:\n  keyward credential add --owner ada --name OpenAI --type llm < openai.json\n  keyward credential add --owner ada --name OpenAI --type llm --file openai.json"
    )]
    Add(AddArgs),
    /// List the credentials, with what their secrets are called and without the secrets.
    #[command(after_help = "Example:\n  keyward credential list --json")]
    List,
    /// Delete a credential with its secrets. Whoever uses it is refused from then on.
    #[command(
        after_help = "Example:\n  keyward credential remove 01890a5d-7e8f-7c3d-a1b2-c3d4e5f60718"
    )]
    Remove {
        /// The id of the credential, or its name where only one has it.
        #[arg(value_name = "ID", value_parser = which)]
        credential: Which,
    },
}

/// What to keep.
#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// The name or the id of the user who counts as its maker.
    #[arg(long, value_name = "USER")]
    pub(super) owner: Who,

    /// What to call it.
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub(super) name: CredentialName,

    /// Which fields it has.
    #[arg(long = "type", value_name = "TYPE", value_enum)]
    pub(super) kind: TypeName,

    /// Read the fields from this file, which only its owner can access, instead of standard input.
    #[arg(long, value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum TypeName {
    Llm,
    Git,
    Gateway,
    Tool,
    Generic,
}

impl From<TypeName> for CredentialType {
    fn from(name: TypeName) -> Self {
        match name {
            TypeName::Llm => Self::Llm,
            TypeName::Git => Self::Git,
            TypeName::Gateway => Self::Gateway,
            TypeName::Tool => Self::Tool,
            TypeName::Generic => Self::Generic,
        }
    }
}

fn name(text: &str) -> Result<CredentialName, MalformedCredentialName> {
    CredentialName::parse(text)
}

fn which(text: &str) -> Result<Which, MalformedCredentialName> {
    Which::parse(text)
}
