use crate::guessable::{is_guessable, lower_case, without};
use crate::secret::SecretText;

/// A password as typed, within the limits that apply.
///
/// Overwritten when dropped, redacted in `Debug`.
#[derive(Debug)]
pub struct Password(SecretText);

impl Password {
    /// A password that somebody chooses: 12 to 1,024 bytes, and nothing that is guessed first.
    ///
    /// Refused are some 10,000 passwords that were the most frequent in breaches, whatever the case
    /// of their letters, a text of at most 11 bytes over and over, and rows of neighbours in the
    /// alphabet or among the digits. Nothing is asked of the characters: such rules make passwords
    /// worse (NIST SP 800-63B, section 3.1.1.2). For words of the context see
    /// [`require_more_than`](Self::require_more_than).
    pub fn new_secret(secret: SecretText) -> Result<Self, PasswordError> {
        if secret.len() < MIN_BYTES {
            return Err(PasswordError::TooShort);
        }
        let password = Self::attempt(secret)?;
        if is_guessable(&lower_case(password.0.expose())) {
            return Err(PasswordError::Common);
        }
        Ok(password)
    }

    /// Says whether the password could be chosen without the words of its context, such as the name
    /// of its user: they do not count, whatever the case of their letters.
    ///
    /// Words of one or two characters are in too many good passwords, so they are not looked for.
    pub fn require_more_than(&self, words: &[&str]) -> Result<(), PasswordError> {
        let long = |word: &&&str| word.chars().count() >= MIN_WORD_CHARACTERS;
        let words: Vec<_> = words.iter().filter(long).map(|w| lower_case(w)).collect();
        let left = without(&lower_case(self.0.expose()), &words);
        if left.len() < MIN_BYTES || is_guessable(&left) {
            return Err(PasswordError::Context);
        }
        Ok(())
    }

    /// A password that somebody logs in with. It may be short, as an imported one can be.
    pub fn attempt(secret: SecretText) -> Result<Self, TooLong> {
        if secret.len() > MAX_BYTES {
            return Err(TooLong);
        }
        Ok(Self(secret))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.expose().as_bytes()
    }
}

/// Why a password cannot be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// Fewer than 12 bytes.
    #[error("a password needs at least 12 characters")]
    TooShort,
    /// More than 1,024 bytes.
    #[error("a password can have at most 1,024 bytes")]
    TooLong,
    /// It is guessed first; see [`Password::new_secret`].
    #[error(
        "the password is one of those that are guessed first: many people use it, or it repeats a \
         short text, or it is a row such as 123456; choose another one, such as several words that \
         have nothing to do with each other"
    )]
    Common,
    /// Too little is left of it without words of the context; see [`Password::require_more_than`].
    #[error(
        "the user name and the name of the product do not count in a password: without them, it \
         needs at least 12 characters that are not guessed first"
    )]
    Context,
}

impl From<TooLong> for PasswordError {
    fn from(TooLong: TooLong) -> Self {
        Self::TooLong
    }
}

/// The text has more than 1,024 bytes, so it is nobody's password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a password can have at most 1,024 bytes")]
pub struct TooLong;

const MIN_BYTES: usize = 12;
const MAX_BYTES: usize = 1024;
const MIN_WORD_CHARACTERS: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(text: &str) -> Result<Password, PasswordError> {
        Password::new_secret(text.into())
    }

    #[test]
    fn a_new_password_has_12_to_1024_bytes() {
        let choose = |length| {
            let text: String = (100..)
                .flat_map(|n| format!("{n},").into_bytes())
                .take(length)
                .map(char::from)
                .collect();
            choose(&text).map(|_| ())
        };
        assert_eq!(choose(0), Err(PasswordError::TooShort));
        assert_eq!(choose(11), Err(PasswordError::TooShort));
        assert_eq!(choose(12), Ok(()));
        assert_eq!(choose(1024), Ok(()));
        assert_eq!(choose(1025), Err(PasswordError::TooLong));
    }

    #[test]
    fn a_password_that_many_people_use_is_refused_whatever_its_case() {
        for text in ["123qweasdzxc", "QWERTY123456", "Unbelievable", "ЛЮБОВЬ"] {
            assert_eq!(choose(text).unwrap_err(), PasswordError::Common, "{text}");
        }
        for text in ["123qweasdzxc?", "an unbelievable one", "correct horse"] {
            assert!(choose(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn every_password_of_the_list_is_refused() {
        for text in include_str!("../data/common-passwords.txt").lines() {
            let refused = choose(text).unwrap_err();
            assert_eq!(refused, PasswordError::Common, "{text}");
        }
    }

    #[test]
    fn a_short_text_over_and_over_and_a_row_are_refused() {
        for text in [
            "aaaaaaaaaaaa",
            "abcAbcaBcabC",
            "x-7x-7x-7x-7",
            "ABCDEFGHIJKL",
            "567890123456",
        ] {
            assert_eq!(choose(text).unwrap_err(), PasswordError::Common, "{text}");
        }
    }

    #[test]
    fn words_of_the_context_do_not_count() {
        let password = |text| choose(text).unwrap();
        let words = ["Ada.Lovelace", "keyward", "xy", ""];
        for text in [
            "ada.lovelace",
            "ADA.Lovelace1843",
            "keyward-2026",
            "my Keyward key",
            "keyward123456789012",
            "keywardQwerty123456",
            "keywardkeywardkeyward!!",
        ] {
            let refused = password(text).require_more_than(&words).unwrap_err();
            assert_eq!(refused, PasswordError::Context, "{text}");
        }
        for text in ["a key of keyward's own", "xylophone-xy", "ada lovelace!"] {
            assert_eq!(password(text).require_more_than(&words), Ok(()), "{text}");
        }
        assert_eq!(password("ada.lovelace").require_more_than(&[]), Ok(()));
    }

    #[test]
    fn a_refusal_says_what_to_do_and_nothing_of_the_password() {
        for text in ["short marker", "Unbelievable", "keyward marker"] {
            let refused = match choose(text) {
                Ok(password) => password
                    .require_more_than(&["keyward", "short "])
                    .unwrap_err(),
                Err(refused) => refused,
            };
            let said = format!("{refused} {refused:?}").to_lowercase();
            assert!(
                said.contains("12") || said.contains("choose another"),
                "{said}"
            );
            assert!(
                !said.contains("marker") && !said.contains("unbeliev"),
                "{said}"
            );
        }
    }

    #[test]
    fn an_attempt_may_be_short_but_not_long() {
        let attempt = |length| Password::attempt("x".repeat(length).into()).map(|_| ());
        assert_eq!(attempt(0), Ok(()));
        assert_eq!(attempt(1024), Ok(()));
        assert_eq!(attempt(1025), Err(TooLong));
    }

    #[test]
    fn debug_shows_nothing() {
        let password = Password::new_secret("marker marker".into()).unwrap();
        assert!(!format!("{password:?}").contains("marker"));
    }
}
