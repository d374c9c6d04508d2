use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A one-time code as an authenticator app shows it: six digits of ASCII.
pub type TotpCode = OneTimeCode<6>;

/// A one-time code by which an agent proves to one receiver who it is: eight digits of ASCII.
pub type ProofCode = OneTimeCode<8>;

/// A one-time code of so many digits of ASCII.
///
/// Overwritten when dropped, redacted in `Debug`. It cannot be compared: whether it is right is
/// for [`TotpSecret::matched_step`](crate::TotpSecret::matched_step) and
/// [`ProofKey::matched_step`](crate::ProofKey::matched_step) to say.
pub struct OneTimeCode<const DIGITS: usize>(Zeroizing<String>);

impl<const DIGITS: usize> OneTimeCode<DIGITS> {
    /// Reads a code. There is one spelling: nothing is trimmed, and no digits but those of ASCII
    /// count.
    pub fn parse(text: &str) -> Result<Self, MalformedCode> {
        if text.len() != DIGITS || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(MalformedCode);
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// The digits.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Takes over what was computed, which has as many digits.
    pub(crate) fn computed(digits: String) -> Self {
        Self(Zeroizing::new(digits))
    }

    pub(crate) fn ct_eq(&self, other: &Self) -> subtle::Choice {
        self.0.as_bytes().ct_eq(other.0.as_bytes())
    }
}

impl<const DIGITS: usize> fmt::Debug for OneTimeCode<DIGITS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneTimeCode(..)")
    }
}

#[cfg(feature = "serde")]
impl<'de, const DIGITS: usize> serde::Deserialize<'de> for OneTimeCode<DIGITS> {
    /// Takes a string of so many digits. No error repeats the input.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = crate::SecretText::deserialize(deserializer)?;
        Self::parse(text.expose()).map_err(serde::de::Error::custom)
    }
}

/// The text is not a code of this kind, or is not spelled as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed code")]
pub struct MalformedCode;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn six_digits_are_a_code() {
        for text in ["000000", "000001", "123456", "999999"] {
            assert_eq!(TotpCode::parse(text).unwrap().expose(), text);
        }
    }

    #[test]
    fn a_proof_has_eight_digits() {
        assert_eq!(ProofCode::parse("00000001").unwrap().expose(), "00000001");
        for text in [
            "",
            "000001",
            "1234567",
            "123456789",
            "1234567a",
            " 12345678",
        ] {
            assert_eq!(ProofCode::parse(text).unwrap_err(), MalformedCode, "{text}");
        }
        assert_eq!(TotpCode::parse("12345678").unwrap_err(), MalformedCode);
    }

    #[test]
    fn there_is_no_other_spelling() {
        let refused = [
            "",
            "0",
            "12345",
            "1234567",
            // A leading zero dropped or added.
            "01234",
            "0123456",
            "0x1234",
            "1e0005",
            "12345a",
            "+12345",
            "-12345",
            "+123456",
            "1234.5",
            "123,45",
            "123 456",
            "12 456",
            "123-456",
            "123_456",
            " 123456",
            "123456 ",
            " 12345",
            "12345 ",
            "\t123456",
            "123456\n",
            "12345\n",
            "12345\0",
            "123456\0",
            // No-break, narrow, zero-width and ideographic spaces, byte order mark.
            "123\u{a0}456",
            "\u{a0}1234",
            "1234\u{a0}",
            "123\u{202f}456",
            "123456\u{200b}",
            "\u{200b}123",
            "123\u{3000}456",
            "\u{feff}123456",
            "\u{feff}123",
            // Marks that change the direction.
            "\u{200f}123456",
            "\u{200f}123",
            "\u{202e}654321",
            "\u{2067}123456\u{2069}",
            // Digits of other scripts: full-width, Arabic, Devanagari, mathematical, superscript.
            "\u{ff11}\u{ff12}\u{ff13}\u{ff14}\u{ff15}\u{ff16}",
            "\u{ff11}\u{ff12}",
            "\u{661}\u{662}\u{663}\u{664}\u{665}\u{666}",
            "\u{661}\u{662}\u{663}",
            "\u{967}\u{968}\u{969}\u{96a}\u{96b}\u{96c}",
            "\u{967}\u{968}",
            "\u{1d7cf}\u{1d7d0}\u{1d7d1}\u{1d7d2}\u{1d7d3}\u{1d7d4}",
            "12345\u{b2}",
            "1234\u{b2}",
            "\u{2460}\u{2461}\u{2462}\u{2463}\u{2464}\u{2465}",
            "1\u{fe0f}\u{20e3}23456",
        ];
        for text in refused {
            assert_eq!(
                TotpCode::parse(text).unwrap_err(),
                MalformedCode,
                "{text:?}"
            );
        }
    }

    #[test]
    fn debug_and_errors_show_nothing() {
        let code = TotpCode::parse("123456").unwrap();
        assert_eq!(format!("{code:?}"), "OneTimeCode(..)");
        assert_eq!(MalformedCode.to_string(), "malformed code");
    }

    proptest! {
        #[test]
        fn every_number_below_a_million_reads_back(number in 0..1_000_000) {
            let text = format!("{number:06}");
            let code = TotpCode::parse(&text).unwrap();
            prop_assert_eq!(code.expose(), text);
        }

        #[test]
        fn only_six_ascii_digits_are_taken(text in ".{0,12}") {
            let is_code = text.len() == 6 && text.chars().all(|c| c.is_ascii_digit());
            prop_assert_eq!(TotpCode::parse(&text).is_ok(), is_code);
        }

        #[test]
        fn only_six_of_any_digits_in_ascii_are_taken(text in "\\p{Nd}{6}|[0-9]{4}\\p{Nd}[0-9]") {
            prop_assert_eq!(TotpCode::parse(&text).is_ok(), text.is_ascii());
        }
    }

    #[cfg(feature = "serde")]
    mod input {
        use super::super::*;

        #[test]
        fn a_string_of_six_digits_is_read() {
            let code: TotpCode = serde_json::from_str(r#""012345""#).unwrap();
            assert_eq!(code.expose(), "012345");
        }

        #[test]
        fn nothing_else_is_read_or_repeated() {
            let inputs = [
                "313373",
                "31337.3",
                "\"31337\"",
                "\" 313373\"",
                "[313373]",
                "null",
            ];
            for input in inputs {
                let error = serde_json::from_str::<TotpCode>(input).unwrap_err();
                assert!(!error.to_string().contains("31337"), "{error}");
            }
        }
    }
}
