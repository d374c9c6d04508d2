//! `keyward credential`: credentials, administered on the host. Nothing is opened here.

mod arguments;
mod detail;
mod show;

use keyward_auth::{Host, ManageUsers, UserError};
use keyward_credentials::{
    CredentialError, CredentialView, FieldProblem, ManageCredentials, NewCredential, Which,
};
use keyward_store_diesel::DieselStore;
use serde_json::json;

use self::arguments::AddArgs;
use super::people::NO_SUCH_USER;
use crate::cli::Output;
use crate::exit::{Exit, Failure};
use crate::settings::Settings;
use crate::terminal;
use crate::wiring::{Installation, broken};

pub(crate) use self::arguments::CredentialCommand;

/// Does one of the commands, as the operator of the host.
pub(crate) fn credential(
    settings: &Settings,
    command: &CredentialCommand,
    output: Output,
) -> Result<Exit, Failure> {
    let installation = match command {
        CredentialCommand::List => Installation::open_to_read(settings)?,
        _ => Installation::open(settings)?,
    };
    let desk = Desk {
        credentials: installation.credentials(),
        users: ManageUsers::new(installation.environment()),
        output,
    };
    match command {
        CredentialCommand::Add(args) => desk.add(args),
        CredentialCommand::List => desk.list(),
        CredentialCommand::Remove { credential } => desk.remove(credential),
    }
    .map(|()| Exit::Done)
}

/// Where the operator administers credentials.
struct Desk {
    credentials: ManageCredentials<DieselStore>,
    users: ManageUsers<DieselStore>,
    output: Output,
}

impl Desk {
    fn add(&self, args: &AddArgs) -> Result<(), Failure> {
        let owner = args.owner.find(&self.users).map_err(|error| match error {
            UserError::NotFound => Failure::refused(NO_SUCH_USER),
            error => broken(&error),
        })?;
        let new = NewCredential {
            name: args.name.clone(),
            credential_type: args.kind.into(),
            detail: detail::read(args.file.as_deref())?,
            broker: None,
        };
        let made = self.credentials.create_for(Host, owner.id, new);
        let made = made.map_err(|error| no_change(&error))?;
        terminal::print(&match self.output {
            Output::Json => json!(made).to_string() + "\n",
            Output::Text => format!("{} is kept as {}\n", made.name, made.id),
        })
    }

    fn list(&self) -> Result<(), Failure> {
        let mut all: Vec<CredentialView> = Vec::new();
        loop {
            let after = all.last().map(|last| last.id);
            let page = self.credentials.list_on_host(Host, after, PAGE);
            let page = page.map_err(|error| no_change(&error))?;
            if page.is_empty() {
                break;
            }
            all.extend(page);
        }
        terminal::print(&show::list(&all, self.output))
    }

    fn remove(&self, which: &Which) -> Result<(), Failure> {
        let meant = self.one(which)?;
        let removed = self.credentials.delete_on_host(Host, meant.id);
        removed.map_err(|error| no_change(&error))?;
        terminal::print(&match self.output {
            Output::Json => json!({ "removed": meant.id }).to_string() + "\n",
            Output::Text => format!("{} ({}) is gone\n", meant.name, meant.id),
        })
    }

    /// The only one that can be meant.
    fn one(&self, which: &Which) -> Result<CredentialView, Failure> {
        let found = self.credentials.named_on_host(Host, which, 2);
        let mut found = found.map_err(|error| no_change(&error))?;
        match (found.pop(), found.is_empty()) {
            (Some(only), true) => Ok(only),
            (None, _) => Err(Failure::refused(NOT_FOUND)),
            (Some(_), false) => Err(Failure::refused(
                "several credentials have this name; give the id of one, as `keyward credential \
                 list` shows it",
            )),
        }
    }
}

/// Why a credential was not kept, found or removed, and what to do.
fn no_change(error: &CredentialError) -> Failure {
    match error {
        CredentialError::NotFound => Failure::refused(NOT_FOUND),
        CredentialError::Busy => {
            Failure::refused("the credential is being changed by somebody else; do this again")
        }
        CredentialError::Invalid(problems) => {
            let said = |problem: &FieldProblem| format!("{}: {}", problem.field, problem.problem);
            let problems: Vec<_> = problems.iter().map(said).collect();
            Failure::refused(format!(
                "nothing was kept, because some fields are not as they should be:\n  {}",
                problems.join("\n  ")
            ))
        }
        error => broken(error),
    }
}

const NOT_FOUND: &str =
    "there is no such credential; `keyward credential list` shows which there are";
const PAGE: i64 = 200;
