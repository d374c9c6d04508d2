//! What a page of a list costs: the question alone, and for credentials the whole service with
//! MACs, masks and views.

#![allow(clippy::unwrap_used, reason = "this is a benchmark")]

mod world;

use divan::{Bencher, black_box};
use keyward_auth::needs::Read;
use keyward_auth::{ApiKeys as _, Users as _};
use keyward_core::Store as _;
use keyward_credentials::Credentials as _;

use world::World;

fn main() {
    divan::main();
}

#[divan::bench(args = DATABASES, sample_count = 200, sample_size = 50)]
fn credentials_asked(bencher: Bencher, name: &str) {
    let Some(world) = filled(name) else {
        return;
    };
    bencher.bench(|| {
        let page = world
            .store
            .lookup(|tx| tx.credentials_after(None, None, black_box(PAGE)));
        page.unwrap()
    });
}

#[divan::bench(args = DATABASES, sample_count = 200, sample_size = 50)]
fn credentials_listed(bencher: Bencher, name: &str) {
    let Some(world) = filled(name) else {
        return;
    };
    let (service, caller) = (world.credentials(), world.permit::<Read>());
    bencher.bench(|| service.list(&caller, None, black_box(PAGE)).unwrap());
}

#[divan::bench(args = DATABASES, sample_count = 200, sample_size = 50)]
fn keys_asked(bencher: Bencher, name: &str) {
    let Some(world) = filled(name) else {
        return;
    };
    bencher.bench(|| {
        let page = world
            .store
            .lookup(|tx| tx.api_keys_of(world.owner, None, black_box(PAGE)));
        page.unwrap()
    });
}

#[divan::bench(args = DATABASES, sample_count = 200, sample_size = 50)]
fn users_asked(bencher: Bencher, name: &str) {
    let Some(world) = filled(name) else {
        return;
    };
    bencher.bench(|| {
        let page = world
            .store
            .lookup(|tx| tx.users_after(None, black_box(PAGE)));
        page.unwrap()
    });
}

/// A database with many rows of each kind.
fn filled(name: &str) -> Option<World> {
    let world = World::on(name)?;
    world.add_keys(ROWS, 1);
    world.add_credentials(ROWS);
    Some(world)
}

const DATABASES: [&str; 2] = ["SQLite", "PostgreSQL"];
const ROWS: usize = 300;
/// As a page of 20 asks for it.
const PAGE: i64 = 21;
