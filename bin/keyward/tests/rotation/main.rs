//! Encryption keys are exchanged again and again while servers read and write, learn new keys one
//! after the other, and are killed, as is the command that does it.
//!
//! `KEYWARD_ROTATION_ROUNDS` asks for the long form with so many exchanges: 10,000 values, 200 reads
//! and 50 writes a second, and five kills in two exchanges. `KEYWARD_ROTATION_ROWS` says how many
//! values the measurement of the rate moves, `KEYWARD_CRASH_SEED` repeats a run as far as the
//! machine does.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy knows test functions, but not what they share"
)]

#[path = "../running/mod.rs"]
mod running;

mod exchange;
mod node;
#[path = "../crash/random.rs"]
mod random;
mod rate;
mod rows;
mod traffic;

use keyward_core::{Clock, SystemClock};
use running::Home;

use exchange::{Exchanges, Plan};

#[test]
fn keys_are_exchanged_while_one_server_on_sqlite_works_and_is_killed() {
    let exchanges = Exchanges::start(vec![Home::new().with_keys()], plan());
    exchanges.run("SQLite");
}

#[test]
fn keys_are_exchanged_while_two_servers_on_postgresql_work_and_are_killed() {
    let Some(home) = Home::on_postgres() else {
        return;
    };
    let home = home.with_keys();
    let exchanges = Exchanges::start(vec![home.another_node(), home], plan());
    exchanges.run("PostgreSQL");
}

#[test]
fn sqlite_re_encrypts_at_a_rate() {
    rate::measured("SQLite", Home::new().with_keys());
}

#[test]
fn postgresql_re_encrypts_at_a_rate() {
    if let Some(home) = Home::on_postgres() {
        rate::measured("PostgreSQL", home.with_keys());
    }
}

fn plan() -> Plan {
    let seed = setting("KEYWARD_CRASH_SEED").unwrap_or_else(|| SystemClock.now().unix());
    match setting("KEYWARD_ROTATION_ROUNDS") {
        Some(rounds) => Plan {
            rounds,
            rows: 10_000,
            reads: 200,
            writes: 50,
            is_long: true,
            seed,
        },
        None => Plan {
            rounds: 3,
            rows: 1_000,
            reads: 60,
            writes: 15,
            is_long: false,
            seed,
        },
    }
}

/// A number from the environment.
#[expect(clippy::disallowed_methods, reason = "a setting of this test")]
fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is no number")),
    )
}
