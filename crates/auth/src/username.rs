use std::fmt;

use unicase::UniCase;
use unicode_normalization::UnicodeNormalization;
use unicode_security::{GeneralSecurityProfile, MixedScript};

/// The name that a user signs in with, in its one canonical form.
///
/// Normalised (NFKC) and case-folded, so that spellings that look the same are the same. Refused
/// are white space, control and invisible characters, mixed scripts, and names in another script
/// that look like a name in Latin letters (UTS 39).
///
/// ```
/// use keyward_auth::{MalformedUsername, Username};
///
/// assert_eq!(Username::parse("Ａda")?, Username::parse("ADA")?);
/// assert_eq!(Username::parse("Ada")?.as_str(), "ada");
/// // The second letter is Cyrillic.
/// assert_eq!(Username::parse("a\u{434}min"), Err(MalformedUsername::Confusable));
/// # Ok::<(), MalformedUsername>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Username(String);

impl Username {
    /// Reads what somebody typed.
    pub fn parse(text: &str) -> Result<Self, MalformedUsername> {
        // Refused before the work of normalising is spent on it.
        if text.len() > MAX_INPUT_BYTES {
            return Err(MalformedUsername::Length);
        }
        let canonical = canonical(text);
        let characters = canonical.chars().count();
        if characters == 0 || characters > MAX_CHARACTERS {
            return Err(MalformedUsername::Length);
        }
        if !canonical.chars().all(is_allowed) {
            return Err(MalformedUsername::Character);
        }
        if !canonical.starts_with(char::is_alphanumeric) {
            return Err(MalformedUsername::Start);
        }
        if !canonical.is_single_script() || poses_as_ascii(&canonical) {
            return Err(MalformedUsername::Confusable);
        }
        Ok(Self(canonical))
    }

    /// Takes over a name that a store has read back. Rows are signed, so it is not checked again.
    #[must_use]
    pub fn from_stored(canonical: String) -> Self {
        Self(canonical)
    }

    /// Whether the name is one of those that agents have and nobody else: `agent_…`.
    #[must_use]
    pub fn is_of_agent(&self) -> bool {
        self.0.starts_with(AGENT_PREFIX)
    }

    /// The canonical form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is not a user name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MalformedUsername {
    /// Empty or too long.
    #[error("a user name has 1 to 64 characters")]
    Length,
    /// A character that no name may have.
    #[error("a user name consists of letters, digits and . _ - @ +")]
    Character,
    /// It begins with punctuation.
    #[error("a user name begins with a letter or a digit")]
    Start,
    /// It can be mistaken for another name.
    #[error("the user name mixes scripts or looks like a name in another script")]
    Confusable,
}

/// Folding can undo normalisation and the other way round, so both are done until nothing changes
/// (twice is enough for every character of Unicode; the test goes through all of them).
fn canonical(text: &str) -> String {
    let fold = |text: &str| UniCase::unicode(text).to_folded_case();
    let once: String = fold(&text.nfkc().collect::<String>()).nfkc().collect();
    fold(&once).nfkc().collect()
}

fn is_allowed(c: char) -> bool {
    match c {
        '.' | '_' | '-' | '@' | '+' => true,
        c if c.is_ascii() => c.is_ascii_alphanumeric(),
        // UTS 39 excludes what is invisible, obsolete or for technical use.
        c => GeneralSecurityProfile::identifier_allowed(c) && !c.is_whitespace(),
    }
}

fn poses_as_ascii(canonical: &str) -> bool {
    !canonical.is_ascii()
        && unicode_security::skeleton(canonical).all(|c| c.is_ascii() && !c.is_ascii_control())
}

/// What the names of all agents begin with.
pub const AGENT_PREFIX: &str = "agent_";

const MAX_CHARACTERS: usize = 64;
const MAX_INPUT_BYTES: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<String, MalformedUsername> {
        Username::parse(text).map(|name| name.0)
    }

    #[test]
    fn spellings_of_one_name_are_one_name() {
        for text in ["ada", "ADA", "Ada", "ａｄａ", "\u{1d5ba}da", "ᴬda"] {
            assert_eq!(parse(text).as_deref(), Ok("ada"), "{text}");
        }
        assert_eq!(parse("Stra\u{df}e"), parse("STRASSE"));
        assert_eq!(parse("caf\u{e9}"), parse("cafe\u{301}"));
    }

    #[test]
    fn the_canonical_form_of_every_character_is_its_own_canonical_form() {
        for c in '\0'..=char::MAX {
            if let Ok(name) = parse(&format!("a{c}")) {
                assert_eq!(parse(&name).as_ref(), Ok(&name), "U+{:04X}", u32::from(c));
            }
        }
    }

    #[test]
    fn what_cannot_be_seen_is_refused() {
        for text in [
            " ada",
            "ada ",
            "a da",
            "ada\0",
            "ada\n",
            "ada\u{a0}",
            "ada\u{200b}",
            "ada\u{200d}",
            "ada\u{2060}",
            "\u{202e}ada",
            "ada\u{fe0f}",
            "ada\u{ad}",
        ] {
            assert_eq!(parse(text), Err(MalformedUsername::Character), "{text:?}");
        }
    }

    #[test]
    fn other_punctuation_is_refused_even_where_unicode_has_it_in_identifiers() {
        for text in ["o'brien", "ada:admin", "ada/admin", "ada%00"] {
            assert_eq!(parse(text), Err(MalformedUsername::Character), "{text}");
        }
    }

    #[test]
    fn names_that_look_like_another_are_refused() {
        for text in ["аdmin", "admіn", "сосо", "ѕсоре", "ɑdmin", "αdmin"] {
            assert!(parse(text).is_err(), "{text}");
        }
        for text in [
            "анна",
            "мария",
            "李雷",
            "ada.lovelace+ops@example.org",
            "agent_1",
        ] {
            assert!(parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn the_prefix_of_agents_is_known_in_every_spelling() {
        for text in ["agent_1", "AGENT_x", "ａｇｅｎｔ_1", "Agent_a"] {
            assert!(Username::parse(text).unwrap().is_of_agent(), "{text}");
        }
        for text in ["agent", "agent-1", "agents_1", "my.agent_1"] {
            assert!(!Username::parse(text).unwrap().is_of_agent(), "{text}");
        }
    }

    #[test]
    fn the_length_is_counted_in_characters() {
        assert_eq!(parse(""), Err(MalformedUsername::Length));
        assert!(parse(&"a".repeat(64)).is_ok());
        assert_eq!(parse(&"a".repeat(65)), Err(MalformedUsername::Length));
        assert_eq!(parse(&"ﷺ".repeat(200)), Err(MalformedUsername::Length));
    }

    #[test]
    fn a_name_begins_with_a_letter_or_a_digit() {
        for text in [".ada", "-ada", "_ada", "@ada", "+1"] {
            assert_eq!(parse(text), Err(MalformedUsername::Start), "{text}");
        }
    }
}
