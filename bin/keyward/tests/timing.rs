//! Neither the time nor the work of a login attempt tells whether there is such a user.
//!
//! `KEYWARD_TIMING_REQUESTS` is how many requests are made of each class. `just timing` makes 2,500,
//! and then the medians may differ by 2 %. With few, on a machine that does other things too, the fastest tenth
//! is compared. A planted difference is found by the same measure.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "clippy knows test functions, but not what they share"
)]

mod running;

use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use running::{Client, Home};
use serde_json::json;

#[test]
fn attempts_for_unknown_known_and_disabled_users_take_the_same_time() {
    let _alone = alone();
    let home = Home::new().set("TRUSTED_PROXIES", "127.0.0.1");
    let server = home.start();
    make_users(&server.admin());
    let requests = requests();
    let is_long = requests >= 1_000;
    let (tolerance, planted) = if is_long { (0.02, 0.05) } else { (0.25, 0.75) };
    let mut attempts = Attempts {
        client: server.client(""),
        made: 0,
    };
    for _ in 0..5 {
        attempts.time("unknown");
    }
    let typical = |times: &mut [Duration]| {
        times.sort();
        times[if is_long {
            times.len() / 2
        } else {
            times.len() / 10
        }]
    };
    let (mut unknown, mut known, mut disabled, mut slow) = (vec![], vec![], vec![], vec![]);
    for round in 0..requests {
        // In another order each time, so that nothing that comes back at intervals hits one class.
        for place in 0..4 {
            match (place + round) % 4 {
                0 => unknown.push(attempts.time("unknown")),
                1 => known.push(attempts.time("known")),
                2 => disabled.push(attempts.time("disabled")),
                _ => slow.push(attempts.time("unknown")),
            }
        }
    }
    let of_unknown = typical(&mut unknown);
    for time in &mut slow {
        *time += of_unknown.mul_f64(planted);
    }
    let differs =
        |times: &mut Vec<Duration>| typical(times).as_secs_f64() / of_unknown.as_secs_f64() - 1.0;
    let measured = [
        ("known", differs(&mut known)),
        ("disabled", differs(&mut disabled)),
    ];
    println!("figure: {requests} of each, typically {of_unknown:?}, differences {measured:?}");
    for (class, difference) in measured {
        assert!(difference.abs() < tolerance, "{class}: {difference:+.4}");
    }
    let found = differs(&mut slow);
    assert!(
        found > tolerance,
        "a planted difference was not found: {found:+.4}"
    );
    server.stop();
}

#[test]
fn attempts_for_unknown_and_known_users_are_the_same_work() {
    let _alone = alone();
    if Command::new("valgrind").arg("--version").output().is_err() {
        let name = "attempts_for_unknown_and_known_users_are_the_same_work";
        assert!(
            std::env::var_os("REQUIRE_SERVICES").is_none(),
            "valgrind is missing"
        );
        eprintln!("not run: {name} (no valgrind)");
        return;
    }
    let attempts = 2;
    let unknown = instructions("unknown", attempts);
    let differs = |count: u64| (count as f64 / unknown as f64) - 1.0;
    for class in ["wrong", "disabled", "agent"] {
        let difference = differs(instructions(class, attempts));
        println!("figure: {class}: {difference:+.5} of {unknown} instructions");
        assert!(difference.abs() < 0.01, "{class}: {difference:+.5}");
    }
    // As if one attempt in two was for nobody and not hashed.
    let planted = differs(instructions("unknown", attempts - 1));
    assert!(
        planted.abs() > 0.01,
        "a planted difference was not found: {planted:+.5}"
    );
}

fn make_users(admin: &Client) {
    for name in ["known", "disabled"] {
        let person = json!({ "username": name, "password": "correct horse battery" });
        let made = admin.post("/api/v1/users", &person).expect(201);
        if name == "disabled" {
            let path = format!("/api/v1/users/{}", made["id"].as_str().unwrap());
            let change = json!({ "status": "disabled" });
            admin.patch(&path, &change).expect(200);
        }
    }
}

/// Each of these tests wants the machine for itself.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What so many attempts cost, without what the process costs anyway.
fn instructions(class: &str, attempts: u32) -> u64 {
    count(class, attempts) - count(class, 0)
}

fn count(class: &str, attempts: u32) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let binary = Path::new(env!("CARGO_BIN_EXE_keyward"));
    let example = binary.parent().unwrap().join("examples/login_attempts");
    assert!(
        example.exists(),
        "there is no {}; build it with `cargo build -p keyward --example login_attempts`, as `cargo test` does",
        example.display()
    );
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(example)
        .args([class, &attempts.to_string()])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let collected = said.lines().find_map(|line| line.split_once("Collected :"));
    collected.unwrap().1.trim().parse().unwrap()
}

/// Attempts from ever new networks, so that none is refused for being one too many.
struct Attempts {
    client: Client,
    made: u32,
}

impl Attempts {
    fn time(&mut self, username: &str) -> Duration {
        self.made += 1;
        let [_, a, b, c] = self.made.to_be_bytes();
        let source = format!("10.{a}.{b}.{c}");
        let body = json!({ "username": username, "password": "not the password" }).to_string();
        let headers = [("X-Forwarded-For", source.as_str())];
        let started = Instant::now();
        let answer = self
            .client
            .send("POST", "/api/v1/auth/token", &headers, Some(&body));
        let took = started.elapsed();
        assert_eq!(answer.expect(401)["type"], "/problems/login-rejected");
        took
    }
}

#[expect(clippy::disallowed_methods, reason = "tests have no settings module")]
fn requests() -> usize {
    let asked = std::env::var("KEYWARD_TIMING_REQUESTS").ok();
    asked.map_or(60, |requests| requests.parse().unwrap())
}
