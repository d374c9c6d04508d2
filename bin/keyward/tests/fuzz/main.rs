//! The short form of the fuzz targets: their seeds, and what a fixed generator makes of them. See
//! scripts/fuzz.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "targets fail by panicking, and have a package of their own"
)]

#[path = "../../../../fuzz/src/lib.rs"]
mod targets;

use std::fs;
use std::path::Path;

use keyward_crypto::ApiKey;
use targets::TARGETS;

#[test]
fn what_holds_for_every_input_holds_for_the_seeds_and_for_thousands_like_them() {
    for (name, target) in TARGETS {
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "{name} has no seeds");
        for seed in &seeds {
            target(seed);
        }
        let rounds = if name == "http" { 500 } else { ROUNDS };
        for input in inputs(&seeds).take(rounds) {
            target(&input);
        }
    }
}

/// A reader of API keys with a mistake: it takes whatever is around the key for nothing.
#[test]
fn a_mistake_that_is_planted_is_found() {
    let careless = |data: &[u8]| {
        let text = std::str::from_utf8(data).ok()?;
        let key = ApiKey::parse(text.trim()).ok()?;
        Some(key.expose() == text)
    };
    let seeds = seeds("api_key");
    assert!(seeds.iter().all(|seed| careless(seed) != Some(false)));
    assert!(
        inputs(&seeds)
            .take(ROUNDS)
            .any(|input| careless(&input) == Some(false))
    );
}

/// The seeds with changes, the same on every machine.
fn inputs(seeds: &[Vec<u8>]) -> impl Iterator<Item = Vec<u8>> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    std::iter::repeat_with(move || random.changed(seeds))
}

#[test]
fn every_target_has_its_program() {
    for (name, _) in TARGETS {
        let path = format!("{FUZZ}/targets/{name}.rs");
        let text = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            text.contains(&format!("keyward_fuzz::{name}(data)")),
            "{path}"
        );
    }
}

/// The seeds of a target: one file each.
fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(FUZZ).join("seeds").join(name);
    let files = fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// xorshift64: the same inputs on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, most: usize) -> usize {
        (self.next() % most.max(1) as u64) as usize
    }

    /// A seed with some bytes changed, doubled, taken out, put in, or taken from another.
    fn changed(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(4) {
            // The ends more often than what lies between: that is where most is overlooked.
            let at = match self.below(8) {
                0 => 0,
                1 => bytes.len(),
                _ => self.below(bytes.len() + 1),
            };
            match self.below(6) {
                0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                1 => bytes.insert(at, self.next() as u8),
                2 if at < bytes.len() => drop(bytes.remove(at)),
                3 => {
                    let part = bytes[at..bytes.len().min(at + 9)].to_vec();
                    bytes.splice(at..at, part);
                }
                4 => {
                    let other = &seeds[self.below(seeds.len())];
                    let from = self.below(other.len() + 1);
                    bytes.truncate(at);
                    bytes.extend_from_slice(&other[from..]);
                }
                _ => {
                    let words: [&[u8]; 8] = [
                        b"%2e%2e/",
                        b"\0",
                        b"\xff",
                        b"..",
                        b"\"",
                        b"\xc3\xa9",
                        b"9999999999",
                        b"\n",
                    ];
                    let word = words[self.below(words.len())];
                    bytes.splice(at..at, word.iter().copied());
                }
            }
        }
        bytes
    }
}

const ROUNDS: usize = 3_000;
const FUZZ: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz");
