use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A one-time code as an authenticator app shows it: six digits of ASCII.
///
/// Overwritten when dropped, redacted in `Debug`. It cannot be compared: whether it is right is
/// for [`TotpSecret::matched_step`](crate::TotpSecret::matched_step) to say.
pub struct TotpCode(Zeroizing<String>);

impl TotpCode {
    /// Reads a code. There is one spelling: nothing is trimmed, and no digits but those of ASCII
    /// count.
    pub fn parse(text: &str) -> Result<Self, MalformedCode> {
        if text.len() != DIGITS || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(MalformedCode);
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// The six digits.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Takes over what was computed, which has six digits.
    pub(crate) fn computed(digits: String) -> Self {
        Self(Zeroizing::new(digits))
    }

    pub(crate) fn ct_eq(&self, other: &Self) -> subtle::Choice {
        self.0.as_bytes().ct_eq(other.0.as_bytes())
    }
}

impl fmt::Debug for TotpCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpCode(..)")
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for TotpCode {
    /// Takes a string of six digits. No error repeats the input.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = crate::SecretText::deserialize(deserializer)?;
        Self::parse(text.expose()).map_err(serde::de::Error::custom)
    }
}

/// The text is not a code of this kind, or is not spelled as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed code")]
pub struct MalformedCode;

/// What all authenticator apps show.
const DIGITS: usize = 6;
