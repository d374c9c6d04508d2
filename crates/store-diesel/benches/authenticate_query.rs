//! What the question costs that every request asks: the key with its owner.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "this is a benchmark"
)]

mod world;

use std::sync::atomic::{AtomicUsize, Ordering};

use divan::{Bencher, black_box};
use keyward_auth::ApiKeys as _;
use keyward_core::Store as _;
use keyward_crypto::ApiKeyId;

use world::World;

fn main() {
    divan::main();
}

#[divan::bench(args = DATABASES, threads = [1, 2], sample_count = 100, sample_size = 100)]
fn asked(bencher: Bencher, name: &str) {
    let Some((world, ids)) = filled(name) else {
        return;
    };
    let next = AtomicUsize::new(0);
    bencher
        .with_inputs(|| ids[next.fetch_add(1, Ordering::Relaxed) % KEYS])
        .bench_values(|id| {
            let found = world.store.lookup(|tx| tx.key_with_owner(black_box(id)));
            found.unwrap().unwrap()
        });
}

/// The price of a consistent snapshot around the same question.
#[divan::bench(args = DATABASES, sample_count = 100, sample_size = 100)]
fn asked_in_a_transaction(bencher: Bencher, name: &str) {
    let Some((world, ids)) = filled(name) else {
        return;
    };
    let id = ids[KEYS / 2];
    bencher.bench(|| {
        world
            .store
            .read(|tx| tx.key_with_owner(black_box(id)))
            .unwrap()
    });
}

fn filled(name: &str) -> Option<(World, Vec<ApiKeyId>)> {
    let world = World::on(name)?;
    let keys = world.add_keys(KEYS, 1);
    Some((world, keys.iter().map(|key| key.id()).collect()))
}

const DATABASES: [&str; 2] = ["SQLite", "PostgreSQL"];
const KEYS: usize = 5_000;
