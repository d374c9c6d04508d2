//! What is looked for.

use std::fmt;

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, Encoding, HEXLOWER, HEXUPPER};
use zeroize::Zeroizing;

/// The forms in which secrets are looked for.
pub(crate) struct Needles {
    needles: Vec<Needle>,
    pairs: Pairs,
}

/// One form of one secret.
pub(super) struct Needle(Zeroizing<Vec<char>>);

impl Needle {
    pub(super) fn characters(&self) -> &[char] {
        &self.0
    }
}

impl Needles {
    /// Looks for these values. One of fewer than eight bytes is left alone: whoever sees what is
    /// overwritten could find such a value out by trying.
    pub(crate) fn new<'a>(values: impl Iterator<Item = &'a str>) -> Self {
        let mut needles = Self {
            needles: Vec::new(),
            pairs: Pairs::none(),
        };
        for value in values.filter(|value| value.len() >= SHORTEST) {
            needles.add(value);
            for encoding in [&BASE64_NOPAD, &BASE64URL_NOPAD] {
                for before in 0..3 {
                    needles.add(&determined(value.as_bytes(), before, encoding));
                }
            }
            for encoding in [&HEXLOWER, &HEXUPPER] {
                needles.add(&Zeroizing::new(encoding.encode(value.as_bytes())));
            }
        }
        needles
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Needle> {
        self.needles.iter()
    }

    /// The first place from `from` on at which something could begin.
    pub(super) fn candidate(&self, text: &[u8], from: usize) -> Option<usize> {
        let rest = text.get(from..)?;
        let within = rest.windows(2).position(|pair| self.pairs.has(pair));
        let last = rest.len().checked_sub(1)?;
        within
            .or_else(|| {
                rest.last()
                    .is_some_and(|byte| self.pairs.has_first(*byte))
                    .then_some(last)
            })
            .map(|place| from + place)
    }

    fn add(&mut self, text: &str) {
        let is_known = |needle: &Needle| needle.0.iter().copied().eq(text.chars());
        if self.needles.iter().any(is_known) {
            return;
        }
        let mut characters = Zeroizing::new(Vec::with_capacity(text.len()));
        characters.extend(text.chars());
        self.pairs.add(&characters);
        self.needles.push(Needle(characters));
    }
}

impl fmt::Debug for Needles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Needles").finish_non_exhaustive()
    }
}

/// The part of the base64 of a longer text that is the same whatever stands before and behind
/// `value`, when `before` bytes, modulo three, stand before it.
fn determined(value: &[u8], before: usize, encoding: &Encoding) -> Zeroizing<String> {
    let mut padded = Zeroizing::new(vec![0; before]);
    padded.extend_from_slice(value);
    let bits = padded.len() * 8;
    let encoded = Zeroizing::new(encoding.encode(&padded));
    let (first, last) = ((before * 8).div_ceil(6), bits / 6);
    Zeroizing::new(encoded.get(first..last).unwrap_or_default().to_owned())
}

/// The pairs of bytes with which something can begin: most places of a text are passed over by them.
struct Pairs(Zeroizing<Vec<u64>>);

impl Pairs {
    fn none() -> Self {
        Self(Zeroizing::new(vec![0; (256 * 256 + 256) / 64]))
    }

    fn has(&self, pair: &[u8]) -> bool {
        match pair {
            [first, second] => self.bit(usize::from(*first) << 8 | usize::from(*second)),
            _ => false,
        }
    }

    fn has_first(&self, first: u8) -> bool {
        self.bit(FIRSTS + usize::from(first))
    }

    fn bit(&self, place: usize) -> bool {
        let word = self.0.get(place / 64);
        word.is_some_and(|word| word >> (place % 64) & 1 == 1)
    }

    fn set(&mut self, first: u8, second: u8) {
        for place in [
            usize::from(first) << 8 | usize::from(second),
            FIRSTS + usize::from(first),
        ] {
            if let Some(word) = self.0.get_mut(place / 64) {
                *word |= 1 << (place % 64);
            }
        }
    }

    fn add(&mut self, characters: &[char]) {
        let Some(first) = characters.first() else {
            return;
        };
        let mut buffer = [0; 4];
        let bytes = first.encode_utf8(&mut buffer).as_bytes();
        let byte = bytes.first().copied().unwrap_or_default();
        let second = bytes.get(1).copied();
        let next = characters.get(1).map(|next| {
            let mut buffer = [0; 4];
            next.encode_utf8(&mut buffer)
                .as_bytes()
                .first()
                .copied()
                .unwrap_or_default()
        });
        for start in [Some(byte), (*first == ' ').then_some(b'+')]
            .into_iter()
            .flatten()
        {
            match second.or(next) {
                Some(second) => self.set(start, second),
                None => self.set(start, b'*'),
            }
            // The next character may be escaped, or a space written as a plus.
            for second in [b'%', b'\\', b'+'] {
                self.set(start, second);
            }
        }
        let digit = byte >> 4;
        let lower = if digit < 10 {
            b'0' + digit
        } else {
            b'a' + digit - 10
        };
        self.set(b'%', lower);
        self.set(b'%', lower.to_ascii_uppercase());
        for letter in [b'u', b'"', b'\\', b'/', b'b', b'f', b'n', b'r', b't'] {
            let is_unicode = letter == b'u';
            let is_itself = char::from(letter) == *first && matches!(letter, b'"' | b'\\' | b'/');
            let is_control = matches!(
                (letter, *first),
                (b'b', '\u{8}') | (b'f', '\u{c}') | (b'n', '\n') | (b'r', '\r') | (b't', '\t')
            );
            if is_unicode || is_itself || is_control {
                self.set(b'\\', letter);
            }
        }
    }
}

/// Where the single bytes begin, behind the pairs.
const FIRSTS: usize = 256 * 256;
const SHORTEST: usize = 8;
