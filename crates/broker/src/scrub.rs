//! Takes secrets out of what comes back.
//!
//! A service can repeat what it was sent, in an error message or an echo. What is found of a secret
//! is overwritten with as many asterisks, so that lengths and ranges stay right. It is found as it
//! is, in base64 at every alignment, in hexadecimal, and with any of its characters escaped as in
//! URLs or in JSON. A service that wants to hand a secret over can transform it in other ways: this
//! is a net below mistakes, not a wall.

mod matcher;
mod needles;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use self::matcher::Match;
pub(crate) use self::needles::Needles;

/// Scrubs one body, chunk by chunk.
///
/// Of each chunk all is passed on but a tail that could be the beginning of a secret. That waits for
/// the next chunk.
pub(crate) struct Scrub {
    needles: Arc<Needles>,
    held: Bytes,
    found: u64,
}

impl Scrub {
    pub(crate) fn new(needles: Arc<Needles>) -> Self {
        Self {
            needles,
            held: Bytes::new(),
            found: 0,
        }
    }

    /// What can be passed on after `chunk`, in pieces.
    pub(crate) fn push(&mut self, chunk: Bytes) -> Vec<Bytes> {
        let chunk = self.joined(chunk);
        self.pass(chunk, false)
    }

    /// What was held back, behind the last chunk.
    pub(crate) fn finish(&mut self) -> Vec<Bytes> {
        let held = std::mem::take(&mut self.held);
        self.pass(held, true)
    }

    /// How often something was taken out.
    pub(crate) fn found(&self) -> u64 {
        self.found
    }

    fn joined(&mut self, chunk: Bytes) -> Bytes {
        if self.held.is_empty() {
            return chunk;
        }
        let held = std::mem::take(&mut self.held);
        let mut joined = BytesMut::with_capacity(held.len() + chunk.len());
        joined.extend_from_slice(&held);
        joined.extend_from_slice(&chunk);
        joined.freeze()
    }

    fn pass(&mut self, mut chunk: Bytes, is_last: bool) -> Vec<Bytes> {
        let mut passed = Vec::with_capacity(1);
        let mut from = 0;
        while let Some((start, end)) = self.needles.find(&chunk, from, is_last) {
            let Some(end) = end else {
                // The beginning of a secret, perhaps.
                self.held = chunk.split_off(start);
                break;
            };
            self.found += 1;
            let rest = chunk.split_off(end);
            let before = chunk.split_to(start);
            passed.push(before);
            passed.push(Bytes::from(vec![MASK; chunk.len()]));
            chunk = rest;
            from = 0;
        }
        passed.push(chunk);
        passed.retain(|piece| !piece.is_empty());
        passed
    }
}

impl Needles {
    /// The next place from `from` on: where something begins, and where it ends if it is all there.
    fn find(&self, text: &[u8], from: usize, is_last: bool) -> Option<(usize, Option<usize>)> {
        let mut at = from;
        while let Some(start) = self.candidate(text, at) {
            match self.match_at(text, start) {
                Match { part: true, .. } if !is_last => return Some((start, None)),
                Match {
                    whole: Some(end), ..
                } => return Some((start, Some(end))),
                Match { whole: None, .. } => at = start + 1,
            }
        }
        None
    }

    /// A short text, such as the value of a header field, without the secrets.
    pub(crate) fn scrub_value<'a>(&self, value: &'a [u8]) -> std::borrow::Cow<'a, [u8]> {
        let mut clean = std::borrow::Cow::Borrowed(value);
        let mut from = 0;
        while let Some((start, Some(end))) = self.find(value, from, true) {
            if let Some(secret) = clean.to_mut().get_mut(start..end) {
                secret.fill(MASK);
            }
            from = end;
        }
        clean
    }
}

const MASK: u8 = b'*';
