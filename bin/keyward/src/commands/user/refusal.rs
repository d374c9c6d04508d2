use keyward_auth::{CodeError, MfaError, UserError};

use crate::commands::password;
use crate::commands::people::NO_SUCH_USER;
use crate::exit::Failure;
use crate::wiring::broken;

/// Why a user was not made, found or changed, and what to do.
pub(super) fn no_change(error: &UserError) -> Failure {
    Failure::refused(match error {
        UserError::NotFound => NO_SUCH_USER,
        UserError::NameTaken => {
            "the user name is taken; choose another one (`keyward user list` shows who there is)"
        }
        UserError::LastAdmin => {
            "this is the last active administrator; make another one first, with `keyward user \
             add --username NAME --role admin`"
        }
        UserError::NotForAgents => FOR_PEOPLE,
        UserError::NameOfAgents => {
            "names that begin with `agent_` are for agents; choose another one"
        }
        UserError::ManagedAsAgent => {
            "this user is an agent; freeze it with `keyward agent freeze`, or end it for ever with \
             `keyward agent revoke`"
        }
        UserError::Busy => BUSY,
        UserError::NewPassword(error) => return Failure::refused(password::unfit(*error)),
        _ => return broken(error),
    })
}

/// Why a second factor was not changed, and what to do.
pub(super) fn no_factor(error: &MfaError) -> Failure {
    Failure::refused(match error {
        MfaError::NotFound => NO_SUCH_USER,
        MfaError::NotForAgents => FOR_PEOPLE,
        MfaError::Busy => BUSY,
        MfaError::Code(error) => return no_code(error),
        _ => return broken(error),
    })
}

fn no_code(error: &CodeError) -> Failure {
    match error {
        CodeError::Rejected => Failure::refused(WRONG_CODES),
        CodeError::Limited(seconds) => Failure::refused(format_args!(
            "too many codes were tried; do this again in {seconds} seconds (`keyward user unlock \
             NAME` lifts a lock, but not the limit of five codes in a minute)"
        )),
        CodeError::Disabled => Failure::refused(
            "too many wrong codes were tried; lift the lock with `keyward user unlock NAME`, and \
             do this again",
        ),
        _ => broken(error),
    }
}

pub(super) const WRONG_CODES: &str = "none of the codes was right, so nothing changed; see that the clocks of this \
    host and of the authenticator app are right, remove the new entry from the app, and do this \
    again";

const FOR_PEOPLE: &str =
    "this user is an agent: it has an API key, and neither a password nor a second factor";
const BUSY: &str = "the user is being changed by somebody else; do this again";
