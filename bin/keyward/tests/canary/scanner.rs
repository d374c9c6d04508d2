use std::fmt::Write as _;

use data_encoding::{BASE64, BASE64URL, HEXLOWER, HEXUPPER};

/// Finds secrets in bytes, in every form in which they could have come there.
pub(crate) struct Scanner {
    needles: Vec<Needle>,
    /// The needles that begin with these two bytes.
    starts: Vec<Vec<usize>>,
}

struct Needle {
    /// Which secret.
    name: String,
    form: &'static str,
    bytes: Vec<u8>,
}

/// What was found, and how it was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    pub(crate) name: String,
    pub(crate) form: &'static str,
}

impl Scanner {
    pub(crate) fn new<'a>(secrets: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let needles: Vec<_> = secrets
            .into_iter()
            .flat_map(|(name, secret)| {
                assert!(secret.len() >= 24, "{name} is too short to be unique");
                forms(secret).into_iter().map(|(form, text)| Needle {
                    name: name.to_owned(),
                    form,
                    bytes: text.into_bytes(),
                })
            })
            .collect();
        let mut starts = vec![Vec::new(); 1 << 16];
        for (number, needle) in needles.iter().enumerate() {
            starts[start(&needle.bytes)].push(number);
        }
        Self { needles, starts }
    }

    /// Every secret that is somewhere in `text`, each form once.
    pub(crate) fn scan(&self, text: &[u8]) -> Vec<Finding> {
        let mut found: Vec<_> = (0..text.len().saturating_sub(1))
            .flat_map(|place| {
                let rest = &text[place..];
                self.starts[start(rest)]
                    .iter()
                    .map(|number| &self.needles[*number])
                    .filter(|needle| rest.starts_with(&needle.bytes))
            })
            .map(|needle| Finding {
                name: needle.name.clone(),
                form: needle.form,
            })
            .collect();
        found.sort();
        found.dedup();
        found
    }
}

fn start(text: &[u8]) -> usize {
    usize::from(text[0]) << 8 | usize::from(text[1])
}

/// The ways to write a secret, by name. What begins with "part" is a piece of the secret that is
/// long enough to do harm.
pub(crate) fn forms(secret: &str) -> Vec<(&'static str, String)> {
    let bytes = secret.as_bytes();
    let each = |write: &dyn Fn(&u8) -> String| bytes.iter().map(write).collect::<String>();
    let mut forms = vec![
        ("raw", secret.to_owned()),
        ("part: its first 16", secret[..16].to_owned()),
        ("part: its last 16", secret[secret.len() - 16..].to_owned()),
        ("reversed", secret.chars().rev().collect()),
        ("hex", HEXLOWER.encode(bytes)),
        ("HEX", HEXUPPER.encode(bytes)),
        ("url", each(&|byte| format!("%{byte:02x}"))),
        ("URL", each(&|byte| format!("%{byte:02X}"))),
        ("json", each(&|byte| format!("\\u{byte:04x}"))),
        ("JSON", each(&|byte| format!("\\u{byte:04X}"))),
        ("wide", each(&|byte| format!("{}\0", char::from(*byte)))),
        ("bytes", list_of_numbers(bytes)),
    ];
    for (alignment, (standard, url_safe)) in BASE64_FORMS.iter().enumerate() {
        forms.push((standard, base64(&BASE64, bytes, alignment)));
        forms.push((url_safe, base64(&BASE64URL, bytes, alignment)));
    }
    forms
}

/// The characters that stand for the secret and nothing else, when `before` bytes come before it.
fn base64(encoding: &data_encoding::Encoding, secret: &[u8], before: usize) -> String {
    let text = [&vec![0; before], secret].concat();
    let encoded = encoding.encode(&text);
    let first = (before * 8).div_ceil(6);
    let last = text.len() * 8 / 6;
    encoded[first..last].to_owned()
}

/// As `Debug` shows bytes.
fn list_of_numbers(bytes: &[u8]) -> String {
    let mut list = String::new();
    for (place, byte) in bytes.iter().enumerate() {
        let comma = if place == 0 { "" } else { ", " };
        write!(list, "{comma}{byte}").unwrap();
    }
    list
}

const BASE64_FORMS: [(&str, &str); 3] = [
    ("base64", "base64url"),
    ("base64, one before", "base64url, one before"),
    ("base64, two before", "base64url, two before"),
];

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "Zq81mfTrUx04LwPd62NyKvBs";

    fn found_in(text: &[u8]) -> Vec<&'static str> {
        let scanner = Scanner::new([("secret", SECRET)]);
        scanner
            .scan(text)
            .into_iter()
            .map(|found| found.form)
            .collect()
    }

    #[test]
    fn every_form_is_found_within_other_bytes() {
        for (form, text) in forms(SECRET) {
            let text = format!("before {text}, after");
            assert!(found_in(text.as_bytes()).contains(&form), "{form}");
        }
        assert_eq!(found_in(b"nothing is here, nor in \xff\xfe"), [""; 0]);
        assert_eq!(found_in(b""), [""; 0]);
    }

    #[test]
    fn base64_is_found_wherever_the_secret_begins() {
        for before in ["", "a", "ab", "abc", "abcd", "{\"key\":\""] {
            for after in ["", "\"", "\"}"] {
                let text = BASE64.encode(format!("{before}{SECRET}{after}").as_bytes());
                let found = found_in(text.as_bytes());
                assert!(
                    found.iter().any(|form| form.starts_with("base64")),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn a_part_is_found_too() {
        let cut = &SECRET[..20];
        assert_eq!(found_in(cut.as_bytes()), ["part: its first 16"]);
    }
}
