use zeroize::Zeroize;

use super::pattern::Pattern;

/// Bytes that follow each other, as one number.
pub(super) type Gram = u32;

/// A place in a head.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) pattern: usize,
    pub(super) offset: usize,
}

/// Finds the places at which something stands in the heads. Hash chains: the places that it gives
/// may hold something else, and have to be compared.
pub(super) struct Index {
    /// The first entry of each chain.
    chains: Vec<u32>,
    shift: u32,
    entries: Vec<(Place, u32)>,
}

impl Index {
    fn with_capacity(entries: usize) -> Self {
        let chains = (entries * 8).next_power_of_two().max(MIN_CHAINS);
        Self {
            chains: vec![END; chains],
            shift: u32::BITS - chains.trailing_zeros(),
            entries: Vec::with_capacity(entries),
        }
    }

    fn add(&mut self, key: u32, place: Place) {
        let chain = self.chain(key);
        let entry = u32::try_from(self.entries.len()).unwrap_or(END);
        if let Some(first) = self.chains.get_mut(chain) {
            self.entries.push((place, *first));
            *first = entry;
        }
    }

    /// The places where `key` may stand.
    #[inline]
    pub(super) fn places(&self, key: u32) -> impl Iterator<Item = Place> {
        let mut entry = self.chains.get(self.chain(key)).copied().unwrap_or(END);
        std::iter::from_fn(move || {
            let (place, next) = self.entries.get(entry as usize)?;
            entry = *next;
            Some(*place)
        })
    }

    #[inline]
    fn chain(&self, key: u32) -> usize {
        // Fibonacci hashing: the upper bits depend on all bits of the key.
        (key.wrapping_mul(0x9E37_79B9) >> self.shift) as usize
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        // Which chains are in use tells something of each key.
        self.chains.zeroize();
    }
}

/// The first bytes of all patterns.
pub(super) struct Heads<'p> {
    patterns: &'p [Pattern],
    len: usize,
}

impl<'p> Heads<'p> {
    pub(super) fn new(patterns: &'p [Pattern], len: usize) -> Self {
        Self { patterns, len }
    }

    /// Where each gram stands.
    pub(super) fn grams(&self) -> Index {
        self.index(|head| {
            head.windows(size_of::<Gram>())
                .filter_map(|gram| Some(Gram::from_le_bytes(*gram.first_chunk()?)))
        })
    }

    /// Where each byte stands.
    pub(super) fn bytes(&self) -> Index {
        self.index(|head| head.iter().map(|byte| u32::from(*byte)))
    }

    fn index<K: Iterator<Item = u32>>(&self, keys: impl Fn(&'p [u8]) -> K) -> Index {
        let mut index = Index::with_capacity(self.patterns.len() * self.len);
        for (pattern, head) in self.patterns.iter().enumerate() {
            let head = head.as_bytes().get(..self.len).unwrap_or_default();
            for (offset, key) in keys(head).enumerate() {
                index.add(key, Place { pattern, offset });
            }
        }
        index
    }
}

/// The end of a chain.
const END: u32 = u32::MAX;

const MIN_CHAINS: usize = 256;
