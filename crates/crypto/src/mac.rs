use std::fmt;

use data_encoding::HEXLOWER;
use subtle::ConstantTimeEq;

use crate::key_id::KeyId;

/// An HMAC-SHA256 made by a [`MacRing`](crate::MacRing), and the id of the key that made it.
///
/// Safe to store. Comparing two takes the same time wherever they differ; to check one, use
/// [`MacRing::verify`](crate::MacRing::verify).
#[derive(Clone)]
pub struct Mac {
    key_id: KeyId,
    bytes: [u8; BYTES],
}

impl Mac {
    /// The form to store: `<kid>.<64 hexadecimal digits>`.
    #[must_use]
    pub fn as_stored(&self) -> String {
        let mut text = String::with_capacity(KeyId::LENGTH + 1 + 2 * BYTES);
        text.push_str(self.key_id.as_str());
        text.push('.');
        HEXLOWER.encode_append(&self.bytes, &mut text);
        text
    }

    /// Reads what [`as_stored`](Self::as_stored) wrote, and nothing else.
    #[must_use]
    pub fn from_stored(text: &str) -> Option<Self> {
        let (id, digits) = text.split_once('.')?;
        let mut bytes = [0; BYTES];
        // `decode_mut` panics when the sizes do not fit each other.
        if digits.len() != 2 * BYTES {
            return None;
        }
        HEXLOWER.decode_mut(digits.as_bytes(), &mut bytes).ok()?;
        Some(Self {
            key_id: KeyId::parse(id)?,
            bytes,
        })
    }

    /// Stands for a stored text that is no MAC, so that one broken row is not genuine instead of
    /// being an error for all that are read with it. Verifies under no ring.
    #[must_use]
    pub fn unreadable() -> Self {
        Self::new(KeyId::NONE, [0; BYTES])
    }

    /// Whether this is [`unreadable`](Self::unreadable).
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        self.key_id == KeyId::NONE
    }

    /// The key that made it.
    #[must_use]
    pub fn key_id(&self) -> &KeyId {
        &self.key_id
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; BYTES] {
        &self.bytes
    }

    pub(crate) fn new(key_id: KeyId, bytes: [u8; BYTES]) -> Self {
        Self { key_id, bytes }
    }
}

impl PartialEq for Mac {
    fn eq(&self, other: &Self) -> bool {
        self.key_id == other.key_id && self.bytes.ct_eq(&other.bytes).into()
    }
}

impl Eq for Mac {}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mac({}, ..)", self.key_id)
    }
}

const BYTES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MacPurpose, MacRing};

    const KEY_ID: &str = "0123456789abcdef";

    #[test]
    fn a_stored_mac_reads_back() {
        let mac = Mac::new(KeyId::parse(KEY_ID).unwrap(), [0xa5; 32]);
        let stored = mac.as_stored();
        assert_eq!(stored, format!("{KEY_ID}.{}", "a5".repeat(32)));
        assert_eq!(Mac::from_stored(&stored), Some(mac));
    }

    #[test]
    fn other_text_is_no_mac() {
        let digits = "a5".repeat(32);
        let refused = [
            String::new(),
            digits.clone(),
            format!("{KEY_ID}.{}", "a5".repeat(31)),
            format!("{KEY_ID}.{digits}a5"),
            format!("{KEY_ID}.{}", digits.to_uppercase()),
            format!("{KEY_ID}.{}", "g5".repeat(32)),
            format!("{KEY_ID}.{}", "\u{e9}".repeat(32)),
            format!("{}.{digits}", KEY_ID.to_uppercase()),
            format!(".{digits}"),
        ];
        for text in refused {
            assert_eq!(Mac::from_stored(&text), None, "{text:?}");
        }
    }

    #[test]
    fn macs_of_different_keys_or_bytes_differ() {
        let id = KeyId::parse(KEY_ID).unwrap();
        let other_id = KeyId::parse("fedcba9876543210").unwrap();
        assert_eq!(Mac::new(id, [1; 32]), Mac::new(id, [1; 32]));
        assert_ne!(Mac::new(id, [1; 32]), Mac::new(id, [2; 32]));
        assert_ne!(Mac::new(id, [1; 32]), Mac::new(other_id, [1; 32]));
    }

    #[test]
    fn an_unreadable_mac_verifies_nothing_and_reads_back_from_no_text() {
        let unreadable = Mac::unreadable();
        assert!(unreadable.is_unreadable());
        assert_eq!(Mac::from_stored(&unreadable.as_stored()), None);
        let macs =
            MacRing::danger_parse_any("the secret of this test is no secret at all").unwrap();
        assert!(!macs.verify(MacPurpose::UserRow, &[], &unreadable));
        assert!(!macs.mac(MacPurpose::UserRow, &[]).is_unreadable());
    }

    #[test]
    fn debug_shows_the_key_id_only() {
        let mac = Mac::new(KeyId::parse(KEY_ID).unwrap(), [0xa5; 32]);
        assert_eq!(format!("{mac:?}"), format!("Mac({KEY_ID}, ..)"));
    }
}
