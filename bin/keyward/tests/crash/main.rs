//! The server is killed at random moments under concurrent writes; what it acknowledged must be
//! there afterwards, and nothing by halves.
//!
//! `KEYWARD_CRASH_ROUNDS` says how often (3 if not set), `KEYWARD_CRASH_SEED` repeats a run as far
//! as the machine does.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy knows test functions, but not what they share"
)]

#[path = "../running/mod.rs"]
mod running;

mod check;
mod control;
mod found;
mod random;
mod workload;

use std::thread;
use std::time::Duration;

use keyward_core::{Clock, SystemClock};
use keyward_crypto::ApiKey;
use running::{Client, Home, Server, until};

use check::violations;
use found::Found;
use random::Random;
use workload::{Entry, Operation, Outcome, work};

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_half_done_on_sqlite() {
    let seen = crash("SQLite", || Some(Home::new()));
    assert!(seen.is_some_and(|seen| seen > 0));
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_half_done_on_postgresql() {
    crash("PostgreSQL", Home::on_postgres);
}

/// Returns the number of acknowledged writes, unless there is nothing to run on.
fn crash(database: &str, home: impl Fn() -> Option<Home>) -> Option<usize> {
    let rounds = setting("KEYWARD_CRASH_ROUNDS").unwrap_or(3);
    let seed = setting("KEYWARD_CRASH_SEED").unwrap_or_else(|| SystemClock.now().unix());
    eprintln!("{database}: {rounds} rounds, KEYWARD_CRASH_SEED={seed}");
    let mut random = Random::new(seed);
    let (mut acked, mut unknown, mut slowest) = (0, 0, Duration::ZERO);
    let mut left = rounds;
    while left > 0 {
        // A new database now and then: each check reads all of it.
        let mut lives = Lives::start(home()?);
        for _ in 0..left.min(ROUNDS_PER_DATABASE) {
            slowest = slowest.max(lives.round(&mut random));
        }
        left -= left.min(ROUNDS_PER_DATABASE);
        acked += lives.count(Outcome::Acked);
        unknown += lives.count(Outcome::Unknown);
    }
    eprintln!(
        "{database}: {acked} writes acknowledged, {unknown} cut off, all accounted for; \
         ready again after at most {slowest:?}"
    );
    Some(acked)
}

/// One database through many crashes.
struct Lives {
    // Dropped before the home.
    server: Option<Server>,
    key: String,
    log: Vec<Entry>,
    home: Home,
}

impl Lives {
    fn start(home: Home) -> Self {
        let server = home.start();
        let key = server.admin().key().to_owned();
        let first = Operation::MakeKey {
            id: ApiKey::parse(&key)
                .ok()
                .map(|key| key.id().as_str().to_owned()),
            name: "of the first administrator".to_owned(),
            key: Some(key.clone()),
        };
        let log = vec![Entry {
            operation: first,
            outcome: Outcome::Acked,
        }];
        Self {
            server: Some(server),
            key,
            log,
            home,
        }
    }

    /// Writes, kills, restarts, checks. Returns how long the restart took.
    fn round(&mut self, random: &mut Random) -> Duration {
        let server = self.server.take().unwrap();
        self.log
            .extend(write_until_killed(server, &self.key, random));
        self.wait_for_the_database();

        let server = self.home.start();
        let ready_after = server.ready_after;
        assert!(ready_after <= LONGEST_START, "ready after {ready_after:?}");
        let client = server.client(&self.key);
        let found = Found::by(&client);
        let violations = violations(&self.log, &found);
        assert!(violations.is_empty(), "{violations:#?}");
        check_keys(&self.log, &found, &client);
        let verified = self.home.run(&["audit", "verify"]);
        assert_eq!(verified.code, 0, "{verified:?}");
        self.check_files();
        self.server = Some(server);
        ready_after
    }

    /// A PostgreSQL server may still be at work for a client that is gone.
    fn wait_for_the_database(&self) {
        let mut sql = self.home.sql();
        if sql.is_sqlite() {
            return;
        }
        let others = "SELECT count(*)::text AS value FROM pg_stat_activity \
                      WHERE datname = current_database() AND pid <> pg_backend_pid() \
                      AND backend_type = 'client backend'";
        until("the database to finish", || {
            (sql.value(others) == "0").then_some(())
        });
    }

    fn check_files(&self) {
        let mut sql = self.home.sql();
        if sql.is_sqlite() {
            let whole = "SELECT integrity_check AS value FROM pragma_integrity_check";
            assert_eq!(sql.value(whole), "ok");
            let orphans = "SELECT \"table\" AS value FROM pragma_foreign_key_check";
            assert_eq!(sql.values(orphans), []);
        }
    }

    fn count(&self, outcome: Outcome) -> usize {
        self.log
            .iter()
            .filter(|entry| entry.outcome == outcome)
            .count()
    }
}

/// That a key which was handed out works, unless it was revoked.
fn check_keys(log: &[Entry], found: &Found, client: &Client) {
    for entry in log {
        if let Operation::MakeKey {
            id: Some(id),
            key: Some(key),
            ..
        } = &entry.operation
        {
            let status = if found.keys[id].revoked { 401 } else { 200 };
            client.with_key(key).get("/api/v1/auth/me").expect(status);
        }
    }
}

fn write_until_killed(mut server: Server, key: &str, random: &mut Random) -> Vec<Entry> {
    let client = server.client(key);
    thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|_| {
                let (client, random) = (client.clone(), random.fork());
                scope.spawn(move || work(&client, random))
            })
            .collect();
        thread::sleep(Duration::from_millis(random.between(5, 500)));
        server.shoot();
        server.ended();
        writers
            .into_iter()
            .flat_map(|writer| writer.join().unwrap())
            .collect()
    })
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

const WRITERS: usize = 4;
const ROUNDS_PER_DATABASE: u64 = 10;
/// The promise is one second. Debug builds are slow, and run while others compile.
const LONGEST_START: Duration = Duration::from_secs(if cfg!(debug_assertions) { 10 } else { 1 });
