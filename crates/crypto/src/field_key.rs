use std::fmt;

use data_encoding::BASE64URL;
use zeroize::Zeroizing;

use crate::derive;
use crate::key_id::KeyId;
use crate::random::random_bytes;
use crate::secret::SecretText;

/// One key of `FIELD_ENCRYPTION_KEY`: a standard Fernet key, 32 bytes.
///
/// Overwritten when dropped; `Debug` shows the key id only.
pub struct FieldKey {
    id: KeyId,
    bytes: Zeroizing<[u8; KEY_BYTES]>,
}

impl FieldKey {
    /// Draws a new key.
    ///
    /// # Panics
    ///
    /// If the operating system has no randomness, see [`random_bytes`].
    #[must_use]
    pub fn generate() -> Self {
        Self::from_bytes(Zeroizing::new(random_bytes()))
    }

    /// Reads a key in its usual form: 44 characters of URL-safe base64, padding included.
    ///
    /// White space around it is dropped, as files end in a line break. Keys that were published as
    /// examples are refused, since they protect nothing.
    pub fn parse(text: &str) -> Result<Self, FieldKeyError> {
        let key = Self::danger_parse_any(text)?;
        if key.is_example() {
            return Err(FieldKeyError::Example);
        }
        Ok(key)
    }

    /// Reads a key as [`parse`](Self::parse) does, but takes published example keys too.
    ///
    /// For opening what another system encrypted under such a key, and for test vectors. A value
    /// sealed under an example key can be read by anyone.
    pub fn danger_parse_any(text: &str) -> Result<Self, FieldKeyError> {
        decode(text)
            .map(Self::from_bytes)
            .ok_or(FieldKeyError::Malformed)
    }

    /// The public name of this key.
    #[must_use]
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// The key in the form that [`parse`](Self::parse) reads, for the one time it is shown.
    #[must_use]
    pub fn expose(&self) -> SecretText {
        SecretText::new(BASE64URL.encode(&*self.bytes))
    }

    pub(crate) fn bytes(&self) -> &Zeroizing<[u8; KEY_BYTES]> {
        &self.bytes
    }

    fn from_bytes(bytes: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        let id = KeyId::of(&derive::extract(&*bytes));
        Self { id, bytes }
    }

    fn is_example(&self) -> bool {
        let [first, rest @ ..] = &*self.bytes;
        rest.iter().all(|byte| byte == first)
            || EXAMPLES
                .iter()
                .filter_map(|example| decode(example))
                .any(|example| example == self.bytes)
    }
}

impl fmt::Debug for FieldKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FieldKey({}, ..)", self.id)
    }
}

/// Why a text is no key to encrypt under. The text itself is in no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldKeyError {
    /// Not 32 bytes of padded, URL-safe base64.
    #[error(
        "not a Fernet key (44 characters of URL-safe base64); \
         generate one with `keyward keys generate`"
    )]
    Malformed,
    /// Published in a specification or in a manual, or one byte repeated.
    #[error("an example key, which anyone can look up; generate one with `keyward keys generate`")]
    Example,
}

fn decode(text: &str) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    let text = text.trim().as_bytes();
    let mut decoded = Zeroizing::new([0; DECODED_BYTES]);
    // `decode_mut` panics when the sizes do not fit each other.
    if text.len() != KEY_CHARACTERS {
        return None;
    }
    let length = BASE64URL.decode_mut(text, &mut *decoded).ok()?;
    decoded.get(..length)?.try_into().ok().map(Zeroizing::new)
}

const KEY_BYTES: usize = 32;
const KEY_CHARACTERS: usize = 44;

/// What 44 characters decode to before the padding is taken off.
const DECODED_BYTES: usize = 33;

/// Keys that can be found with a search engine.
const EXAMPLES: [&str; 3] = [
    // The Fernet specification and the test suites of its implementations.
    "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=",
    // docs/formats.md
    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_key_reads_back() {
        let key = FieldKey::generate();
        let text = key.expose();
        assert_eq!(text.len(), KEY_CHARACTERS);
        let read = FieldKey::parse(text.expose()).unwrap();
        assert_eq!(read.bytes, key.bytes);
        assert_eq!(read.id(), key.id());
    }

    #[test]
    fn white_space_around_a_key_is_dropped() {
        let text = FieldKey::generate().expose();
        assert!(FieldKey::parse(&format!("\r\n {}\t\n", text.expose())).is_ok());
    }

    #[test]
    fn a_text_that_is_no_key_is_malformed() {
        let key = FieldKey::generate().expose();
        let refused = [
            String::new(),
            key.expose().trim_end_matches('=').to_owned(),
            format!("{}=", key.expose()),
            BASE64URL.encode(&[7; 31]),
            BASE64URL.encode(&[7; 33]),
            // Standard alphabet.
            "++++++++++++++++++++++++++++++++++++++++++8=".to_owned(),
            // The last character has bits that no byte holds.
            "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e5=".to_owned(),
            "cw_0x689RpI-jtRR7oE8 _eQsKImvJapLeSbXpwF4e4=".to_owned(),
            "\u{e9}w_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e=".to_owned(),
        ];
        for text in refused {
            let error = FieldKey::parse(&text).unwrap_err();
            assert_eq!(error, FieldKeyError::Malformed, "{text:?}");
        }
    }

    #[test]
    fn published_keys_are_refused() {
        let repeated = [0, 0x41, 0xff].map(|byte| BASE64URL.encode(&[byte; 32]));
        let published = EXAMPLES
            .into_iter()
            .chain(repeated.iter().map(String::as_str));
        for key in published {
            assert_eq!(
                FieldKey::parse(key).unwrap_err(),
                FieldKeyError::Example,
                "{key}"
            );
            assert!(FieldKey::danger_parse_any(key).is_ok(), "{key}");
        }
    }

    #[test]
    fn no_message_repeats_the_key_and_each_says_what_to_do() {
        for key in [EXAMPLES[0], "cw_0x689RpI-jtRR7oE8h"] {
            let error = FieldKey::parse(key).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("cw_0x689"), "{shown}");
            assert!(shown.contains("keyward keys generate"), "{shown}");
        }
    }

    #[test]
    fn debug_shows_the_key_id_only() {
        let key = FieldKey::generate();
        assert_eq!(format!("{key:?}"), format!("FieldKey({}, ..)", key.id()));
    }
}
