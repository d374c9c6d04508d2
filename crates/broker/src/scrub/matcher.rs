//! Whether a secret stands at one place of a text, in any mixture of escapes.

use zeroize::Zeroizing;

use super::needles::{Needle, Needles};

/// What stands at a place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Match {
    /// Where the longest secret that is all there ends.
    pub(super) whole: Option<usize>,
    /// Whether the text ends within what could become a secret.
    pub(super) part: bool,
}

impl Needles {
    pub(super) fn match_at(&self, text: &[u8], start: usize) -> Match {
        let mut best = Match::default();
        for needle in self.all() {
            let found = needle.match_at(text, start);
            best.whole = best.whole.max(found.whole);
            best.part |= found.part;
        }
        best
    }
}

impl Needle {
    /// Follows all readings at once: where a character can be read in several ways, each leads to a
    /// place of its own. There are never more places than ways, since all stay close together.
    fn match_at(&self, text: &[u8], start: usize) -> Match {
        let mut places = Places::of(start);
        let mut part = false;
        for &character in self.characters() {
            let mut next = Places::default();
            for place in places.iter() {
                let Some(rest) = text.get(place..) else {
                    continue;
                };
                for way in WAYS {
                    match way(rest, character) {
                        Read::Length(length) => next.add(place + length),
                        Read::Cut => part = true,
                        Read::No => {}
                    }
                }
            }
            if next.is_empty() {
                return Match { whole: None, part };
            }
            places = next;
        }
        Match {
            whole: places.iter().max(),
            part,
        }
    }
}

/// How one character was read.
enum Read {
    /// It is there, as this many bytes.
    Length(usize),
    /// The text ends within it, or before it.
    Cut,
    No,
}

type Way = fn(&[u8], char) -> Read;
const WAYS: [Way; 4] = [plain, percent, unicode, short];

fn plain(text: &[u8], character: char) -> Read {
    let mut buffer = [0; 4];
    let bytes = character.encode_utf8(&mut buffer).as_bytes();
    let read = prefix(text, bytes);
    // In forms a space is a plus.
    match read {
        Read::No if character == ' ' => prefix(text, b"+"),
        read => read,
    }
}

/// `%41`, with digits of either case (RFC 3986 §2.1).
fn percent(text: &[u8], character: char) -> Read {
    if text.first().is_some_and(|first| *first != b'%') {
        return Read::No;
    }
    let mut buffer = [0; 4];
    let bytes = character.encode_utf8(&mut buffer).as_bytes();
    let mut expected = Zeroizing::new([0; 12]);
    for (place, byte) in expected.chunks_exact_mut(3).zip(bytes) {
        place.copy_from_slice(&[b'%', hex(byte >> 4), hex(byte & 15)]);
    }
    prefix_of_either_case(text, expected.get(..bytes.len() * 3).unwrap_or_default())
}

/// `\u0041`, beyond the first plane as a pair of surrogates (RFC 8259 §7).
fn unicode(text: &[u8], character: char) -> Read {
    if text.first().is_some_and(|first| *first != b'\\') {
        return Read::No;
    }
    let mut buffer = [0; 2];
    let units = character.encode_utf16(&mut buffer);
    let mut expected = Zeroizing::new([0; 12]);
    for (place, unit) in expected.chunks_exact_mut(6).zip(units.iter()) {
        let [high, low] = unit.to_be_bytes();
        let digits = [hex(high >> 4), hex(high & 15), hex(low >> 4), hex(low & 15)];
        let [a, b, c, d] = digits;
        place.copy_from_slice(&[b'\\', b'u', a, b, c, d]);
    }
    prefix_of_either_case(text, expected.get(..units.len() * 6).unwrap_or_default())
}

/// `\"`, `\/`, `\n` and their like.
fn short(text: &[u8], character: char) -> Read {
    let letter = match character {
        '"' | '\\' | '/' => u8::try_from(character).unwrap_or_default(),
        '\u{8}' => b'b',
        '\u{c}' => b'f',
        '\n' => b'n',
        '\r' => b'r',
        '\t' => b't',
        _ => return Read::No,
    };
    prefix(text, &[b'\\', letter])
}

fn prefix(text: &[u8], expected: &[u8]) -> Read {
    compared(text, expected, |a, b| a == b)
}

fn prefix_of_either_case(text: &[u8], expected: &[u8]) -> Read {
    compared(text, expected, |a, b| a.eq_ignore_ascii_case(&b))
}

fn compared(text: &[u8], expected: &[u8], same: impl Fn(u8, u8) -> bool) -> Read {
    let agrees = text.iter().zip(expected).all(|(a, b)| same(*a, *b));
    match agrees {
        false => Read::No,
        true if text.len() < expected.len() => Read::Cut,
        true => Read::Length(expected.len()),
    }
}

fn hex(nibble: u8) -> u8 {
    match nibble {
        0..=9 => b'0' + nibble,
        _ => b'a' + (nibble - 10),
    }
}

/// A few places in a text.
#[derive(Default)]
struct Places {
    places: [usize; MOST],
    length: usize,
}

impl Places {
    fn of(place: usize) -> Self {
        let mut places = Self::default();
        places.add(place);
        places
    }

    fn add(&mut self, place: usize) {
        if self.iter().any(|known| known == place) {
            return;
        }
        if let Some(free) = self.places.get_mut(self.length) {
            *free = place;
            self.length += 1;
        }
    }

    fn iter(&self) -> impl Iterator<Item = usize> {
        self.places.iter().copied().take(self.length)
    }

    fn is_empty(&self) -> bool {
        self.length == 0
    }
}

/// Readings that are followed at once. They part only where a secret holds `%`, `\` or a space.
const MOST: usize = 16;
