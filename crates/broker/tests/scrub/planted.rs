//! Bodies with values planted in them.

use std::ops::Range;

use data_encoding::{BASE64, BASE64URL, HEXLOWER, HEXUPPER};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::reference::known_base64;

/// A body and what is hidden in it.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) values: Vec<String>,
    pub(crate) body: Vec<u8>,
    /// Where all bytes must become stars.
    pub(crate) secrets: Vec<Range<usize>>,
    cuts: Vec<prop::sample::Index>,
}

impl Case {
    /// The body, cut into pieces.
    pub(crate) fn pieces(&self) -> Vec<&[u8]> {
        let len = self.body.len();
        let mut cuts: Vec<_> = self.cuts.iter().map(|cut| cut.index(len + 1)).collect();
        cuts.extend([0, len]);
        cuts.sort_unstable();
        cuts.windows(2)
            .map(|cut| &self.body[cut[0]..cut[1]])
            .collect()
    }
}

/// One or two values, planted up to four times.
pub(crate) fn case() -> impl Strategy<Value = Case> {
    vec(value(), 1..3).prop_flat_map(|values| {
        let planted = vec((noise(), plant(values.clone())), 0..4);
        let cuts = vec(any::<prop::sample::Index>(), 0..12);
        (Just(values), planted, noise(), cuts).prop_map(|(values, planted, end, cuts)| {
            let (mut body, mut secrets) = (Vec::new(), Vec::new());
            for (noise, written) in planted {
                body.extend(noise);
                for (text, is_secret) in written {
                    let start = body.len();
                    body.extend(text);
                    if is_secret {
                        secrets.push(start..body.len());
                    }
                }
            }
            body.extend(end);
            Case {
                values,
                body,
                secrets,
                cuts,
            }
        })
    })
}

/// What keys look like, and what would be hard: many quotes, slashes, percent signs, backslashes,
/// digits that look like those of escapes, and characters of all lengths.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9_-]{8,40}",
        "[ -~]{8,40}",
        r#"[%25\\u0c"/n]{8,16}"#,
        "[a\"/%\\\\\n\téß€🔑]{4,12}",
        "[ab]{8,12}",
        r"[\\]{8,12}",
    ]
    .prop_filter("too short to be looked for", |value| value.len() >= 8)
}

fn noise() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..60),
        r#"[%25\\u0c"/n]{0,20}"#.prop_map(String::into_bytes),
        "[ -~]{0,60}".prop_map(String::into_bytes),
        "[ab]{0,12}".prop_map(String::into_bytes),
    ]
}

/// A value in some encoding, its characters escaped or not: pieces of the body, and whether they
/// are secret.
fn plant(values: Vec<String>) -> impl Strategy<Value = Vec<(Vec<u8>, bool)>> {
    let value = prop::sample::select(values);
    let around = (vec(any::<u8>(), 0..5), vec(any::<u8>(), 0..5));
    let escapes = (0_u8..4, vec(any::<(u8, bool)>(), 400));
    (value, around, 0..5_u8, escapes).prop_map(|(value, around, encoding, escapes)| {
        encode(&value, &around, encoding)
            .into_iter()
            .zip(escapes.1)
            .map(|((character, is_secret), (kind, upper))| {
                let kind = match escapes.0 {
                    0 => 0,
                    1 => kind % 16,
                    2 => kind % 4,
                    _ => 1 + kind % 3,
                };
                (write(character, kind, upper), is_secret)
            })
            .collect()
    })
}

/// The characters of the encoded value, and whether they are fully the value's.
fn encode(value: &str, around: &(Vec<u8>, Vec<u8>), encoding: u8) -> Vec<(char, bool)> {
    let plain = value.as_bytes();
    let base64 = match encoding {
        0 => return value.chars().map(|character| (character, true)).collect(),
        1 => return HEXLOWER.encode(plain).chars().map(|c| (c, true)).collect(),
        2 => return HEXUPPER.encode(plain).chars().map(|c| (c, true)).collect(),
        3 => BASE64,
        _ => BASE64URL,
    };
    let text = base64.encode(&[&around.0, plain, &around.1].concat());
    let known: Vec<_> = known_base64(&base64, around.0.len(), plain)
        .map(|(place, _)| place)
        .filter(|place| (place * 6) >= around.0.len() * 8)
        .collect();
    let characters = text.chars().enumerate();
    characters
        .map(|(place, character)| (character, known.contains(&place)))
        .collect()
}

/// Writes a character as it is (0 and 4 up), percent-encoded (1) or as in JSON (2, 3).
fn write(character: char, kind: u8, upper: bool) -> Vec<u8> {
    let mut utf8 = [0; 4];
    let utf8 = character.encode_utf8(&mut utf8);
    let short = match character {
        '"' | '/' | '\\' => Some(character),
        '\n' => Some('n'),
        '\t' => Some('t'),
        _ => None,
    };
    let hex = |prefix: &str, digits: String| {
        let digits = if upper { digits.to_uppercase() } else { digits };
        format!("{prefix}{digits}")
    };
    let written: String = match (kind, short) {
        (1, _) => utf8
            .bytes()
            .map(|byte| hex("%", format!("{byte:02x}")))
            .collect(),
        (2, Some(letter)) => format!("\\{letter}"),
        (2 | 3, _) => character
            .encode_utf16(&mut [0; 2])
            .iter()
            .map(|unit| hex("\\u", format!("{unit:04x}")))
            .collect(),
        _ => utf8.to_owned(),
    };
    written.into_bytes()
}
