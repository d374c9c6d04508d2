use clap::{Args, Subcommand, ValueEnum};
use keyward_auth::{Role, Username};

use crate::commands::people::Who;

/// Passwords and codes are no arguments: they come on standard input.
#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Make a person, and print a generated password once.
    #[command(after_help = "Example:\n  keyward user add --username ada --role admin")]
    Add(AddArgs),
    /// List everybody, in the order in which they were made.
    #[command(after_help = "Example:\n  keyward user list --json")]
    List,
    /// Set the password of a person, and end their sessions. Prints a generated one once.
    #[command(
        after_help = "Example:\n  keyward user set-password ada --password-stdin < new-password"
    )]
    SetPassword(SetPasswordArgs),
    /// Lift the locks that wrong passwords and codes made. Logins that have begun end.
    ///
    /// Five tries in a minute stay the limit.
    #[command(after_help = "Example:\n  keyward user unlock ada")]
    Unlock {
        /// The name or the id of the user.
        #[arg(value_name = "NAME")]
        user: Who,
    },
    /// Take the second factor away from a person who has lost it, and end their sessions.
    #[command(after_help = "Example:\n  keyward user reset-mfa ada")]
    ResetMfa {
        /// The name or the id of the user.
        #[arg(value_name = "NAME")]
        user: Who,
    },
    /// End the sessions of a user, and refuse all their keys until they are enabled again.
    #[command(after_help = "Example:\n  keyward user disable ada")]
    Disable {
        /// The name or the id of the user.
        #[arg(value_name = "NAME")]
        user: Who,
    },
    /// Let a disabled user in again. Their keys work again, their sessions stay ended.
    #[command(after_help = "Example:\n  keyward user enable ada")]
    Enable {
        /// The name or the id of the user.
        #[arg(value_name = "NAME")]
        user: Who,
    },
    /// Give a person an authenticator app and ten recovery codes, and end their sessions.
    ///
    /// Prints the secret for the app once, reads a code of the app from standard input (three
    /// tries), and then prints the recovery codes once. Until the code is right, whatever the
    /// person had before stays in use. With --json these are two lines of JSON.
    #[command(after_help = "Example:\n  keyward user enrol-mfa ada")]
    EnrolMfa {
        /// The name or the id of the user.
        #[arg(value_name = "NAME")]
        user: Who,
    },
}

/// Who the new person is.
#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// The name to log in with.
    #[arg(long, value_name = "NAME", value_parser = Username::parse)]
    pub(super) username: Username,

    /// What the person may do at most.
    #[arg(long, value_enum, default_value = "normal")]
    pub(super) role: RoleName,

    /// Read the password from standard input instead of generating one.
    #[arg(long)]
    pub(super) password_stdin: bool,
}

/// Whose password.
#[derive(Debug, Args)]
pub(crate) struct SetPasswordArgs {
    /// The name or the id of the user.
    #[arg(value_name = "NAME")]
    pub(super) user: Who,

    /// Read the password from standard input instead of generating one.
    #[arg(long)]
    pub(super) password_stdin: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum RoleName {
    Admin,
    Normal,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Admin => Self::Admin,
            RoleName::Normal => Self::Normal,
        }
    }
}
