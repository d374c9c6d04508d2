//! The ways to write one character of a pattern.

use super::pattern::Pattern;

/// The most bytes that a form takes for each byte of the pattern: `\u0041` for one.
pub(super) const LONGEST_FORM: usize = 6;

/// How a form compares with what was received.
pub(super) enum Compared {
    /// It is another text.
    Differs,
    /// It may be the form, but what was received ends before the form does.
    Cut,
    /// It is the form; `received` bytes of it stand for `meant` bytes of the pattern.
    Is { received: usize, meant: usize },
}

/// Whether an escape may begin with this byte.
pub(super) fn begins_escape(byte: u8) -> bool {
    matches!(byte, b'%' | b'\\')
}

/// Compares `received` with all forms of what stands in `pattern` at `place`.
pub(super) fn compare(pattern: &Pattern, place: usize, received: &[u8]) -> [Compared; 4] {
    let (Some(byte), character) = pattern.at(place) else {
        return [const { Compared::Differs }; 4];
    };
    let one = |form: &[u8]| compare_with(form, received, 1);
    let [raw, percent] = [one(&[byte]), one(&percent(byte))];
    let Some(character) = character else {
        return [raw, percent, Compared::Differs, Compared::Differs];
    };
    let meant = character.len_utf8();
    let (form, len) = unicode(character);
    let unicode = compare_with(form.get(..len).unwrap_or_default(), received, meant);
    let short = short(byte).map_or(Compared::Differs, |letter| one(&[b'\\', letter]));
    [raw, percent, short, unicode]
}

/// Letters of hexadecimal digits may be of either case, everything else not.
fn compare_with(form: &[u8], received: &[u8], meant: usize) -> Compared {
    let escape = form.len() > 2;
    let same = form
        .iter()
        .zip(received)
        .all(|(form, received)| form == received || (escape && hex_digit_equals(*form, *received)));
    if !same {
        Compared::Differs
    } else if received.len() < form.len() {
        Compared::Cut
    } else {
        let received = form.len();
        Compared::Is { received, meant }
    }
}

fn hex_digit_equals(one: u8, other: u8) -> bool {
    one.is_ascii_hexdigit() && one.eq_ignore_ascii_case(&other)
}

/// `%41` (RFC 3986 §2.1).
fn percent(byte: u8) -> [u8; 3] {
    [b'%', hex_digit(byte >> 4), hex_digit(byte & 15)]
}

/// What follows the backslash in the two-character escape of a character, if it has one.
fn short(byte: u8) -> Option<u8> {
    SHORT
        .iter()
        .find(|(_, meant)| *meant == byte)
        .map(|(letter, _)| *letter)
}

/// `\u0041`, or a surrogate pair of such, and its length.
fn unicode(character: char) -> ([u8; 12], usize) {
    let mut form = [0; 12];
    let mut len = 0;
    let mut units = [0; 2];
    for (unit, form) in character
        .encode_utf16(&mut units)
        .iter()
        .zip(form.chunks_exact_mut(6))
    {
        let [high, low] = unit.to_be_bytes();
        form.copy_from_slice(&[
            b'\\',
            b'u',
            hex_digit(high >> 4),
            hex_digit(high & 15),
            hex_digit(low >> 4),
            hex_digit(low & 15),
        ]);
        len += 6;
    }
    (form, len)
}

/// The first byte of the character that an escape at the beginning of `received` stands for; none
/// where there is no escape, or not all of it.
pub(super) fn first_meant(received: &[u8]) -> Option<u8> {
    match received {
        [b'%', high, low, ..] => Some(hex_value(*high)? << 4 | hex_value(*low)?),
        [b'\\', b'u', digits @ ..] => {
            let digits = digits.first_chunk::<4>()?;
            let unit = digits.iter().try_fold(0, |unit, digit| {
                Some(unit << 4 | u32::from(hex_value(*digit)?))
            })?;
            // The first of a surrogate pair alone decides about the first byte.
            let scalar = match unit {
                0xD800..0xDC00 => 0x1_0000 + ((unit - 0xD800) << 10),
                unit => unit,
            };
            let mut utf8 = [0; 4];
            char::from_u32(scalar)?.encode_utf8(&mut utf8);
            utf8.first().copied()
        }
        [b'\\', letter, ..] => SHORT
            .iter()
            .find(|(short, _)| short == letter)
            .map(|(_, meant)| *meant),
        _ => None,
    }
}

fn hex_digit(value: u8) -> u8 {
    match value {
        0..=9 => b'0' + value,
        _ => b'a' - 10 + value,
    }
}

fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// RFC 8259 §7.
const SHORT: [(u8, u8); 8] = [
    (b'"', b'"'),
    (b'\\', b'\\'),
    (b'/', b'/'),
    (b'b', 0x08),
    (b'f', 0x0C),
    (b'n', b'\n'),
    (b'r', b'\r'),
    (b't', b'\t'),
];
