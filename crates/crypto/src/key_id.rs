use std::fmt;

use data_encoding::HEXLOWER;
use ring::hkdf::Prk;

use crate::derive;

/// The public name of a key: 16 lower-case hexadecimal digits, computed from the key itself.
///
/// It is no label that an operator could use twice, and it says nothing about the key: it is
/// derived by HKDF under its own `info`. Safe to store, log and show.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; Self::LENGTH]);

impl KeyId {
    /// How many characters every key id has.
    pub const LENGTH: usize = 16;

    /// Reads a key id; anything but 16 lower-case hexadecimal digits is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits: [u8; Self::LENGTH] = text.as_bytes().try_into().ok()?;
        digits
            .iter()
            .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
            .then_some(Self(digits))
    }

    /// The 16 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Never empty: only ASCII digits get in.
        str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The id of no key: [`parse`](Self::parse) refuses it and no key has it.
    pub(crate) const NONE: Self = Self([b'-'; Self::LENGTH]);

    pub(crate) fn of(key: &Prk) -> Self {
        let mut digits = [0; Self::LENGTH];
        HEXLOWER.encode_mut(&*derive::expand::<8>(key, &[INFO]), &mut digits);
        Self(digits)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({})", self.as_str())
    }
}

/// Changing this makes every stored value and MAC name an unknown key.
const INFO: &[u8] = b"keyward/kid";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_id_reads_back() {
        let id = KeyId::of(&derive::extract(b"some key"));
        assert_eq!(KeyId::parse(id.as_str()), Some(id));
        assert_eq!(id.to_string(), id.as_str());
    }

    #[test]
    fn different_keys_have_different_ids() {
        let one = KeyId::of(&derive::extract(b"one"));
        let other = KeyId::of(&derive::extract(b"other"));
        assert_ne!(one, other);
    }

    #[test]
    fn anything_else_is_not_a_key_id() {
        let refused = [
            "",
            "0123456789abcde",
            "0123456789abcdef0",
            "0123456789ABCDEF",
            "0123456789abcdeg",
            "0123456789abcde\u{e9}",
            " 123456789abcdef",
        ];
        for text in refused.into_iter().chain([KeyId::NONE.as_str()]) {
            assert_eq!(KeyId::parse(text), None, "{text:?}");
        }
    }
}
