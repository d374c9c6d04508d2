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
mod cluster;
mod control;
mod found;
mod random;
mod workload;

use std::thread;
use std::time::{Duration, Instant};

use keyward_core::{Clock, SystemClock};
use keyward_crypto::ApiKey;
use running::{Client, Home, Server, until};

use check::violations;
use cluster::Cluster;
use found::Found;
use random::Random;
use workload::{Entry, Operation, Outcome, Refused, work};

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_half_done_on_sqlite() {
    let seen = crash("SQLite", || Some(Home::new()));
    assert!(seen.is_some_and(|seen| seen > 0));
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_half_done_on_postgresql() {
    crash("PostgreSQL", Home::on_postgres);
}

/// Servers that go on meanwhile say 503, and write again when the database is back.
#[test]
fn nothing_acknowledged_is_lost_when_postgresql_itself_is_killed() {
    let rounds = setting("KEYWARD_CRASH_ROUNDS").unwrap_or(3);
    let mut random = Random::new(seed());
    let (mut acked, mut unknown, mut slowest) = (0, 0, Duration::ZERO);
    let mut left = rounds;
    while left > 0 {
        let Some(cluster) = Cluster::start() else {
            return;
        };
        let (log, longest) = outages(cluster, left.min(ROUNDS_PER_DATABASE), &mut random);
        left -= left.min(ROUNDS_PER_DATABASE);
        acked += count(&log, Outcome::Acked);
        unknown += count(&log, Outcome::Unknown);
        slowest = slowest.max(longest);
    }
    eprintln!(
        "figure: PostgreSQL killed {rounds} times: {acked} writes acknowledged, {unknown} cut off, all \
         accounted for; well again after at most {slowest:?}"
    );
    assert!(acked > 0);
}

/// One database that is killed again and again, and one server. Returns what was written, and how long the
/// server took to be well again.
fn outages(mut cluster: Cluster, rounds: u64, random: &mut Random) -> (Vec<Entry>, Duration) {
    let home = Home::new().set("DATABASE_URL", &cluster.url());
    let server = home.start();
    let client = server.admin();
    let mut log = vec![first(client.key())];
    let mut slowest = Duration::ZERO;
    for _ in 0..rounds {
        log.extend(write_until(&client, Refused::IsUnknown, random, || {
            cluster.kill();
        }));
        cluster.restart();
        let restarted = Instant::now();
        until("the server to be well again", || {
            (client.get("/health/ready").status == 200).then_some(())
        });
        slowest = slowest.max(restarted.elapsed());
        check(&home, &log, &client);
    }
    (log, slowest)
}

/// Returns the number of acknowledged writes, unless there is nothing to run on.
fn crash(database: &str, home: impl Fn() -> Option<Home>) -> Option<usize> {
    let rounds = setting("KEYWARD_CRASH_ROUNDS").unwrap_or(3);
    let seed = seed();
    eprintln!("{database}: {rounds} rounds, KEYWARD_CRASH_SEED={seed}");
    let mut random = Random::new(seed);
    let (mut acked, mut unknown, mut starts) = (0, 0, Vec::new());
    let mut left = rounds;
    while left > 0 {
        // A new database now and then: each check reads all of it.
        let mut lives = Lives::start(home()?);
        for _ in 0..left.min(ROUNDS_PER_DATABASE) {
            starts.push(lives.round(&mut random));
        }
        left -= left.min(ROUNDS_PER_DATABASE);
        acked += count(&lives.log, Outcome::Acked);
        unknown += count(&lives.log, Outcome::Unknown);
    }
    starts.sort_unstable();
    let (usual, slowest) = (starts[starts.len() / 2], starts[starts.len() - 1]);
    eprintln!(
        "figure: {database}: {acked} writes acknowledged, {unknown} cut off, all accounted for; \
         ready again after {usual:?} usually and {slowest:?} at most"
    );
    assert!(usual <= USUAL_START, "ready after {usual:?}");
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
        Self {
            server: Some(server),
            log: vec![first(&key)],
            key,
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
        check(&self.home, &self.log, &server.client(&self.key));
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
}

/// That what is there is what the log says, and what the audit log says.
fn check(home: &Home, log: &[Entry], client: &Client) {
    let found = Found::by(client);
    let violations = violations(log, &found);
    assert!(violations.is_empty(), "{violations:#?}");
    check_keys(log, &found, client);
    let verified = home.run(&["audit", "verify"]);
    assert_eq!(verified.code, 0, "{verified:?}");
}

/// The key that a first start makes.
fn first(key: &str) -> Entry {
    let operation = Operation::MakeKey {
        id: ApiKey::parse(key)
            .ok()
            .map(|key| key.id().as_str().to_owned()),
        name: "of the first administrator".to_owned(),
        key: Some(key.to_owned()),
    };
    Entry {
        operation,
        outcome: Outcome::Acked,
    }
}

fn count(log: &[Entry], outcome: Outcome) -> usize {
    log.iter().filter(|entry| entry.outcome == outcome).count()
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
    write_until(&client, Refused::IsNotDone, random, || {
        server.shoot();
        server.ended();
    })
}

/// What some writers did until `disaster`, which comes at a random moment.
fn write_until(
    client: &Client,
    refused: Refused,
    random: &mut Random,
    disaster: impl FnOnce(),
) -> Vec<Entry> {
    thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|_| {
                let (client, random) = (client.clone(), random.fork());
                scope.spawn(move || work(&client, refused, random))
            })
            .collect();
        thread::sleep(Duration::from_millis(random.between(5, 500)));
        disaster();
        writers
            .into_iter()
            .flat_map(|writer| writer.join().unwrap())
            .collect()
    })
}

fn seed() -> u64 {
    setting("KEYWARD_CRASH_SEED").unwrap_or_else(|| SystemClock.now().unix())
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
/// The promise is one second; of debug builds, which are slow, nothing but that they start. One start of
/// many may have to wait for a busy machine.
const USUAL_START: Duration = Duration::from_secs(if cfg!(debug_assertions) { 10 } else { 1 });
const LONGEST_START: Duration = Duration::from_secs(10);
