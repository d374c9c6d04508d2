use serde::{Deserialize, Serialize};

/// What a read shows of a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mask {
    /// Whether there is a value.
    pub set: bool,
    /// The last four characters of a value of 16 or more.
    pub last4: Option<String>,
    /// The value cannot be opened: its key is missing, or somebody changed it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unreadable: bool,
}

impl Mask {
    /// No value.
    pub(crate) const UNSET: Self = Self {
        set: false,
        last4: None,
        unreadable: false,
    };

    /// Whether both show the same value. A value can become unreadable between two reads.
    pub(crate) fn shows_the_same(&self, other: &Self) -> bool {
        self.set == other.set && self.last4 == other.last4
    }
}

/// The last four characters, where they are no more than a quarter of the value.
pub(crate) fn last4(value: &str) -> Option<String> {
    let length = value.chars().count();
    (length >= 16).then(|| value.chars().skip(length - 4).collect())
}

/// Whether a text is what some program shows in place of a secret. Storing it would destroy the
/// secret.
pub(crate) fn looks_masked(value: &str) -> bool {
    let value = value.trim();
    let word = value.trim_matches(|c: char| !c.is_ascii_alphabetic());
    let is_word = ["redacted", "masked", "hidden"]
        .iter()
        .any(|known| word.eq_ignore_ascii_case(known));
    is_word || longest_run(value) >= 4 || abbreviates(value)
}

/// The longest run of one of the characters that stand for hidden ones.
fn longest_run(value: &str) -> usize {
    let mut longest = 0;
    let mut run = 0;
    let mut previous = None;
    for c in value.chars() {
        let hides = matches!(c, '*' | '•' | '●' | '∙' | '·' | '█');
        run = match (hides, previous == Some(c)) {
            (true, true) => run + 1,
            (true, false) => 1,
            (false, _) => 0,
        };
        longest = longest.max(run);
        previous = Some(c);
    }
    longest
}

/// `sk-…wxyz`, `sk-...wxyz`: a short beginning, dots, a short end.
fn abbreviates(value: &str) -> bool {
    let dots = value.split_once('…').or_else(|| value.split_once("..."));
    dots.is_some_and(|(start, end)| {
        let end = end.trim_start_matches('.');
        start.chars().count() <= 8 && end.chars().count() <= 8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_four_are_shown_of_sixteen_or_more() {
        assert_eq!(last4("sk-abcdefghijkl"), None);
        assert_eq!(last4("sk-abcdefghijklm").as_deref(), Some("jklm"));
        assert_eq!(last4("ßßßßßßßßßßßßabßd").as_deref(), Some("abßd"));
        assert_eq!(last4(""), None);
    }

    #[test]
    fn what_programs_show_for_a_secret_is_recognised() {
        for text in [
            "****",
            "sk-1****wxyz",
            "********",
            "••••••••",
            "●●●●wxyz",
            "sk-...wxyz",
            "sk-…wxyz",
            "…wxyz",
            "...",
            "[REDACTED]",
            "<redacted>",
            "(hidden)",
            " **** ",
        ] {
            assert!(looks_masked(text), "{text}");
        }
    }

    #[test]
    fn real_secrets_are_not_taken_for_masks() {
        for text in [
            "",
            "sk-proj-4yKz0Q9a",
            "p*a*s*s",
            "a***b",
            "correct horse battery staple...yes indeed",
            "-----BEGIN KEY-----\nabc\n-----END KEY-----",
            "xxxxxxxxxxxxxxxx",
            "hunter2",
        ] {
            assert!(!looks_masked(text), "{text}");
        }
    }
}
