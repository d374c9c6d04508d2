//! `keyward user`: people and agents, administered on the host.

mod arguments;
mod codes;
mod enrolment;
mod factors;
mod list;
mod passwords;
mod refusal;
mod status;

use keyward_auth::{ManageMfa, ManageUsers, UserView};
use keyward_store_diesel::DieselStore;
use serde_json::json;

use self::refusal::no_change;
use crate::cli::Output;
use crate::commands::people::Who;
use crate::exit::{Exit, Failure};
use crate::settings::Settings;
use crate::terminal;
use crate::wiring::{Installation, broken};

pub(crate) use self::arguments::UserCommand;

/// Does one of the commands, as the operator of the host.
pub(crate) fn user(
    settings: &Settings,
    command: &UserCommand,
    output: Output,
) -> Result<Exit, Failure> {
    if let UserCommand::List = command {
        let desk = Desk::at(&Installation::open_to_read(settings)?, output);
        return desk.list().map(|()| Exit::Done);
    }
    let desk = Desk::open(settings, output)?;
    match command {
        UserCommand::Add(args) => desk.add(args),
        UserCommand::List => desk.list(),
        UserCommand::SetPassword(args) => desk.set_password(args),
        UserCommand::Unlock { user } => desk.unlock(user),
        UserCommand::ResetMfa { user } => desk.reset_mfa(user),
        UserCommand::Disable { user } => desk.disable(user),
        UserCommand::Enable { user } => desk.enable(user),
        UserCommand::EnrolMfa { user } => desk.enrol_mfa(user),
    }
    .map(|()| Exit::Done)
}

/// Where the operator administers users.
struct Desk {
    users: ManageUsers<DieselStore>,
    mfa: ManageMfa<DieselStore>,
    output: Output,
}

impl Desk {
    /// For changes. Who comes first is made by `keyward init`, so there has to be somebody.
    fn open(settings: &Settings, output: Output) -> Result<Self, Failure> {
        let installation = Installation::open(settings)?;
        let is_due = installation.setup().is_due();
        if is_due.map_err(|error| broken(&error))? {
            return Err(Failure::refused(
                "this Keyward has no users yet; make the first administrator with `keyward init \
                 --username NAME`",
            ));
        }
        Ok(Self::at(&installation, output))
    }

    fn at(installation: &Installation, output: Output) -> Self {
        Self {
            users: ManageUsers::new(installation.environment()),
            mfa: ManageMfa::new(installation.environment()),
            output,
        }
    }

    /// The user with this id, or else with this name.
    fn find(&self, who: &Who) -> Result<UserView, Failure> {
        who.find(&self.users).map_err(|error| no_change(&error))
    }

    /// Prints a user as they are now: as JSON, or what `text` says about them.
    fn say(&self, user: &UserView, text: &str) -> Result<(), Failure> {
        terminal::print(&match self.output {
            Output::Json => json!(user).to_string() + "\n",
            Output::Text => format!("{} {text}\n", user.username),
        })
    }
}
