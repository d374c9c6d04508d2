use keyward_auth::{SetupError, Username};
use keyward_crypto::{Password, SecretText};
use serde_json::json;
use zeroize::Zeroizing;

use crate::cli::{InitArgs, Output};
use crate::commands::password;
use crate::exit::{Exit, Failure};
use crate::settings::Settings;
use crate::terminal;
use crate::wiring::{Installation, broken};

/// `keyward init`: makes the first administrator and its key, and prints what only this once can
/// be seen.
pub(crate) fn init(settings: &Settings, args: &InitArgs, output: Output) -> Result<Exit, Failure> {
    let username = Username::parse(&args.username)
        .map_err(|error| Failure::configuration(format!("--username: {error}")))?;
    let (password, generated) = if args.password_stdin {
        (
            password::from_stdin().map_err(Failure::configuration)?,
            None,
        )
    } else {
        let (password, shown) = password::generate()?;
        (password, Some(shown))
    };
    let installation = Installation::open(settings)?;
    let made = make(&installation, &username, &password)?;
    let Some(key) = made else {
        return Err(Failure::configuration(
            "this Keyward has users already, so nothing was created; an administrator makes more \
             of them with POST /api/v1/users",
        ));
    };
    let shown = Shown {
        username: &username,
        password: generated.as_ref(),
        key: &key,
    };
    shown.print(output, &installation)?;
    Ok(Exit::Done)
}

/// Does `init` for the user `admin` on a database without users, and says so. For development.
pub(crate) fn first_start(installation: &Installation) -> Result<(), Failure> {
    if !installation
        .setup()
        .is_due()
        .map_err(|error| broken(&error))?
    {
        return Ok(());
    }
    let username = Username::parse("admin").map_err(Failure::configuration)?;
    let (password, generated) = password::generate()?;
    // Of several processes that start at once, one makes the administrator.
    if let Some(key) = make(installation, &username, &password)? {
        let shown = Shown {
            username: &username,
            password: Some(&generated),
            key: &key,
        };
        shown.print(Output::Text, installation)?;
    }
    Ok(())
}

fn make(
    installation: &Installation,
    username: &Username,
    chosen: &Password,
) -> Result<Option<keyward_crypto::ApiKey>, Failure> {
    match installation.setup().first_admin(username, chosen) {
        Ok(made) => Ok(Some(made.key)),
        Err(SetupError::AlreadyDone) => Ok(None),
        Err(error @ SetupError::NameOfAgents) => Err(Failure::refused(error)),
        Err(SetupError::Password(error)) => Err(Failure::configuration(password::unfit(error))),
        Err(error) => Err(broken(&error)),
    }
}

struct Shown<'a> {
    username: &'a Username,
    password: Option<&'a SecretText>,
    key: &'a keyward_crypto::ApiKey,
}

impl Shown<'_> {
    fn print(&self, output: Output, installation: &Installation) -> Result<(), Failure> {
        let then = format!(
            "The administrator {} exists now, but nobody has its API key, and there is no command \
             yet that makes another. Nothing else is stored in {}: remove that database and do \
             this again",
            self.username.as_str(),
            installation.store.url().label()
        );
        terminal::print_once(&self.text(output), &then)
    }

    fn text(&self, output: Output) -> Zeroizing<String> {
        let (username, key) = (self.username.as_str(), self.key.expose());
        let password = self.password.map(SecretText::expose);
        Zeroizing::new(match (output, password) {
            (Output::Json, Some(password)) => {
                json!({ "username": username, "password": password, "key": key }).to_string() + "\n"
            }
            (Output::Json, None) => json!({ "username": username, "key": key }).to_string() + "\n",
            (Output::Text, password) => {
                let password = password.map(|password| format!("  password  {password}\n"));
                format!(
                    "The first administrator, shown this once:\n  username  {username}\n{}  API key   \
                     {key}\n",
                    password.unwrap_or_default()
                )
            }
        })
    }
}
