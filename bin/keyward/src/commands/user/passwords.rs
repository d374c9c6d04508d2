use keyward_auth::{Host, NewUser, PersonName, UserView};
use keyward_crypto::{Password, SecretText};
use serde::Serialize;
use serde_json::json;
use zeroize::Zeroizing;

use super::Desk;
use super::arguments::{AddArgs, SetPasswordArgs};
use super::refusal::no_change;
use crate::cli::Output;
use crate::commands::password;
use crate::exit::Failure;
use crate::terminal;

impl Desk {
    /// Makes a person.
    pub(super) fn add(&self, args: &AddArgs) -> Result<(), Failure> {
        let (password, generated) = obtain(args.password_stdin)?;
        let nothing = || PersonName::from_stored(String::new());
        let new = NewUser {
            username: args.username.clone(),
            password,
            role: args.role.into(),
            first_name: nothing(),
            last_name: nothing(),
        };
        let user = self.users.create(&Host, &new, None);
        let user = user.map_err(|error| no_change(&error))?;
        self.show(&user, generated.as_ref(), "exists now")
    }

    /// Gives a person another password.
    pub(super) fn set_password(&self, args: &SetPasswordArgs) -> Result<(), Failure> {
        let user = self.find(&args.user)?;
        let (password, generated) = obtain(args.password_stdin)?;
        let user = self.users.set_password(Host, user.id, &password);
        let user = user.map_err(|error| no_change(&error))?;
        let done = "has another password now, and their sessions have ended";
        self.show(&user, generated.as_ref(), done)
    }

    fn show(
        &self,
        user: &UserView,
        generated: Option<&SecretText>,
        done: &str,
    ) -> Result<(), Failure> {
        let Some(password) = generated else {
            return self.say(user, done);
        };
        let name = &user.username;
        let text = Zeroizing::new(match self.output {
            Output::Json => {
                let password = password.expose();
                json!(WithPassword { user, password }).to_string() + "\n"
            }
            Output::Text => format!(
                "{name} {done}. Shown this once:\n  username  {name}\n  password  {}\n",
                password.expose()
            ),
        });
        let then = format!(
            "{name} {done}, but nobody has the password: make another one with `keyward user \
             set-password {name}`"
        );
        terminal::print_once(&text, &then)
    }
}

/// A user as the API shows them, and the password.
#[derive(Serialize)]
struct WithPassword<'a> {
    #[serde(flatten)]
    user: &'a UserView,
    password: &'a str,
}

/// The password, and its text if it was generated.
fn obtain(from_stdin: bool) -> Result<(Password, Option<SecretText>), Failure> {
    if from_stdin {
        let password = password::from_stdin().map_err(Failure::refused)?;
        return Ok((password, None));
    }
    let (password, shown) = password::generate()?;
    Ok((password, Some(shown)))
}
