//! `keyward api-key`: API keys, administered on the host.

mod arguments;
mod show;

use keyward_auth::{
    Host, KeyCursor, KeyError, KeyView, ManageKeys, ManageUsers, NewKey, UserError, UserView,
};
use keyward_crypto::ApiKeyId;
use keyward_store_diesel::DieselStore;

use self::arguments::CreateArgs;
use super::people::{NO_SUCH_USER, Who};
use crate::cli::Output;
use crate::exit::{Exit, Failure};
use crate::settings::Settings;
use crate::terminal;
use crate::wiring::{Installation, broken};

pub(crate) use self::arguments::ApiKeyCommand;

/// Does one of the commands, as the operator of the host.
pub(crate) fn api_key(
    settings: &Settings,
    command: &ApiKeyCommand,
    output: Output,
) -> Result<Exit, Failure> {
    let installation = match command {
        ApiKeyCommand::List { .. } => Installation::open_to_read(settings)?,
        _ => Installation::open(settings)?,
    };
    let desk = Desk {
        keys: ManageKeys::new(installation.environment()),
        users: ManageUsers::new(installation.environment()),
        output,
    };
    match command {
        ApiKeyCommand::Create(args) => desk.create(args),
        ApiKeyCommand::List { user } => desk.list(user.as_ref()),
        ApiKeyCommand::Revoke { id } => desk.revoke(id),
    }
    .map(|()| Exit::Done)
}

/// Where the operator administers keys.
struct Desk {
    keys: ManageKeys<DieselStore>,
    users: ManageUsers<DieselStore>,
    output: Output,
}

impl Desk {
    fn create(&self, args: &CreateArgs) -> Result<(), Failure> {
        let user = self.find(&args.user)?;
        let new = NewKey {
            name: args.name.clone(),
            scopes: args.scopes(),
            expires_at: args.expires_at,
        };
        let made = self.keys.create_on_host(Host, user.id, &new);
        let (view, key) = made.map_err(|error| no_change(&error))?;
        let text = show::made(&user, &view, &key, self.output);
        let then = format!(
            "The key is of no use to anybody; end it with `keyward api-key revoke {}`, and do this again",
            view.id
        );
        terminal::print_once(&text, &then)
    }

    fn list(&self, who: Option<&Who>) -> Result<(), Failure> {
        let users = match who {
            Some(who) => vec![self.find(who)?],
            None => self.everybody()?,
        };
        let mut all = Vec::new();
        for user in &users {
            let keys = self.keys_of(user)?;
            all.extend(keys.into_iter().map(|key| (user, key)));
        }
        terminal::print(&show::list(&all, self.output))
    }

    fn revoke(&self, id: &str) -> Result<(), Failure> {
        // What was given may be the key itself, so nothing repeats it.
        let id = ApiKeyId::parse(id).ok_or_else(|| {
            Failure::refused(
                "this is not the id of a key, which has 16 letters and digits; `keyward api-key \
                 list` shows it (a key that was typed here is in the history of the shell now)",
            )
        })?;
        let ended = self.keys.revoke_on_host(Host, id);
        let ended = ended.map_err(|error| no_change(&error))?;
        terminal::print(&show::ended(&ended, self.output))
    }

    fn find(&self, who: &Who) -> Result<UserView, Failure> {
        who.find(&self.users).map_err(|error| match error {
            UserError::NotFound => Failure::refused(NO_SUCH_USER),
            error => broken(&error),
        })
    }

    fn everybody(&self) -> Result<Vec<UserView>, Failure> {
        let mut all: Vec<UserView> = Vec::new();
        loop {
            let after = all.last().map(|user| user.id);
            let page = self.users.list(&Host, after, PAGE);
            let page = page.map_err(|error| broken(&error))?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }

    fn keys_of(&self, user: &UserView) -> Result<Vec<KeyView>, Failure> {
        let mut all: Vec<KeyView> = Vec::new();
        loop {
            let after = all.last().and_then(|key| {
                let id = ApiKeyId::parse(&key.id)?;
                let created_at = key.created_at;
                Some(KeyCursor { created_at, id })
            });
            let page = self.keys.list_on_host(Host, user.id, after, PAGE);
            let page = page.map_err(|error| no_change(&error))?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }
}

/// Why a key was not made or ended, and what to do.
fn no_change(error: &KeyError) -> Failure {
    match error {
        KeyError::NotFound => Failure::refused(
            "there is no such key, or it has ended; `keyward api-key list` shows which there are",
        ),
        KeyError::Stronger(scopes) => Failure::refused(format!(
            "this user cannot have a key with {scopes}; leave these scopes out, or change the \
             role of the user"
        )),
        KeyError::ExpiryInPast => Failure::refused("the expiry lies in the past; give a later one"),
        KeyError::Busy => {
            Failure::refused("the key is being changed by somebody else; do this again")
        }
        error => broken(error),
    }
}

const PAGE: i64 = 200;
