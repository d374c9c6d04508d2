use std::io::{BufRead, IsTerminal as _};

use keyward_auth::{CodeError, Enrolling, Host, MfaError, RecoveryCodes, UserView};
use keyward_crypto::{RecoveryCode, SecretText};
use serde_json::json;
use zeroize::Zeroizing;

use super::Desk;
use super::codes;
use super::refusal::{WRONG_CODES, no_factor};
use crate::cli::Output;
use crate::commands::people::Who;
use crate::exit::Failure;
use crate::terminal;

impl Desk {
    /// Gives a person an authenticator app and recovery codes.
    pub(super) fn enrol_mfa(&self, who: &Who) -> Result<(), Failure> {
        let user = self.find(who)?;
        let enrolling = self.mfa.begin_for(Host, user.id);
        self.show_secret(&user, &enrolling.map_err(|error| no_factor(&error))?)?;
        let codes = self.confirmed(&user, &mut std::io::stdin().lock())?;
        self.show_recovery_codes(&user, &codes)
    }

    fn show_secret(&self, user: &UserView, enrolling: &Enrolling) -> Result<(), Failure> {
        let (secret, uri) = (enrolling.secret.expose(), enrolling.uri.expose());
        let text = Zeroizing::new(match self.output {
            Output::Json => {
                let (id, username) = (user.id, &user.username);
                json!({ "id": id, "username": username, "secret": secret, "uri": uri }).to_string()
                    + "\n"
            }
            Output::Text => format!(
                "{}For the authenticator app of {}, shown this once:\n  secret  {secret}\n  URI     \
                 {uri}\n",
                picture(enrolling).as_ref().map_or("", SecretText::expose),
                user.username
            ),
        });
        terminal::print_once(&text, "Nothing changed: do this again")
    }

    /// Reads codes until one is right.
    fn confirmed(
        &self,
        user: &UserView,
        input: &mut impl BufRead,
    ) -> Result<RecoveryCodes, Failure> {
        for left in (0..TRIES).rev() {
            eprint!("keyward: the six digits that the app shows: ");
            let Some(line) = codes::next(input)? else {
                return Err(Failure::refused(NO_CODE));
            };
            let wrong = match line.map(|code| self.mfa.confirm_for(Host, user.id, code)) {
                Ok(Ok(codes)) => return Ok(codes),
                Ok(Err(MfaError::Code(CodeError::Rejected))) => "the code is not right",
                Ok(Err(error)) => return Err(no_factor(&error)),
                Err(()) => "a code is six digits",
            };
            eprintln!("keyward: {wrong} ({left} more tries)");
        }
        Err(Failure::refused(WRONG_CODES))
    }

    fn show_recovery_codes(&self, user: &UserView, codes: &RecoveryCodes) -> Result<(), Failure> {
        let name = &user.username;
        let codes: Vec<_> = codes.0.iter().map(RecoveryCode::expose).collect();
        let text = Zeroizing::new(match self.output {
            Output::Json => json!({ "recovery_codes": codes }).to_string() + "\n",
            Output::Text => format!(
                "{name} has a second factor now, and their sessions have ended. Recovery codes, \
                 shown this once:\n  {}\n",
                codes.join("\n  ")
            ),
        });
        let then = format!(
            "{name} has the second factor now, but nobody has its recovery codes: do this again"
        );
        terminal::print_once(&text, &then)
    }
}

/// The QR code, where somebody looks at it. A name can be too long for one.
fn picture(enrolling: &Enrolling) -> Option<SecretText> {
    let looked_at = std::io::stdout().is_terminal();
    looked_at.then(|| enrolling.uri.qr_blocks().ok()).flatten()
}

const TRIES: usize = 3;
const NO_CODE: &str =
    "no code came on standard input, so nothing changed; do this again, and type one in";
