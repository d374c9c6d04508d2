use std::fmt;

use crate::kit::KitError;

/// Why a text is no kit and no share. No message repeats anything of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// No line begins with a number and a colon.
    #[error(
        "there is no line of a recovery kit in it; such a line begins with its number and a colon, \
         for example `1:`"
    )]
    Nothing,
    /// Lines do not fit their checksums.
    #[error("{}; compare every character with the paper", told(.0))]
    Mistyped(Vec<Mistyped>),
    /// Lines are not there, counted from 1.
    #[error("{} missing; add what is on the paper, each line with its number and a colon", lines(.0))]
    Missing(Vec<u16>),
    /// A line is there twice.
    #[error("line {0} is there twice; remove one of the two")]
    Doubled(u16),
    /// There are more lines than the page has.
    #[error("line {0} is more than the page has; remove it")]
    TooMany(u16),
    /// A later version of Keyward made it.
    #[error("a later version of Keyward has made this page; read it with that one")]
    UnknownForm,
    /// Every line fits its own checksum, but not all of them that of the page.
    #[error(
        "every line is right in itself, but they do not belong together; check that all of them \
         are from the same page"
    )]
    Damaged,
    /// It is a kit, with keys in it that this version does not take.
    #[error(transparent)]
    Unusable(#[from] KitError),
}

/// A line that does not fit its checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mistyped {
    /// The number that it begins with.
    pub number: u16,
    /// Where it is in the text, counted from 1.
    pub at: usize,
}

impl fmt::Display for Mistyped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: (at line {} of the text)", self.number, self.at)
    }
}

fn told(mistyped: &[Mistyped]) -> String {
    let lines: Vec<_> = mistyped.iter().map(Mistyped::to_string).collect();
    match lines.as_slice() {
        [one] => format!("there is a typing error in {one}"),
        many => format!("there are typing errors in {}", many.join(", ")),
    }
}

fn lines(numbers: &[u16]) -> String {
    let texts: Vec<_> = numbers.iter().map(u16::to_string).collect();
    match texts.as_slice() {
        [one] => format!("line {one} is"),
        many => format!("lines {} are", many.join(", ")),
    }
}
