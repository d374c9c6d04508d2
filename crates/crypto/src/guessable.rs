//! What is guessed first, however long it is. Texts are given in lower case.

use std::ops::Range;
use std::sync::LazyLock;

use zeroize::Zeroizing;

/// Whether many people use the password, or it is a short text over and over, or a row such as
/// `abcdefghijkl`.
pub(crate) fn is_guessable(lower: &str) -> bool {
    let bytes = lower.as_bytes();
    COMMON.binary_search(&lower).is_ok() || is_repetition(bytes) || is_row(bytes)
}

/// The text in lower case, without copies that nobody overwrites.
pub(crate) fn lower_case(text: &str) -> Zeroizing<String> {
    // Room for the longest, so that the text is never moved: a character becomes three at most.
    let mut lower = Zeroizing::new(String::with_capacity(text.len().saturating_mul(3)));
    lower.extend(text.chars().flat_map(char::to_lowercase));
    lower
}

/// What is left of the text when every occurrence of `words` is taken out; they may overlap.
pub(crate) fn without(lower: &str, words: &[Zeroizing<String>]) -> Zeroizing<String> {
    let taken: Vec<_> = words.iter().flat_map(|word| places(lower, word)).collect();
    let is_left = |index| !taken.iter().any(|place| place.contains(&index));
    let mut left = Zeroizing::new(String::with_capacity(lower.len()));
    left.extend(
        lower
            .char_indices()
            .filter_map(|(index, character)| is_left(index).then_some(character)),
    );
    left
}

fn places(text: &str, word: &str) -> impl Iterator<Item = Range<usize>> {
    text.match_indices(word)
        .map(|(start, found)| start..start.saturating_add(found.len()))
}

/// Whether a text of at most [`LONGEST_UNIT`] bytes comes at least twice and fills the whole, the
/// last time perhaps in part.
fn is_repetition(bytes: &[u8]) -> bool {
    let longest = LONGEST_UNIT.min(bytes.len() / 2);
    (1..=longest).any(|unit| {
        bytes
            .iter()
            .zip(bytes.iter().skip(unit))
            .all(|(a, b)| a == b)
    })
}

/// Whether all are neighbours in the alphabet or among the digits, forwards or backwards. After the
/// last comes the first.
fn is_row(bytes: &[u8]) -> bool {
    let pairs = || bytes.iter().zip(bytes.iter().skip(1));
    pairs().all(|(a, b)| next(*a) == Some(*b)) || pairs().all(|(a, b)| next(*b) == Some(*a))
}

fn next(byte: u8) -> Option<u8> {
    match byte {
        b'9' => Some(b'0'),
        b'z' => Some(b'a'),
        b'0'..=b'8' | b'a'..=b'y' => Some(byte.saturating_add(1)),
        _ => None,
    }
}

/// See `data/README.md`.
static COMMON: LazyLock<Vec<&str>> = LazyLock::new(|| {
    include_str!("../data/common-passwords.txt")
        .lines()
        .collect()
});

/// A longer text over and over is long enough itself.
const LONGEST_UNIT: usize = 11;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_each_is_there_once_in_lower_case_and_long_enough_to_be_chosen() {
        assert!(COMMON.is_sorted_by(|one, next| one < next));
        for password in COMMON.iter() {
            assert!(password.len() >= 12, "{password}");
            assert_eq!(*password, lower_case(password).as_str());
        }
    }

    #[test]
    fn the_list_has_the_three_thousand_most_used_and_more() {
        assert!(COMMON.len() >= 3_000, "{}", COMMON.len());
        for password in [
            "123qweasdzxc",
            "1q2w3e4r5t6y",
            "qwerty123456",
            "unbelievable",
        ] {
            assert!(is_guessable(password), "{password}");
        }
    }

    #[test]
    fn a_short_text_over_and_over_is_guessable_and_a_long_one_is_not() {
        for text in [
            "~~~~~~~~~~~~",
            "#1v#1v#1v#1v",
            "#1v#1v#1v#1v#",
            "k-7wk-7wk-7w",
            "ßßßßßß",
        ] {
            assert!(is_guessable(text), "{text}");
        }
        assert!(is_guessable(&"elevenchars".repeat(2)));
        assert!(!is_guessable(&"twelve chars".repeat(2)));
        assert!(!is_guessable("#1v#1v#1v#1x"), "the end is another");
        assert!(!is_guessable("#1v-9q#1v-9"), "not twice");
    }

    #[test]
    fn a_row_of_neighbours_is_guessable_in_both_directions() {
        for text in [
            "345678901234",
            "432109876543",
            "rstuvwxyzabc",
            "mlkjihgfedcba",
        ] {
            assert!(is_row(text.as_bytes()), "{text}");
            assert!(is_guessable(text), "{text}");
        }
        for text in [
            "345678901235",
            "rstuvwxyz012",
            "456789:;<=>?",
            "rstuvutsrqpo",
        ] {
            assert!(!is_row(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn words_are_taken_out_wherever_they_are_and_however_they_overlap() {
        let left = |text, words: &[&str]| {
            let words: Vec<_> = words.iter().map(|word| lower_case(word)).collect();
            without(text, &words).to_string()
        };
        assert_eq!(left("ada likes ada", &["ada"]), " likes ");
        assert_eq!(left("1keyward2", &["keyword", "key", "ward"]), "12");
        assert_eq!(left("abcde", &["abc", "cde"]), "");
        assert_eq!(left("straße 12", &["straße"]), " 12");
        assert_eq!(left("nothing", &["else"]), "nothing");
    }

    #[test]
    fn lower_case_moves_nothing_while_it_grows() {
        for text in ["İ".repeat(500), "Σ".repeat(500), "ꙊȺȾ".repeat(300)] {
            let lower = lower_case(&text);
            assert_eq!(
                lower.as_str(),
                text.chars()
                    .flat_map(char::to_lowercase)
                    .collect::<String>()
            );
            assert!(lower.len() <= text.len() * 3);
        }
    }
}
