use std::fmt;

use data_encoding::BASE32_NOPAD;
use totp_lite::{Sha1, totp_custom};
use zeroize::Zeroizing;

use crate::random::random_bytes;
use crate::secret::SecretText;
use crate::totp_code::TotpCode;
use crate::totp_step::TotpStep;

/// The secret that somebody's authenticator app and Keyward share (RFC 6238).
///
/// Codes are made with HMAC-SHA-1 and have six digits and 30 seconds, which is all that many apps
/// can do. To store it, seal [`to_base32`](Self::to_base32). Overwritten when dropped, redacted in
/// `Debug`; there is no `Display`, `Clone` or `PartialEq`.
pub struct TotpSecret(Zeroizing<Vec<u8>>);

impl TotpSecret {
    /// Draws a new secret of 160 bits, the length that RFC 4226, section 4 recommends.
    ///
    /// # Panics
    ///
    /// If the operating system has no randomness, see [`random_bytes`].
    #[must_use]
    pub fn generate() -> Self {
        let bytes = Zeroizing::new(random_bytes::<GENERATED_BYTES>());
        Self(Zeroizing::new(bytes.to_vec()))
    }

    /// Reads base32 (RFC 4648, section 6) of 16 to 64 bytes.
    ///
    /// For secrets that other systems made, lower case, spaces, hyphens and padding are taken too.
    pub fn from_base32(text: &str) -> Result<Self, MalformedTotpSecret> {
        let digits = compact(text)?;
        let length = BASE32_NOPAD
            .decode_len(digits.len())
            .ok()
            .filter(|length| (MIN_BYTES..=MAX_BYTES).contains(length))
            .ok_or(MalformedTotpSecret)?;
        let mut bytes = Zeroizing::new(vec![0; length]);
        BASE32_NOPAD
            .decode_mut(&digits, &mut bytes)
            .map_err(|_| MalformedTotpSecret)?;
        Ok(Self(bytes))
    }

    /// The secret in upper-case base32 without padding, to seal it or to type it into an app.
    #[must_use]
    pub fn to_base32(&self) -> SecretText {
        SecretText::new(BASE32_NOPAD.encode(&self.0))
    }

    /// The step that `code` is of, if it is that of `now` or the one before.
    ///
    /// The step before makes up for typing and for a clock that is late (RFC 6238, section 5.2);
    /// codes of the future are never taken. Both are always computed and compared in constant
    /// time. A clock before 1970 is broken, and nothing matches.
    ///
    /// This does not use the code up: whoever asks must store the step and refuse it, and those
    /// before it, from then on.
    #[must_use]
    pub fn matched_step(&self, code: &TotpCode, now: i64) -> Option<TotpStep> {
        if now < 0 {
            return None;
        }
        let current = TotpStep::at(now);
        let previous = current.previous();
        let is_current = self.code(current).ct_eq(code);
        let is_previous = self.code(previous).ct_eq(code);
        if is_current.into() {
            return Some(current);
        }
        bool::from(is_previous).then_some(previous)
    }

    /// The code that an authenticator app shows at `at`, in Unix seconds.
    ///
    /// For tests and for tools that stand in for an app. A server has no use for it: codes are
    /// checked by [`matched_step`](Self::matched_step). Before 1970 it is the code of the first
    /// step.
    #[must_use]
    pub fn code_at(&self, at: i64) -> TotpCode {
        self.code(TotpStep::at(at))
    }

    /// HOTP of the step's number (RFC 6238, section 4.2).
    fn code(&self, step: TotpStep) -> TotpCode {
        // totp-lite divides by the period; with 1, the number of the step stays as it is.
        let digits = totp_custom::<Sha1>(1, DIGITS, &self.0, step.counter());
        TotpCode::computed(digits)
    }
}

impl fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpSecret(..)")
    }
}

/// The text is no base32 of 16 to 64 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a base32 secret of 16 to 64 bytes")]
pub struct MalformedTotpSecret;

/// The digits of base32 in upper case, without what people and other systems put around them.
fn compact(text: &str) -> Result<Zeroizing<Vec<u8>>, MalformedTotpSecret> {
    // All space at once: a vector that grows leaves its old bytes behind.
    let mut digits = Zeroizing::new(Vec::with_capacity(text.len()));
    digits.extend(
        text.bytes()
            .filter(|byte| !matches!(byte, b' ' | b'-'))
            .map(|byte| byte.to_ascii_uppercase()),
    );
    let padding = digits
        .iter()
        .rev()
        .take_while(|byte| **byte == b'=')
        .count();
    if padding > 0 && (padding >= BLOCK || digits.len() % BLOCK != 0) {
        return Err(MalformedTotpSecret);
    }
    let length = digits.len() - padding;
    digits.truncate(length);
    Ok(digits)
}

/// What RFC 4226, section 4 recommends.
const GENERATED_BYTES: usize = 20;
/// What RFC 4226, section 4 requires.
const MIN_BYTES: usize = 16;
/// One block of SHA-1. A longer key would be hashed first and gain nothing.
const MAX_BYTES: usize = 64;
/// Padding fills blocks of eight digits (RFC 4648, section 6).
const BLOCK: usize = 8;
/// As many as a [`TotpCode`] has.
const DIGITS: u32 = 6;
