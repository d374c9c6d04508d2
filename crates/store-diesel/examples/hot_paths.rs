//! Does one thing so many times in a database of its own, for counting instructions:
//! `hot_paths <what> <times>`, where what is `authenticate`, `refuse`, `list` or `create`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "this is a measurement"
)]

#[path = "../benches/world/mod.rs"]
mod world;

use std::hint::black_box;

use keyward_auth::needs::Read;
use keyward_crypto::{ApiKey, ApiKeyKind};

use world::World;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let (what, times) = (arguments[1].as_str(), arguments[2].parse().unwrap());
    let world = World::on("SQLite").unwrap();
    let keys = world.add_keys(100, 1);
    world.add_credentials(20);
    let (authenticate, credentials) = (world.authenticate(), world.credentials());
    let caller = world.permit::<Read>();
    let unknown: Vec<_> = (0..1_000)
        .map(|_| ApiKey::generate(ApiKeyKind::User))
        .collect();
    for time in 0..times {
        match what {
            "authenticate" => {
                let key = &keys[time % keys.len()];
                black_box(authenticate.principal(key).unwrap());
            }
            "refuse" => {
                let key = &unknown[time % unknown.len()];
                assert!(authenticate.principal(key).is_err());
            }
            "list" => {
                black_box(credentials.list(&caller, None, 21).unwrap());
            }
            "create" => world.add_credentials(1),
            other => panic!("there is nothing to count for {other}"),
        }
    }
}
