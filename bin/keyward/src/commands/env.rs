use clap::Args;
use keyward_core::Store as _;
use keyward_credentials::{
    Credential, CredentialType, Credentials as _, Destination, StoredCredential, Which,
};
use keyward_store_diesel::DieselStore;
use serde_json::{Map, Value, json};

use crate::cli::Output;
use crate::exit::{Exit, Failure};
use crate::settings::{self, Settings};
use crate::terminal;
use crate::wiring::{BROKER, Installation, broken};

/// For which credential, and where clients find this server.
#[derive(Debug, Args)]
pub(crate) struct EnvArgs {
    /// Its id, or its name where only one has it.
    #[arg(value_name = "CREDENTIAL")]
    credential: String,

    /// Where clients reach this server [default: `PUBLIC_ADDRESS`, or http and the address in BIND].
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

/// `keyward env`: prints the variables by which the client of a service finds the broker.
pub(crate) fn env(settings: &Settings, args: &EnvArgs, output: Output) -> Result<Exit, Failure> {
    let url = match &args.url {
        Some(text) => settings::public_address(text)
            .map_err(|problem| Failure::refused(format!("--url: {problem}")))?,
        None => settings.public_address(),
    };
    let installation = Installation::open_to_read(settings)?;
    let stored = find(&installation.store, &args.credential)?;
    let credential = (stored.credential.clone())
        .verify(&installation.environment().macs)
        .map_err(|_| Failure::refused("the credential is not genuine; the log says more"))?;
    let secrets = stored.secrets.iter().map(|secret| &secret.path);
    Destination::of(&credential, secrets).map_err(Failure::refused)?;
    let url = format!("{url}{BROKER}/{}", credential.id);
    let variables = variables(&credential, &url);
    match output {
        Output::Text => {
            eprintln!("keyward: KEYWARD_API_KEY has to hold a key with the scope credentials:use");
            terminal::print(&script(&variables))?;
        }
        Output::Json => {
            terminal::print(&(document(&credential, &variables).to_string() + "\n"))?;
        }
    }
    Ok(Exit::Done)
}

fn find(store: &DieselStore, text: &str) -> Result<StoredCredential, Failure> {
    let which = Which::parse(text).map_err(Failure::refused)?;
    let found = store.lookup(|tx| match &which {
        Which::Id(id) => Ok(tx.credential(*id)?.into_iter().collect()),
        Which::Name(name) => tx.credentials_named(name, None, MANY),
    });
    let mut found: Vec<StoredCredential> =
        found.map_err(|error: keyward_core::StoreError| broken(&error))?;
    let ids = found
        .iter()
        .map(|one| one.credential.unverified().id.to_string());
    let ids = ids.collect::<Vec<_>>().join("\n  ");
    match found.len() {
        0 => Err(Failure::refused(
            "there is no such credential; GET /api/v1/credentials lists them",
        )),
        1 => found
            .pop()
            .ok_or_else(|| Failure::refused("there is no such credential")),
        _ => Err(Failure::refused(format!(
            "several credentials have this name; name one by its id:\n  {ids}"
        ))),
    }
}

/// The value of a variable.
enum Given {
    Text(String),
    /// The key of whoever runs the client, behind a text.
    Key(&'static str),
}

/// The variables that the client of the service reads, or that of its kind.
fn variables(credential: &Credential, url: &str) -> Vec<(&'static str, Given)> {
    let named = |address, key| {
        vec![
            (address, Given::Text(url.to_owned())),
            (key, Given::Key("")),
        ]
    };
    match (credential.credential_type, credential.service().as_deref()) {
        (CredentialType::Llm, Some("anthropic")) => {
            named("ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY")
        }
        (CredentialType::Llm, Some("gemini" | "google")) => {
            named("GOOGLE_GEMINI_BASE_URL", "GEMINI_API_KEY")
        }
        (CredentialType::Llm, Some("azure" | "azure-openai")) => {
            named("AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_KEY")
        }
        (CredentialType::Llm, _) => named("OPENAI_BASE_URL", "OPENAI_API_KEY"),
        (CredentialType::Git, _) => vec![
            ("GIT_CONFIG_COUNT", Given::Text("1".to_owned())),
            (
                "GIT_CONFIG_KEY_0",
                Given::Text(format!("http.{url}/.extraHeader")),
            ),
            ("GIT_CONFIG_VALUE_0", Given::Key("Authorization: Bearer ")),
        ],
        _ => vec![("KEYWARD_BROKER_URL", Given::Text(url.to_owned()))],
    }
}

/// Lines for a shell, and no comments: some shells do not take those where people type. Nothing in
/// them comes from the credential but its id.
fn script(variables: &[(&str, Given)]) -> String {
    let lines = variables.iter().map(|(name, given)| match given {
        Given::Text(value) => format!("export {name}='{value}'\n"),
        Given::Key(before) => format!("export {name}=\"{before}$KEYWARD_API_KEY\"\n"),
    });
    lines.collect()
}

fn document(credential: &Credential, variables: &[(&str, Given)]) -> Value {
    let members = variables.iter().map(|(name, given)| {
        let value = match given {
            Given::Text(value) => value.clone(),
            Given::Key(before) => format!("{before}$KEYWARD_API_KEY"),
        };
        ((*name).to_owned(), json!(value))
    });
    json!({ "credential": credential.id, "variables": members.collect::<Map<_, _>>() })
}

/// More than one, and not so many that nobody reads them.
const MANY: i64 = 10;
