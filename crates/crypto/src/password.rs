use crate::secret::SecretText;

/// A password as typed, within the limits that apply.
///
/// Overwritten when dropped, redacted in `Debug`.
#[derive(Debug)]
pub struct Password(SecretText);

impl Password {
    /// A password that somebody chooses: 12 to 1,024 bytes, of any kind.
    ///
    /// Nothing is asked of its characters: such rules make passwords worse (NIST SP 800-63B,
    /// section 3.1.1.2).
    pub fn new_secret(secret: SecretText) -> Result<Self, PasswordError> {
        if secret.len() < MIN_BYTES {
            return Err(PasswordError::TooShort);
        }
        Ok(Self::attempt(secret)?)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_password_has_12_to_1024_bytes() {
        let choose = |length| Password::new_secret("x".repeat(length).into()).map(|_| ());
        assert_eq!(choose(0), Err(PasswordError::TooShort));
        assert_eq!(choose(11), Err(PasswordError::TooShort));
        assert_eq!(choose(12), Ok(()));
        assert_eq!(choose(1024), Ok(()));
        assert_eq!(choose(1025), Err(PasswordError::TooLong));
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
