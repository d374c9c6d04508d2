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

/// What to look for of `value` in each of its encodings; some may be equal to each other.
pub(super) fn patterns_of(value: &str) -> impl Iterator<Item = Pattern> {
    encodings_of(value).flat_map(pieces)
}

fn encodings_of(value: &str) -> impl Iterator<Item = Pattern> {
    let raw = Pattern(Zeroizing::new(value.to_owned()));
    let hexadecimal = [HEXLOWER, HEXUPPER].map(|encoding| encoded(&encoding, &[], value, 0));
    let base64 = [BASE64_NOPAD, BASE64URL_NOPAD]
        .into_iter()
        .flat_map(move |encoding| [0, 1, 2].map(|before| aligned_base64(&encoding, before, value)));
    std::iter::once(raw).chain(hexadecimal).chain(base64)
}

/// A long pattern as pieces that cover it, each long enough to be found by chance nowhere. How long
/// it takes to look at a place of an answer grows with the length of what is looked for, for values
/// that repeat themselves.
fn pieces(pattern: Pattern) -> Vec<Pattern> {
    if pattern.len() <= PIECE {
        return vec![pattern];
    }
    let text = pattern.0.as_str();
    let last = text.floor_char_boundary(text.len() - PIECE);
    let mut starts: Vec<_> = Vec::with_capacity(text.len() / PIECE + 1);
    let mut start = 0;
    while start < last {
        starts.push(start);
        // No more than a piece further, so that nothing is left between two.
        start = text.floor_char_boundary(start + PIECE);
    }
    starts.push(last);
    let piece = |start: usize| {
        let end = text.ceil_char_boundary((start + PIECE).min(text.len()));
        let part = text.get(start..end).unwrap_or_default();
        Pattern(Zeroizing::new(part.to_owned()))
    };
    starts.into_iter().map(piece).collect()
}

/// Bytes.
const PIECE: usize = 64;

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
