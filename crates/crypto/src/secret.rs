use std::fmt;

use zeroize::Zeroizing;

/// Text that must not be printed, compared or kept: a password, a token, an opened credential.
///
/// It is overwritten when dropped. There is no `Display`, `Clone`, `PartialEq` or `Serialize`, and
/// `Debug` is redacted, so that every place that reads the text says [`expose`](Self::expose).
///
/// ```
/// use keyward_crypto::SecretText;
///
/// let secret = SecretText::new("whsec-1".to_owned());
/// assert_eq!(secret.expose(), "whsec-1");
/// assert!(!format!("{secret:?}").contains("whsec"));
/// ```
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Takes over `text`. Copies made before are the caller's to wipe.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no text at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<&str> for SecretText {
    fn from(text: &str) -> Self {
        Self::new(text.to_owned())
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(..)")
    }
}

#[cfg(feature = "serde")]
mod input {
    use std::fmt;

    use serde::de::{Deserialize, Deserializer, Error, Visitor};

    use super::SecretText;

    /// Takes a string and nothing else. No error repeats the input: a password that was sent as a
    /// number must not end up in the answer or in a log.
    impl<'de> Deserialize<'de> for SecretText {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            // Asked for a string, serde_json would write its own error, with the number in it.
            deserializer.deserialize_any(SecretVisitor)
        }
    }

    struct SecretVisitor;

    impl Visitor<'_> for SecretVisitor {
        type Value = SecretText;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<SecretText, E> {
            Ok(SecretText::from(text))
        }

        fn visit_string<E: Error>(self, text: String) -> Result<SecretText, E> {
            Ok(SecretText::new(text))
        }

        // serde's own versions of the methods below quote the value.

        fn visit_bool<E: Error>(self, _: bool) -> Result<SecretText, E> {
            Err(not_a_string())
        }

        fn visit_i64<E: Error>(self, _: i64) -> Result<SecretText, E> {
            Err(not_a_string())
        }

        fn visit_i128<E: Error>(self, _: i128) -> Result<SecretText, E> {
            Err(not_a_string())
        }

        fn visit_u64<E: Error>(self, _: u64) -> Result<SecretText, E> {
            Err(not_a_string())
        }

        fn visit_u128<E: Error>(self, _: u128) -> Result<SecretText, E> {
            Err(not_a_string())
        }

        fn visit_f64<E: Error>(self, _: f64) -> Result<SecretText, E> {
            Err(not_a_string())
        }
    }

    fn not_a_string<E: Error>() -> E {
        E::custom("invalid type, expected a string")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        let secret = SecretText::from("marker");
        assert_eq!(format!("{secret:?}"), "SecretText(..)");
    }

    #[test]
    fn the_length_is_in_bytes() {
        assert_eq!(SecretText::from("äb").len(), 3);
        assert!(!SecretText::from("äb").is_empty());
        assert!(SecretText::from("").is_empty());
    }

    #[cfg(feature = "serde")]
    mod input {
        use super::super::*;

        #[test]
        fn a_string_is_read() {
            let secret: SecretText = serde_json::from_str(r#""pass\u0077ord""#).unwrap();
            assert_eq!(secret.expose(), "password");
        }

        #[test]
        fn a_value_that_is_read_through_a_tree_works_too() {
            let secret: SecretText = serde_json::from_value("password".into()).unwrap();
            assert_eq!(secret.expose(), "password");
        }

        #[test]
        fn what_is_no_string_is_told_what_is_expected() {
            for input in ["31337", "true", "null", "[31337]", r#"{"31337": 31337}"#] {
                let error = serde_json::from_str::<SecretText>(input).unwrap_err();
                let told = error.to_string();
                assert!(told.contains("expected a string"), "{input}: {told}");
            }
        }

        #[test]
        fn no_error_repeats_the_input() {
            let inputs = [
                "31337",
                "-31337",
                "31337.5",
                "31337e3",
                "313373133731337313373133731337313373133731337",
                "true",
                "null",
                "[31337]",
                r#"{"31337": 31337}"#,
                r#""31337\q""#,
                r#""31337"#,
            ];
            for input in inputs {
                let direct = serde_json::from_str::<SecretText>(input).unwrap_err();
                assert!(!direct.to_string().contains("31337"), "{direct}");
                assert!(!direct.to_string().contains("true"), "{direct}");
                let Ok(tree) = serde_json::from_str::<serde_json::Value>(input) else {
                    continue;
                };
                let indirect = serde_json::from_value::<SecretText>(tree).unwrap_err();
                assert!(!indirect.to_string().contains("31337"), "{indirect}");
            }
        }
    }
}
