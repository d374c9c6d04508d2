use std::fmt;

use data_encoding::BASE32_NOPAD;
use zeroize::Zeroizing;

use crate::mac::Mac;
use crate::mac_purpose::MacPurpose;
use crate::random::random_bytes;
use crate::secret_key::MacRing;
use crate::totp_code::MalformedCode;

/// One of the codes that let somebody in once without the authenticator app:
/// `xxxx-xxxx-xxxx-xxxx`, 80 random bits.
///
/// Keep [`mac`](Self::mac) instead. Overwritten when dropped, redacted in `Debug`; there is no
/// `Display`, `Clone` or `PartialEq`.
pub struct RecoveryCode(Zeroizing<String>);

impl RecoveryCode {
    /// Draws a new code.
    ///
    /// # Panics
    ///
    /// If the operating system has no randomness, see [`random_bytes`].
    #[must_use]
    pub fn generate() -> Self {
        let bytes = Zeroizing::new(random_bytes::<RANDOM_BYTES>());
        let mut digits = Zeroizing::new(BASE32_NOPAD.encode(&*bytes));
        digits.make_ascii_lowercase();
        Self::grouped(&digits)
    }

    /// Reads a code as typed: hyphens and the case of letters make no difference, anything else
    /// does.
    pub fn parse(text: &str) -> Result<Self, MalformedCode> {
        let digits = canonical(text);
        if digits.len() != DIGITS || !digits.bytes().all(is_digit) {
            return Err(MalformedCode);
        }
        Ok(Self::grouped(&digits))
    }

    /// The code in groups, for the one response that hands it to its owner.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What to store for this user, and to compare with later by [`matches`](Self::matches).
    #[must_use]
    pub fn mac(&self, ring: &MacRing, user: &[u8]) -> Mac {
        let digits = canonical(&self.0);
        ring.mac(MacPurpose::RecoveryCode, &[user, digits.as_bytes()])
    }

    /// Whether `mac` was made of this code for this user.
    #[must_use]
    pub fn matches(&self, ring: &MacRing, user: &[u8], mac: &Mac) -> bool {
        let digits = canonical(&self.0);
        ring.verify(MacPurpose::RecoveryCode, &[user, digits.as_bytes()], mac)
    }

    fn grouped(digits: &str) -> Self {
        // All space at once: a string that grows leaves its old bytes behind.
        let mut text = Zeroizing::new(String::with_capacity(DIGITS + DIGITS / GROUP));
        for (position, digit) in digits.chars().enumerate() {
            if position > 0 && position % GROUP == 0 {
                text.push('-');
            }
            text.push(digit);
        }
        Self(text)
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode(..)")
    }
}

/// The form that MACs are made of: lower case, without hyphens.
fn canonical(text: &str) -> Zeroizing<String> {
    let mut digits = Zeroizing::new(String::with_capacity(text.len()));
    let without_hyphens = text.chars().filter(|character| *character != '-');
    digits.extend(without_hyphens.map(|character| character.to_ascii_lowercase()));
    digits
}

/// Whether this is a digit of base32 (RFC 4648, section 6), in lower case.
fn is_digit(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'2'..=b'7')
}

const RANDOM_BYTES: usize = 10;
/// Five bits each.
const DIGITS: usize = RANDOM_BYTES * 8 / 5;
const GROUP: usize = 4;
