use keyward_crypto::{Password, PasswordError, PasswordHash};

use crate::{Hashing, Overloaded, Username};

/// A password that somebody chose for an account, and may. The one place where it is held against
/// what is known of the account: neither the name nor that of the product counts in it.
///
/// Only its hash is stored as that of a new password.
#[derive(Clone, Copy)]
pub(crate) struct ChosenPassword<'p>(&'p Password);

impl<'p> ChosenPassword<'p> {
    pub(crate) fn of(username: &Username, password: &'p Password) -> Result<Self, PasswordError> {
        let name = username.as_str();
        // Mail addresses are names as well, and what stands before the `@` is the person's own.
        let mailbox = name.split('@').next().unwrap_or(name);
        password.require_more_than(&[name, mailbox, PRODUCT])?;
        Ok(Self(password))
    }

    pub(crate) fn hash(self, hashing: &Hashing) -> Result<PasswordHash, Overloaded> {
        hashing.hash(self.0)
    }
}

const PRODUCT: &str = "keyward";

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(username: &str, password: &str) -> bool {
        let username = Username::parse(username).unwrap();
        let password = Password::new_secret(password.into()).unwrap();
        ChosenPassword::of(&username, &password).is_err()
    }

    #[test]
    fn a_name_does_not_count_in_the_password_of_its_user() {
        assert!(refused("ada.lovelace", "ada.lovelace"));
        assert!(refused("Ada.Lovelace", "ADA.LOVELACE.1843"));
        assert!(refused("ada", "ada's secret!"));
        assert!(refused("маргарита", "Маргарита7"));
        assert!(!refused("ada", "ada's own secret"));
        assert!(!refused("charles", "ada.lovelace"), "of somebody else");
    }

    #[test]
    fn what_stands_before_the_at_of_a_name_does_not_count_either() {
        assert!(refused("ada.lovelace@example.org", "ada.lovelace-1843"));
        assert!(refused(
            "ada.lovelace@example.org",
            "Ada.Lovelace@Example.org"
        ));
        assert!(!refused("ada.lovelace@example.org", "example.org 1843"));
    }

    #[test]
    fn the_name_of_the_product_does_not_count_in_anybodys_password() {
        assert!(refused("ada", "keyward-2026"));
        assert!(refused("ada", "Keyward or keyward"));
        assert!(refused("ada", "my-keyward-ada"));
        assert!(!refused("ada", "keyward: correct horse"));
    }

    #[test]
    fn a_name_of_two_letters_takes_nothing_away() {
        assert!(!refused("er", "erreger errare"));
    }
}
