//! Finds where patterns begin.
//!
//! The head of a pattern is its first few bytes. A pattern begins in one of three ways:
//! - its head stands there as it is. Then it has a gram at a multiple of the stride, and looking
//!   there is enough;
//! - there is an escape in the place of a byte of its head, and what precedes it stands there as
//!   it is. Then looking at the escapes is enough, and they are rare;
//! - the end cuts the head or that escape off. These few places are looked at one by one.

use super::form::{begins_escape, first_meant};
use super::index::{Gram, Place};
use super::needles::Needles;
use super::track::Tracker;

/// What a scan has found.
#[derive(Default)]
pub(super) struct Found {
    /// Where secrets are: starts and ends, in no order, and they may overlap.
    pub(super) matches: Vec<(usize, usize)>,
    /// The first place that may turn out to be the start of a secret when more is received.
    pub(super) open: Option<usize>,
}

/// What stars were put on.
pub(super) struct Starred {
    /// The end of the last secret, which may be after the end of the data.
    pub(super) reach: usize,
    pub(super) replacements: u64,
}

impl Found {
    pub(super) fn open_at(&mut self, start: usize) {
        self.open = Some(self.open.map_or(start, |open| open.min(start)));
    }

    /// Puts stars on the first `covered` bytes of `data` and on the secrets that start in it.
    pub(super) fn star(&self, data: &mut [u8], covered: usize) -> Starred {
        let len = data.len();
        let mut matches: Vec<_> = self.matches.iter().filter(|(s, _)| *s < len).collect();
        matches.sort_unstable();
        let mut starred = Starred {
            reach: covered,
            replacements: 0,
        };
        let mut star = |start: usize, end: usize| {
            if let Some(secret) = data.get_mut(start..end.min(len)) {
                secret.fill(b'*');
            }
        };
        star(0, covered);
        for (start, end) in matches {
            starred.replacements += u64::from(*start >= starred.reach);
            // What is before the reach has its stars already.
            star((*start).max(starred.reach), *end);
            starred.reach = starred.reach.max(*end);
        }
        starred
    }
}

/// Looks for the needles that start in the first `starts` bytes of `data`.
pub(super) fn scan(needles: &Needles, data: &[u8], starts: usize) -> Found {
    let mut scan = Scan {
        needles,
        data,
        starts,
        candidates: Vec::new(),
    };
    scan.look_at_grams();
    scan.look_at_escapes();
    scan.look_at_end();
    scan.follow()
}

struct Scan<'a> {
    needles: &'a Needles,
    data: &'a [u8],
    starts: usize,
    /// Patterns and where they may begin.
    candidates: Vec<(usize, usize)>,
}

impl Scan<'_> {
    fn look_at_grams(&mut self) {
        let stride = self.needles.stride;
        // A head that begins before `starts` has its gram less than a stride further.
        let looked_at = self.data.get(..self.starts + self.needles.head());
        let strides = looked_at.unwrap_or(self.data).chunks(stride);
        for (number, bytes) in strides.enumerate() {
            let Some(gram) = bytes.first_chunk() else {
                continue;
            };
            for place in self.needles.grams.places(Gram::from_le_bytes(*gram)) {
                self.propose(number * stride, place, |received, head| {
                    received.starts_with(head)
                });
            }
        }
    }

    fn look_at_escapes(&mut self) {
        let looked_at = self.data.get(..self.starts + self.needles.head());
        let looked_at = looked_at.unwrap_or(self.data);
        for at in memchr::memchr2_iter(b'%', b'\\', looked_at) {
            let Some(meant) = self.data.get(at..).and_then(first_meant) else {
                continue;
            };
            for place in self.needles.bytes.places(meant.into()) {
                self.propose(at, place, |received, head| {
                    head.get(place.offset) == Some(&meant)
                        && received.get(..place.offset) == head.get(..place.offset)
                });
            }
        }
    }

    /// Takes a place of a head that may stand in the data at `at`, when `fits` says of all that
    /// was received from the beginning of the head on that it does.
    fn propose(&mut self, at: usize, place: Place, fits: impl Fn(&[u8], &[u8]) -> bool) {
        let Some(start) = at.checked_sub(place.offset) else {
            return;
        };
        let received = self.data.get(start..).unwrap_or_default();
        let pattern = self.needles.patterns.get(place.pattern);
        let head = pattern.and_then(|pattern| pattern.as_bytes().get(..self.needles.head()));
        if start < self.starts && head.is_some_and(|head| fits(received, head)) {
            self.candidates.push((place.pattern, start));
        }
    }

    fn look_at_end(&mut self) {
        let first = self.data.len() - self.data.len().min(self.needles.head() + CUT_ESCAPE);
        for start in first..self.starts {
            let received = self.data.get(start..).unwrap_or_default();
            for (number, pattern) in self.needles.patterns.iter().enumerate() {
                if may_begin(pattern.as_bytes(), received) {
                    self.candidates.push((number, start));
                }
            }
        }
    }

    fn follow(mut self) -> Found {
        let mut found = Found::default();
        self.candidates.sort_unstable();
        self.candidates.dedup();
        for candidates in self
            .candidates
            .chunk_by(|(one, _), (other, _)| one == other)
        {
            let pattern = candidates
                .first()
                .and_then(|(pattern, _)| self.needles.patterns.get(*pattern));
            let Some(pattern) = pattern else { continue };
            let mut tracker = Tracker::new(pattern, self.data);
            for (_, start) in candidates {
                tracker.start_at(*start);
            }
            tracker.run(&mut found);
        }
        found
    }
}

/// Whether `pattern` may be what `received` begins with, at a glance: they differ first at an
/// escape or after one, or not at all.
fn may_begin(pattern: &[u8], received: &[u8]) -> bool {
    pattern
        .iter()
        .zip(received)
        .find(|(pattern, received)| pattern != received || begins_escape(**received))
        .is_none_or(|(_, received)| begins_escape(*received))
}

/// The bytes of an escape without its last: `\u004`.
const CUT_ESCAPE: usize = 5;
