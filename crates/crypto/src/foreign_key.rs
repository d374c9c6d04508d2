use data_encoding::BASE64URL_NOPAD;
use ring::digest::{Context, SHA256};
use zeroize::Zeroizing;

use crate::base62;
use crate::public_id::PublicId;
use crate::random::random_bytes;

/// A bearer secret of another system, which an import has brought: a UUID, or 32 bytes in URL-safe
/// base64.
///
/// It names neither its kind nor its id and has no checksum, so the id is derived from the secret by
/// a one-way function.
pub(crate) struct ForeignKey {
    id: PublicId,
    text: Zeroizing<String>,
}

impl ForeignKey {
    /// Draws 256 random bits.
    ///
    /// # Panics
    ///
    /// If the operating system has no randomness, see [`random_bytes`].
    #[expect(
        clippy::expect_used,
        reason = "a test makes thousands of keys and reads each"
    )]
    pub(crate) fn generate() -> Self {
        let bytes = Zeroizing::new(random_bytes::<RANDOM_BYTES>());
        let text = Zeroizing::new(BASE64URL_NOPAD.encode(bytes.as_slice()));
        Self::parse(&text).expect("32 bytes are 43 characters of base64")
    }

    /// Reads one; `None` if it has another form.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if !is_uuid(text) && !is_token(text) {
            return None;
        }
        Some(Self {
            id: PublicId::parse(&id(text))?,
            text: Zeroizing::new(text.to_owned()),
        })
    }

    pub(crate) fn id(&self) -> &PublicId {
        &self.id
    }

    /// The whole text, which is the secret.
    pub(crate) fn expose(&self) -> &str {
        &self.text
    }
}

/// 32 hexadecimal digits in lower case, in groups of 8, 4, 4, 4 and 12.
fn is_uuid(text: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() == UUID_LENGTH
        && text.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => is_digit(byte),
        })
}

fn is_token(text: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    text.len() == TOKEN_LENGTH && text.bytes().all(is_digit)
}

/// The first 16 bytes of a hash as a number, of which the last 16 digits of base 62. The key has
/// 122 random bits or more, so nobody finds it by trying.
fn id(text: &str) -> String {
    let mut hash = Context::new(&SHA256);
    hash.update(ID_PREFIX);
    hash.update(text.as_bytes());
    let half = hash.finish().as_ref().first_chunk().copied();
    let number = u128::from_be_bytes(half.unwrap_or_default());
    base62::last_digits(number, PublicId::LENGTH)
}

const ID_PREFIX: &[u8] = b"keyward/v1/foreign-key-id/";
const UUID_LENGTH: usize = 36;
const TOKEN_LENGTH: usize = 43;
const RANDOM_BYTES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_taken_and_nothing_beside_them() {
        let uuid = "0f8fad5b-d9cb-469f-a165-70867728950e";
        let token = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd_-8";
        for text in [uuid, token, &"-".repeat(43), &"a".repeat(43)] {
            assert_eq!(ForeignKey::parse(text).unwrap().expose(), text);
        }
        for text in [
            "",
            &uuid.to_uppercase(),
            &uuid.replace('-', "_"),
            &uuid.replace('-', ""),
            &uuid.replace("0f8f", "0g8f"),
            &uuid.replace("b-d9cb", "-bd9cb"),
            &format!("{{{uuid}}}"),
            &format!("{uuid} "),
            &"a".repeat(36),
            &"a".repeat(42),
            &"a".repeat(44),
            &token.replace('_', "/"),
            &token.replace('_', "+"),
            &token.replace('_', "="),
            &token.replace('_', " "),
            &format!("{}\u{e9}", "a".repeat(41)),
        ] {
            assert!(ForeignKey::parse(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn the_id_is_the_end_of_half_a_hash_in_base_62() {
        let key = ForeignKey::parse("0f8fad5b-d9cb-469f-a165-70867728950e").unwrap();
        assert_eq!(key.id().as_str(), "As74jAr8cw5hBhrY");
    }

    #[test]
    fn a_generated_one_reads_back_with_its_id() {
        for _ in 0..1_000 {
            let key = ForeignKey::generate();
            let read = ForeignKey::parse(key.expose()).unwrap();
            assert_eq!(read.id().as_str(), key.id().as_str());
            assert!(!key.expose().contains(key.id().as_str()));
        }
    }
}
