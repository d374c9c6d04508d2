//! The slow search.

use std::collections::BTreeSet;

use data_encoding::{BASE64, BASE64URL, Encoding, HEXLOWER, HEXUPPER};

/// `body` with stars on whatever may be read as one of the values.
pub(crate) fn scrub(values: &[String], body: &[u8]) -> Vec<u8> {
    let tokens: Vec<_> = (0..body.len()).map(|at| tokens(&body[at..])).collect();
    let mut out = body.to_vec();
    for pattern in values.iter().flat_map(|value| patterns(value)) {
        for start in 0..body.len() {
            if let Some(end) = last_end(&pattern, &tokens, start) {
                out[start..end].fill(b'*');
            }
        }
    }
    out
}

fn patterns(value: &str) -> Vec<Vec<u8>> {
    if value.len() < 8 {
        return Vec::new();
    }
    let plain = value.as_bytes();
    let mut patterns = vec![
        plain.to_vec(),
        HEXLOWER.encode(plain).into_bytes(),
        HEXUPPER.encode(plain).into_bytes(),
    ];
    for encoding in [BASE64, BASE64URL] {
        for before in 0..3 {
            patterns.push(
                known_base64(&encoding, before, plain)
                    .map(|(_, c)| c)
                    .collect(),
            );
        }
    }
    patterns
}

/// The characters that are the same whatever stands around the value, and where they stand.
pub(crate) fn known_base64(
    encoding: &Encoding,
    before: usize,
    value: &[u8],
) -> impl Iterator<Item = (usize, u8)> + use<> {
    let around = |byte: u8| {
        let text = [&vec![byte; before], value, &[byte; 3]].concat();
        encoding.encode(&text).into_bytes()
    };
    let both = around(0x00).into_iter().zip(around(0xFF)).enumerate();
    both.filter(|(_, (one, other))| one == other && *one != b'=')
        .map(|(place, (character, _))| (place, character))
}

/// The end of the longest reading of `pattern` at `start`.
fn last_end(pattern: &[u8], tokens: &[Vec<(Vec<u8>, usize)>], start: usize) -> Option<usize> {
    let mut todo = BTreeSet::from([(start, 0)]);
    let mut ends = None;
    while let Some((at, place)) = todo.pop_first() {
        if place == pattern.len() {
            ends = ends.max(Some(at));
            continue;
        }
        for (meant, len) in tokens.get(at).into_iter().flatten() {
            if pattern[place..].starts_with(meant) {
                todo.insert((at + len, place + meant.len()));
            }
        }
    }
    ends
}

/// What the beginning of `text` may stand for, and how long that beginning is.
fn tokens(text: &[u8]) -> Vec<(Vec<u8>, usize)> {
    let mut tokens = vec![(vec![text[0]], 1)];
    let hex = |from: usize, to: usize| {
        let digits = std::str::from_utf8(text.get(from..to)?).ok()?;
        let all = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        all.then(|| u16::from_str_radix(digits, 16).unwrap())
    };
    if text[0] == b'%' {
        tokens.extend(hex(1, 3).map(|byte| (vec![u8::try_from(byte).unwrap()], 3)));
    }
    if text.starts_with(b"\\u") {
        let one = hex(2, 6).and_then(|unit| String::from_utf16(&[unit]).ok());
        tokens.extend(one.map(|character| (character.into_bytes(), 6)));
        if text[6.min(text.len())..].starts_with(b"\\u") {
            let units = hex(2, 6).zip(hex(8, 12));
            let pair = units.and_then(|(high, low)| String::from_utf16(&[high, low]).ok());
            // Two characters of the basic plane are two tokens.
            let pair = pair.filter(|text| text.chars().count() == 1);
            tokens.extend(pair.map(|character| (character.into_bytes(), 12)));
        }
    } else if let [b'\\', letter, ..] = text {
        let meant = match letter {
            b'b' => 0x08,
            b'f' => 0x0C,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'"' | b'/' | b'\\' => *letter,
            _ => return tokens,
        };
        tokens.push((vec![meant], 2));
    }
    tokens
}
