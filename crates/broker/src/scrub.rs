//! Takes an injected secret out of everything that comes back.
//!
//! A service may repeat what it was sent: in an error message, a header, a debugging page. Each
//! byte that belongs to an injected value in one of its spellings becomes a `*`, so lengths and
//! ranges stay as announced.

mod form;
mod index;
mod needles;
mod pattern;
mod scan;
mod track;

use std::fmt;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use zeroize::Zeroizing;

pub use needles::Needles;
use scan::Found;

/// Scrubs one body, piece by piece as it arrives.
///
/// What cannot be the beginning of a secret is passed on at once, and as the very same memory when
/// nothing in it was replaced. The rest waits for the next piece: never more than the longest
/// spelling of a secret. Call [`Scrub::finish`] at the end, or what waits is lost.
///
/// ```
/// use std::sync::Arc;
///
/// use keyward_broker::{Needles, Scrub};
///
/// let mut scrub = Scrub::new(Arc::new(Needles::new(["sk-live-0123456789"])));
/// // In base64, as the user name of a service that repeats it.
/// let body = "your key: c2stbGl2ZS0wMTIzNDU2Nzg5 (and no other)";
/// let mut passed_on = scrub.push(body.into());
/// passed_on.extend(scrub.finish());
/// let passed_on = passed_on.concat();
/// assert!(passed_on.starts_with(b"your key: *") && passed_on.ends_with(b"* (and no other)"));
/// assert_eq!(scrub.replacements(), 1);
/// ```
pub struct Scrub {
    needles: Arc<Needles>,
    /// Starts with what may be the beginning of a secret; empty when nothing may.
    tail: Zeroizing<Vec<u8>>,
    /// How many of the bytes to come, those of the tail first, belong to secrets found before.
    covered: usize,
    replacements: u64,
}

impl Scrub {
    /// For one body; a second body needs another one.
    #[must_use]
    pub fn new(needles: Arc<Needles>) -> Self {
        Self {
            needles,
            tail: Zeroizing::default(),
            covered: 0,
            replacements: 0,
        }
    }

    /// Takes the next piece, and gives what may be passed on: at most two pieces, none of them
    /// empty.
    #[must_use]
    pub fn push(&mut self, mut chunk: Bytes) -> Vec<Bytes> {
        let mut passed_on = Vec::with_capacity(2);
        if chunk.is_empty() || !self.push_tail(&chunk, &mut passed_on) {
            return passed_on;
        }
        let found = self.needles.scan(&chunk, chunk.len());
        let decided = found.open.unwrap_or(chunk.len());
        self.tail = kept(&[chunk.get(decided..).unwrap_or_default()]);
        chunk.truncate(decided);
        if !chunk.is_empty() {
            passed_on.push(self.starred(chunk, &found));
        }
        passed_on
    }

    /// Gives what still waits: nothing follows that could make it a secret.
    #[must_use]
    pub fn finish(&mut self) -> Option<Bytes> {
        let tail = std::mem::take(&mut self.tail);
        if tail.is_empty() {
            return None;
        }
        let found = self.needles.scan(&tail, tail.len());
        Some(self.starred(Bytes::copy_from_slice(&tail), &found))
    }

    /// How many secrets were replaced so far. Those that overlap count as one.
    #[must_use]
    pub fn replacements(&self) -> u64 {
        self.replacements
    }

    /// Decides about the tail with the help of `chunk`, and says whether the chunk is to be
    /// looked at; if not, all of it waits with the tail.
    fn push_tail(&mut self, chunk: &Bytes, passed_on: &mut Vec<Bytes>) -> bool {
        if self.tail.is_empty() {
            return true;
        }
        let tail = std::mem::take(&mut self.tail);
        // No spelling that begins in the tail reaches further into the chunk.
        let help = chunk.get(..self.needles.longest()).unwrap_or(chunk);
        let seam = kept(&[&tail, help]);
        let found = self.needles.scan(&seam, tail.len());
        let decided = found.open.unwrap_or(tail.len());
        let (decided, waiting) = tail.split_at_checked(decided).unwrap_or((&tail, &[]));
        if !decided.is_empty() {
            passed_on.push(self.starred(Bytes::copy_from_slice(decided), &found));
        }
        if found.open.is_some() {
            self.tail = kept(&[waiting, chunk]);
        }
        found.open.is_none()
    }

    /// `part` with stars in place of the secrets of `found` and of those that reach into it.
    fn starred(&mut self, part: Bytes, found: &Found) -> Bytes {
        let len = part.len();
        if self.covered == 0 && found.matches.iter().all(|(start, _)| *start >= len) {
            return part;
        }
        let mut part = part
            .try_into_mut()
            .unwrap_or_else(|shared| BytesMut::from(&*shared));
        let covered = found.star(&mut part, self.covered);
        self.covered = covered.reach.saturating_sub(len);
        self.replacements += covered.replacements;
        part.freeze()
    }
}

impl fmt::Debug for Scrub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scrub")
            .field("needles", &self.needles)
            .field("waiting", &self.tail.len())
            .field("replacements", &self.replacements)
            .finish_non_exhaustive()
    }
}

/// The parts, one after the other, in memory of their size: growing would leave copies behind.
fn kept(parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let len = parts.iter().map(|part| part.len()).sum();
    let mut kept = Zeroizing::new(Vec::with_capacity(len));
    for part in parts {
        kept.extend_from_slice(part);
    }
    kept
}

#[cfg(test)]
mod tests;
