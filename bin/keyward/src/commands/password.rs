//! Where a new password comes from.

use std::io::Read as _;

use keyward_crypto::{MacRing, Password, PasswordError, SecretText};
use zeroize::Zeroizing;

use crate::exit::Failure;

/// The password on standard input, without the end of its line. The error says what is wrong with
/// it.
pub(super) fn from_stdin() -> Result<Password, String> {
    let mut text = Zeroizing::new(String::with_capacity(MAX_BYTES));
    std::io::stdin()
        .take(MAX_BYTES as u64)
        .read_to_string(&mut text)
        .map_err(|_| "the password on standard input is not UTF-8 text".to_owned())?;
    let line = text.trim_end_matches(['\r', '\n']);
    Password::new_secret(SecretText::from(line)).map_err(unfit)
}

/// What is wrong with a password that somebody chose. Those that were generated are always fit.
pub(super) fn unfit(error: PasswordError) -> String {
    format!("the password on standard input: {error}")
}

/// A password of 256 random bits, with its text for showing it.
pub(super) fn generate() -> Result<(Password, SecretText), Failure> {
    let shown = MacRing::generate_secret();
    let password =
        Password::new_secret(SecretText::from(shown.expose())).map_err(Failure::configuration)?;
    Ok((password, shown))
}

/// More than a password may have, so that one that is too long is told, not cut.
const MAX_BYTES: usize = 2_048;
