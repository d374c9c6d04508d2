//! How requests slow down when a database grows: authentication with many keys, a page of the list
//! with many credentials, each beside a small database in the same run.
//!
//! `cargo bench -p keyward-store-diesel --bench growth -- 1000000 100000`: so many keys, and so many
//! credentials.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    reason = "this is a benchmark"
)]

mod world;

use std::hint::black_box;
use std::time::Instant;

use keyward_auth::needs::Read;
use keyward_crypto::ApiKey;

use world::World;

fn main() {
    let mut wanted = std::env::args()
        .skip(1)
        .filter_map(|text| text.parse().ok());
    let keys = wanted.next().unwrap_or(100_000);
    let credentials = wanted.next().unwrap_or(10_000);
    for name in ["SQLite", "PostgreSQL"] {
        keys_grow(name, keys);
        credentials_grow(name, credentials);
    }
}

fn keys_grow(name: &str, most: usize) {
    let (Some(small), Some(mut large)) = (World::on(name), World::on(name)) else {
        return;
    };
    let few = small.add_keys(SMALLEST_KEYS, 1);
    let small = small.reconnected();
    let mut some: Vec<ApiKey> = Vec::new();
    let mut there = 0;
    for size in sizes(SMALLEST_KEYS, most) {
        // The same number of keys is used of each database, spread over all of it.
        some.truncate(SMALLEST_KEYS / 10);
        some.extend(large.add_keys(size - there, ((size - there) / SMALLEST_KEYS).max(1)));
        there = size;
        large = large.reconnected();
        let (small, large) = (small.authenticate(), large.authenticate());
        report(
            &format!("{name}, authentication, {size} keys"),
            |n| drop(black_box(small.principal(&few[n % few.len()]).unwrap())),
            |n| drop(black_box(large.principal(&some[n % some.len()]).unwrap())),
        );
    }
}

fn credentials_grow(name: &str, most: usize) {
    let (Some(small), Some(mut large)) = (World::on(name), World::on(name)) else {
        return;
    };
    small.add_credentials(SMALLEST_CREDENTIALS);
    let small = small.reconnected();
    let (few, few_caller) = (small.credentials(), small.permit::<Read>());
    let mut there = 0;
    for size in sizes(SMALLEST_CREDENTIALS, most) {
        large.add_credentials(size - there);
        there = size;
        large = large.reconnected();
        let (many, many_caller) = (large.credentials(), large.permit::<Read>());
        report(
            &format!("{name}, a page of 20 of {size} credentials"),
            |_| drop(black_box(few.list(&few_caller, None, PAGE).unwrap())),
            |_| drop(black_box(many.list(&many_caller, None, PAGE).unwrap())),
        );
    }
}

/// Powers of ten times the smallest.
fn sizes(smallest: usize, most: usize) -> impl Iterator<Item = usize> {
    let next = |size: &usize| Some(size * 10);
    std::iter::successors(Some(smallest), next).take_while(move |size| *size <= most)
}

/// Measures both in turns, so that both see the same machine.
fn report(what: &str, small: impl Fn(usize), large: impl Fn(usize)) {
    let (mut of_small, mut of_large) = (Vec::new(), Vec::new());
    for turn in 0..TURNS {
        of_small.push(time(turn, &small));
        of_large.push(time(turn, &large));
    }
    let (small, large) = (median(of_small), median(of_large));
    println!(
        "{what}: {large:.1} us, {:.2} times as long as in a small database",
        large / small
    );
}

/// Microseconds for one.
fn time(turn: usize, work: &impl Fn(usize)) -> f64 {
    let started = Instant::now();
    for n in 0..IN_A_TURN {
        // A step that is prime to the number of keys, so that each is used.
        work((turn * IN_A_TURN + n) * 7_919);
    }
    started.elapsed().as_secs_f64() * 1e6 / IN_A_TURN as f64
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

const SMALLEST_KEYS: usize = 1_000;
const SMALLEST_CREDENTIALS: usize = 100;
/// As a page of 20 asks for it.
const PAGE: i64 = 21;
const TURNS: usize = 21;
const IN_A_TURN: usize = 500;
