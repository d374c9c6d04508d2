use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, Encoding, HEXLOWER, HEXUPPER};
use zeroize::Zeroizing;

use super::form::LONGEST_FORM;

/// One encoding of an injected value, before any of its characters is escaped.
#[derive(PartialEq, Eq)]
pub(super) struct Pattern(Zeroizing<String>);

impl Pattern {
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The bytes from `place` on, and the character there; none in the middle of a character.
    pub(super) fn at(&self, place: usize) -> (Option<u8>, Option<char>) {
        let character = self.0.get(place..).and_then(|rest| rest.chars().next());
        (self.as_bytes().get(place).copied(), character)
    }

    /// No spelling is longer, in bytes.
    pub(super) fn longest(&self) -> usize {
        self.len() * LONGEST_FORM
    }
}

/// The encodings of `value`; some may be equal to each other.
pub(super) fn patterns_of(value: &str) -> impl Iterator<Item = Pattern> {
    let raw = Pattern(Zeroizing::new(value.to_owned()));
    let hexadecimal = [HEXLOWER, HEXUPPER].map(|encoding| encoded(&encoding, &[], value, 0));
    let base64 = [BASE64_NOPAD, BASE64URL_NOPAD]
        .into_iter()
        .flat_map(move |encoding| [0, 1, 2].map(|before| aligned_base64(&encoding, before, value)));
    std::iter::once(raw).chain(hexadecimal).chain(base64)
}

/// What base64 makes of `value` when `before` bytes precede it, modulo three: the characters all
/// of whose six bits are the value's, because the bits beside it are unknown.
fn aligned_base64(encoding: &Encoding, before: usize, value: &str) -> Pattern {
    let unknown = [0; 2];
    let unknown = unknown.get(..before).unwrap_or_default();
    let first = (before * 8).div_ceil(6);
    let mut pattern = encoded(encoding, unknown, value, first);
    let known = (before + value.len()) * 8 / 6 - first;
    pattern.0.truncate(known);
    pattern
}

/// The encoding of `before` and `value`, without its `skipped` first characters.
fn encoded(encoding: &Encoding, before: &[u8], value: &str, skipped: usize) -> Pattern {
    let mut plain = Zeroizing::new(Vec::with_capacity(before.len() + value.len()));
    plain.extend_from_slice(before);
    plain.extend_from_slice(value.as_bytes());
    // Of its final size from the start: growing would leave a copy behind.
    let mut text = Zeroizing::new(String::with_capacity(encoding.encode_len(plain.len())));
    encoding.encode_append(&plain, &mut text);
    text.drain(..skipped);
    Pattern(text)
}
