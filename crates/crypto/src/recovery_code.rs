use std::fmt;

use data_encoding::BASE32_NOPAD;
use zeroize::Zeroizing;

use crate::mac::Mac;
use crate::mac_purpose::MacPurpose;
use crate::random::random_bytes;
use crate::secret_key::MacRing;
use crate::totp_code::MalformedCode;

/// One of the codes that let somebody in once without the authenticator app:
/// `xxxx-xxxx-xxxx-xxxx`, 80 random bits.
///
/// Keep [`mac`](Self::mac) instead. Overwritten when dropped, redacted in `Debug`; there is no
/// `Display`, `Clone` or `PartialEq`.
///
/// ```
/// use keyward_crypto::{MacRing, RecoveryCode};
///
/// let macs = MacRing::parse(MacRing::generate_secret().expose())?;
/// let code = RecoveryCode::generate();
/// let stored = code.mac(&macs, b"user-7");
///
/// let typed = RecoveryCode::parse(&code.expose().to_uppercase())?;
/// assert!(typed.matches(&macs, b"user-7", &stored));
/// assert!(!typed.matches(&macs, b"user-8", &stored));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct RecoveryCode(Zeroizing<String>);

impl RecoveryCode {
    /// Draws a new code.
    ///
    /// # Panics
    ///
    /// If the operating system has no randomness, see [`random_bytes`].
    #[must_use]
    pub fn generate() -> Self {
        let bytes = Zeroizing::new(random_bytes::<RANDOM_BYTES>());
        let mut digits = Zeroizing::new(BASE32_NOPAD.encode(&*bytes));
        digits.make_ascii_lowercase();
        Self::grouped(&digits)
    }

    /// Reads a code as typed: hyphens and the case of letters make no difference, anything else
    /// does.
    pub fn parse(text: &str) -> Result<Self, MalformedCode> {
        let digits = canonical(text);
        if digits.len() != DIGITS || !digits.bytes().all(is_digit) {
            return Err(MalformedCode);
        }
        Ok(Self::grouped(&digits))
    }

    /// The code in groups, for the one response that hands it to its owner.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    // A fast MAC is enough: there are 80 random bits to guess, and a key that the database lacks.

    /// What to store for this user, and to compare with later by [`matches`](Self::matches).
    #[must_use]
    pub fn mac(&self, ring: &MacRing, user: &[u8]) -> Mac {
        let digits = canonical(&self.0);
        ring.mac(MacPurpose::RecoveryCode, &[user, digits.as_bytes()])
    }

    /// Whether `mac` was made of this code for this user.
    #[must_use]
    pub fn matches(&self, ring: &MacRing, user: &[u8], mac: &Mac) -> bool {
        let digits = canonical(&self.0);
        ring.verify(MacPurpose::RecoveryCode, &[user, digits.as_bytes()], mac)
    }

    fn grouped(digits: &str) -> Self {
        // All space at once: a string that grows leaves its old bytes behind.
        let mut text = Zeroizing::new(String::with_capacity(DIGITS + DIGITS / GROUP));
        for (position, digit) in digits.chars().enumerate() {
            if position > 0 && position % GROUP == 0 {
                text.push('-');
            }
            text.push(digit);
        }
        Self(text)
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode(..)")
    }
}

/// The form that MACs are made of: lower case, without hyphens.
fn canonical(text: &str) -> Zeroizing<String> {
    let mut digits = Zeroizing::new(String::with_capacity(text.len()));
    let without_hyphens = text.chars().filter(|character| *character != '-');
    digits.extend(without_hyphens.map(|character| character.to_ascii_lowercase()));
    digits
}

/// Whether this is a digit of base32 (RFC 4648, section 6), in lower case.
fn is_digit(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'2'..=b'7')
}

const RANDOM_BYTES: usize = 10;
/// Five bits each.
const DIGITS: usize = RANDOM_BYTES * 8 / 5;
const GROUP: usize = 4;

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use proptest::prelude::*;

    use super::*;

    const USER: &[u8] = b"sixteen bytes id";

    fn ring() -> MacRing {
        MacRing::parse(MacRing::generate_secret().expose()).unwrap()
    }

    #[test]
    fn a_generated_code_is_four_groups_of_four() {
        for _ in 0..1000 {
            let code = RecoveryCode::generate();
            let groups: Vec<_> = code.expose().split('-').collect();
            assert_eq!(groups.len(), 4);
            for group in groups {
                assert_eq!(group.len(), 4);
                assert!(group.bytes().all(is_digit), "{group}");
            }
            let read = RecoveryCode::parse(code.expose()).unwrap();
            assert_eq!(read.expose(), code.expose());
        }
    }

    #[test]
    fn ten_thousand_codes_differ_and_use_every_digit_about_as_often() {
        let codes: HashSet<_> = (0..10_000)
            .map(|_| canonical(RecoveryCode::generate().expose()).to_string())
            .collect();
        assert_eq!(codes.len(), 10_000);
        // 10,000 codes times 1 in 32 is 313 at each place, with a standard deviation of 17.
        for place in 0..16 {
            let mut counts = BTreeMap::new();
            for code in &codes {
                *counts.entry(code.as_bytes()[place]).or_insert(0) += 1;
            }
            assert_eq!(counts.len(), 32, "place {place}");
            for (digit, count) in counts {
                let digit = char::from(digit);
                assert!((200..430).contains(&count), "{digit} at {place}: {count}");
            }
        }
    }

    #[test]
    fn hyphens_and_case_make_no_difference() {
        let ring = ring();
        let mac = RecoveryCode::parse("abcd-efgh-ijkl-2347")
            .unwrap()
            .mac(&ring, USER);
        for text in [
            "abcdefghijkl2347",
            "ABCDEFGHIJKL2347",
            "AbCd-eFgH-ijkl-2347",
            "a-b-c-d-e-f-g-h-i-j-k-l-2-3-4-7",
            "--abcdefgh--ijkl2347-",
        ] {
            let code = RecoveryCode::parse(text).unwrap();
            assert_eq!(code.expose(), "abcd-efgh-ijkl-2347", "{text}");
            assert!(code.matches(&ring, USER, &mac), "{text}");
        }
    }

    #[test]
    fn other_text_is_no_code() {
        let refused = [
            "",
            "-",
            "abcd-efgh-ijkl-234",
            "abcd-efgh-ijkl-23456",
            " abcd-efgh-ijkl-2347",
            "abcd-efgh-ijkl-2347 ",
            "abcd-efgh-ijkl-2347\n",
            "abcd efgh ijkl 2347",
            "abcd_efgh_ijkl_2347",
            "abcd\u{2010}efgh\u{2010}ijkl\u{2010}2347",
            "abcd\u{2013}efgh\u{2013}ijkl\u{2013}2347",
            "abcd-efgh-ijkl-2340",
            "abcd-efgh-ijkl-2341",
            "abcd-efgh-ijkl-2348",
            "abcd-efgh-ijkl-2349",
            "abcd-efgh-ijkl-234=",
            // The sign of kelvin is a k in lower case, but not in ASCII.
            "abcd-efgh-ij\u{212a}l-2347",
            "abcd-efgh-ij\u{212a}l-2",
            "\u{ff41}bcd-efgh-ijkl-2347",
            "abcd-efgh-ijkl-\u{ff12}347",
            "\u{200b}abcd-efgh-ijkl-2347",
        ];
        for text in refused {
            let error = RecoveryCode::parse(text).unwrap_err();
            assert_eq!(error, MalformedCode, "{text:?}");
        }
    }

    #[test]
    fn a_code_matches_for_its_own_user_only() {
        let ring = ring();
        let code = RecoveryCode::generate();
        let mac = code.mac(&ring, USER);

        assert!(code.matches(&ring, USER, &mac));
        assert!(!code.matches(&ring, b"another bytes id", &mac));
        assert!(!code.matches(&ring, b"", &mac));
        assert_ne!(code.mac(&ring, b"another bytes id"), mac);
    }

    #[test]
    fn a_mac_is_of_one_code_one_secret_and_one_purpose() {
        let (ring, other_ring) = (ring(), ring());
        let code = RecoveryCode::generate();
        let mac = code.mac(&ring, USER);

        assert!(!RecoveryCode::generate().matches(&ring, USER, &mac));
        assert!(!code.matches(&other_ring, USER, &mac));
        let digits = canonical(code.expose());
        let parts: [&[u8]; 2] = [USER, digits.as_bytes()];
        for purpose in MacPurpose::ALL {
            let fits = ring.verify(purpose, &parts, &mac);
            assert_eq!(fits, purpose == MacPurpose::RecoveryCode, "{purpose:?}");
        }
    }

    #[test]
    fn debug_shows_nothing() {
        let code = RecoveryCode::generate();
        assert_eq!(format!("{code:?}"), "RecoveryCode(..)");
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(text in "[a-zA-Z2-7]{16}") {
            let code = RecoveryCode::parse(&text).unwrap();
            let read = RecoveryCode::parse(code.expose()).unwrap();
            prop_assert_eq!(read.expose(), code.expose());
            prop_assert_eq!(code.expose().replace('-', ""), text.to_lowercase());
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,40}|[a-zA-Z0-9-]{14,22}") {
            let digits = text.replace('-', "");
            let is_code = digits.len() == 16
                && digits.chars().all(|c| matches!(c, 'a'..='z' | 'A'..='Z' | '2'..='7'));
            prop_assert_eq!(RecoveryCode::parse(&text).is_ok(), is_code);
        }
    }
}
