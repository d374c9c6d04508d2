//! Keys in as few bytes as they have. Nearly all keys are base64 of 32 bytes, which is a third longer.

use data_encoding::{BASE64URL, BASE64URL_NOPAD, Encoding};
use keyward_crypto::SecretText;
use zeroize::Zeroizing;

use crate::bytes::Reader;

/// The most bytes that [`pack`] makes of a text.
pub(crate) fn longest(text: &SecretText) -> usize {
    1 + 2 + text.len()
}

/// Appends a key to `bytes`; `None` where it has more than 65,535 bytes.
pub(crate) fn pack(text: &SecretText, bytes: &mut Vec<u8>) -> Option<()> {
    for (form, encoding) in PACKED {
        if let Some(key) = decoded(text.expose().as_bytes(), &encoding) {
            bytes.push(form);
            bytes.extend_from_slice(&key);
            return Some(());
        }
    }
    bytes.push(TEXT);
    bytes.extend_from_slice(&u16::try_from(text.len()).ok()?.to_be_bytes());
    bytes.extend_from_slice(text.expose().as_bytes());
    Some(())
}

/// Takes a key from the front.
pub(crate) fn unpack(reader: &mut Reader<'_>) -> Option<SecretText> {
    let form = reader.byte()?;
    if form == TEXT {
        return reader.text().map(SecretText::from);
    }
    let (_, encoding) = PACKED.into_iter().find(|(packed, _)| *packed == form)?;
    Some(SecretText::new(encoding.encode(reader.take(BYTES)?)))
}

/// 32 bytes of which `encoding` makes exactly this text.
fn decoded(text: &[u8], encoding: &Encoding) -> Option<Zeroizing<Vec<u8>>> {
    if text.len() != encoding.encode_len(BYTES) {
        return None;
    }
    // `decode_mut` panics when the room is not what the length says.
    let mut bytes = Zeroizing::new(vec![0; encoding.decode_len(text.len()).ok()?]);
    let length = encoding.decode_mut(text, &mut bytes).ok()?;
    bytes.truncate(length);
    (length == BYTES).then_some(bytes)
}

// Part of the format: never change one.
const TEXT: u8 = 0;
/// With padding, as Fernet keys are, and without, as generated secrets are.
const PACKED: [(u8, Encoding); 2] = [(1, BASE64URL), (2, BASE64URL_NOPAD)];
const BYTES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_keys::{field, secret};

    fn packed(text: &SecretText) -> Vec<u8> {
        let mut bytes = Vec::new();
        pack(text, &mut bytes).unwrap();
        assert!(bytes.len() <= longest(text));
        bytes
    }

    #[test]
    fn generated_keys_take_33_bytes() {
        assert_eq!(packed(&field()).len(), 33);
        assert_eq!(packed(&secret()).len(), 33);
    }

    #[test]
    fn every_text_comes_back_as_it_was() {
        let texts = [
            field(),
            secret(),
            "a passphrase of somebody, with \u{e4} and = in it".into(),
            // The last character has bits that no byte holds.
            "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e5=".into(),
            "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e5".into(),
            // 43 and 44 characters that are not 32 bytes of base64.
            "x".repeat(44).into(),
            "+".repeat(43).into(),
            "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e==".into(),
        ];
        for text in texts {
            let bytes = packed(&text);
            let mut reader = Reader::new(&bytes);
            assert_eq!(unpack(&mut reader).unwrap().expose(), text.expose());
            assert_eq!(reader.end(), Some(()));
        }
    }

    #[test]
    fn other_forms_and_ends_are_refused() {
        assert!(unpack(&mut Reader::new(&[3; 40])).is_none());
        for bytes in [packed(&field()), packed(&"x".repeat(50).into())] {
            for end in 0..bytes.len() {
                assert!(unpack(&mut Reader::new(&bytes[..end])).is_none(), "{end}");
            }
        }
    }

    #[test]
    fn a_text_without_end_is_refused() {
        assert!(pack(&"x".repeat(65_536).into(), &mut Vec::new()).is_none());
    }
}
