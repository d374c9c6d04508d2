use std::borrow::Cow;
use std::fmt;

use super::index::{Gram, Heads, Index};
use super::pattern::{Pattern, patterns_of};
use super::scan::Found;

/// What to look for: the injected values of one request, in all their encodings.
///
/// Each value is found as it stands, in base64 of either alphabet and at any place in a longer
/// text, and in hexadecimal; and in each of these any character may be percent-encoded or escaped
/// as in JSON (RFC 8259 §7). Cheap enough to be made for every request.
///
/// `Debug` tells nothing of the values, and their memory is overwritten in the end.
pub struct Needles {
    pub(super) patterns: Vec<Pattern>,
    /// The stride of the search, and with it the length of the heads.
    pub(super) stride: usize,
    /// Where four bytes that follow each other stand in the heads.
    pub(super) grams: Index,
    /// Where one byte stands in the heads.
    pub(super) bytes: Index,
    longest: usize,
}

impl Needles {
    /// The shortest value that is looked for, in bytes.
    pub const SHORTEST: usize = 8;

    /// Needles for `values`. Those shorter than [`Needles::SHORTEST`] are left out: they occur by
    /// chance, and what was replaced would tell them.
    pub fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let values = values.into_iter();
        let long_enough = values.filter(|value| value.len() >= Self::SHORTEST);
        let mut patterns: Vec<Pattern> = long_enough.flat_map(patterns_of).collect();
        patterns.sort_unstable_by(|one, other| one.as_bytes().cmp(other.as_bytes()));
        patterns.dedup();
        let shortest = patterns
            .iter()
            .map(Pattern::len)
            .min()
            .unwrap_or(Self::SHORTEST);
        let stride = (shortest - (GRAM - 1)).min(LONGEST_STRIDE);
        let heads = Heads::new(&patterns, stride + GRAM - 1);
        Self {
            grams: heads.grams(),
            bytes: heads.bytes(),
            longest: patterns.iter().map(Pattern::longest).max().unwrap_or(0),
            stride,
            patterns,
        }
    }

    /// Whether nothing is looked for, so that there is no need to scrub.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// `value` with stars in place of the secrets, for what comes in one piece, such as a header.
    #[must_use]
    pub fn scrub_value<'v>(&self, value: &'v [u8]) -> Cow<'v, [u8]> {
        let found = self.scan(value, value.len());
        if found.matches.is_empty() {
            return Cow::Borrowed(value);
        }
        let mut value = value.to_vec();
        found.star(&mut value, 0);
        Cow::Owned(value)
    }

    /// No spelling of a secret is longer.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// The first bytes of a pattern: long enough that the stride never steps over them.
    pub(super) fn head(&self) -> usize {
        self.stride + GRAM - 1
    }

    pub(super) fn scan(&self, data: &[u8], starts: usize) -> Found {
        if self.is_empty() {
            return Found::default();
        }
        super::scan::scan(self, data, starts)
    }
}

impl fmt::Debug for Needles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Needles(..)")
    }
}

const GRAM: usize = size_of::<Gram>();

/// A longer one is hardly faster, and more grams would have to be indexed for every request.
const LONGEST_STRIDE: usize = 16;
