use std::collections::BTreeMap;

use super::form::{Compared, begins_escape, compare};
use super::pattern::Pattern;
use super::scan::Found;

/// Follows one pattern from many starts at once, through all readings of what was received.
///
/// There may be several: in `a\\b`, two backslashes may stand for two or for one. Readings that
/// agree about where they are have the same future, so of these only the one with the earliest
/// start goes on. That bounds the work for each byte by the length of the pattern, whatever comes.
pub(super) struct Tracker<'a> {
    pattern: &'a Pattern,
    data: &'a [u8],
    /// By place in the data: places in the pattern that readings have come to, and their starts.
    readings: BTreeMap<usize, Vec<(usize, usize)>>,
}

impl<'a> Tracker<'a> {
    pub(super) fn new(pattern: &'a Pattern, data: &'a [u8]) -> Self {
        Self {
            pattern,
            data,
            readings: BTreeMap::new(),
        }
    }

    /// Adds a place at which the pattern may begin.
    pub(super) fn start_at(&mut self, start: usize) {
        self.readings.entry(start).or_default().push((0, start));
    }

    /// Writes down where the pattern is, and where it may be that more has to be received.
    pub(super) fn run(mut self, found: &mut Found) {
        while let Some((at, mut readings)) = self.readings.pop_first() {
            readings.sort_unstable();
            readings.dedup_by_key(|(place, _)| *place);
            for (place, start) in readings {
                self.follow(at, place, start, found);
            }
        }
    }

    /// Follows one reading to where it ends, or to the next place at which there may be two.
    fn follow(&mut self, at: usize, place: usize, start: usize, found: &mut Found) {
        let (place, at) = self.skip_plain(place, at);
        if place == self.pattern.len() {
            found.matches.push((start, at));
            return;
        }
        let Some(received) = self.data.get(at..).filter(|rest| !rest.is_empty()) else {
            found.open_at(start);
            return;
        };
        for compared in compare(self.pattern, place, received) {
            match compared {
                Compared::Differs => {}
                Compared::Cut => found.open_at(start),
                Compared::Is { received, meant } => {
                    let readings = self.readings.entry(at + received).or_default();
                    readings.push((place + meant, start));
                }
            }
        }
    }

    /// Steps over bytes that can be read in one way only.
    fn skip_plain(&self, place: usize, at: usize) -> (usize, usize) {
        let pattern = self.pattern.as_bytes().get(place..).unwrap_or_default();
        let data = self.data.get(at..).unwrap_or_default();
        let plain = pattern
            .iter()
            .zip(data)
            .take_while(|(pattern, data)| pattern == data && !begins_escape(**data))
            .count();
        (place + plain, at + plain)
    }
}
