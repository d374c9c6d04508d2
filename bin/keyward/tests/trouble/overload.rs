//! More requests than the server can answer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::running::{Answer, Client, Home};

/// With all places and the queue taken, the others are turned away without waiting.
#[test]
fn who_finds_the_queue_full_is_turned_away_at_once_and_readiness_comes_first() {
    let Some(home) = Home::on_postgres() else {
        return;
    };
    let server = home.start();
    let admin = server.admin();
    admin.get("/api/v1/auth/me").expect(200);
    let mut sql = home.sql();
    sql.run("BEGIN; LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE");
    let excess = 200;
    let callers = workers() * (16 + 128) + excess;
    let started = Instant::now();
    let (answers, readiness) = thread::scope(|scope| {
        let ready = scope.spawn(|| {
            thread::sleep(Duration::from_millis(300));
            let asked = Instant::now();
            server.get("/health/ready").expect(200);
            asked.elapsed()
        });
        // A connection each: a client that waits for its turn among its own asks nothing.
        let callers: Vec<_> = (0..callers)
            .map(|_| scope.spawn(|| timed(&server.client(admin.key()))))
            .collect();
        let answers: Vec<_> = callers
            .into_iter()
            .map(|caller| caller.join().unwrap())
            .collect();
        (answers, ready.join().unwrap())
    });
    let took = started.elapsed();
    sql.run("ROLLBACK");

    assert!(answers.iter().all(|(answer, _)| answer.status == 503));
    assert!(
        answers
            .iter()
            .all(|(answer, _)| answer.header("retry-after").is_some())
    );
    let overloaded = |answer: &Answer| answer.json()["type"] == "/problems/overloaded";
    let mut turned_away: Vec<Duration> = answers
        .iter()
        .filter(|(answer, _)| overloaded(answer))
        .map(|(_, took)| *took)
        .collect();
    turned_away.sort_unstable();
    println!(
        "figure: {callers} callers in {took:?}: {} turned away; of the {excess} who had no place in the queue \
         half within {:?}, all within {:?}; readiness after {readiness:?}",
        turned_away.len(),
        turned_away[excess / 2],
        turned_away[excess - 1],
    );
    assert!(turned_away.len() >= excess);
    // Before any of those who wait has waited for as long as anybody does. Most of the time is that
    // of this test, which has hundreds of threads on the same machine.
    assert!(turned_away[excess / 2] < Duration::from_millis(900));
    assert!(readiness < Duration::from_secs(1), "{readiness:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    crate::running::until("an answer", || {
        (admin.get("/api/v1/auth/me").status == 200).then_some(())
    });
    server.stop();
}

/// Anybody may try passwords, and each takes 19 MiB and a core for a while.
#[test]
fn a_flood_of_logins_leaves_those_with_keys_their_places() {
    let home = Home::new().set("TRUSTED_PROXIES", "127.0.0.1");
    let server = home.start();
    let admin = server.admin();
    let is_over = AtomicBool::new(false);
    let (answered, mut took) = thread::scope(|scope| {
        let floods: Vec<_> = (0..workers() * (4 + 64) + 60)
            .map(|flooder| {
                let anybody = server.client("");
                let is_over = &is_over;
                scope.spawn(move || {
                    let mut statuses = Vec::new();
                    while !is_over.load(Ordering::SeqCst) {
                        statuses.push(guess(&anybody, flooder, statuses.len()).status);
                    }
                    statuses
                })
            })
            .collect();
        thread::sleep(Duration::from_millis(500));
        let mut took = Vec::new();
        for _ in 0..50 {
            let asked = Instant::now();
            admin.get("/api/v1/auth/me").expect(200);
            took.push(asked.elapsed());
        }
        is_over.store(true, Ordering::SeqCst);
        let answered: Vec<u16> = floods
            .into_iter()
            .flat_map(|flood| flood.join().unwrap())
            .collect();
        (answered, took)
    });
    took.sort_unstable();
    let count = |status| answered.iter().filter(|known| **known == status).count();
    println!(
        "figure: {} guesses: {} evaluated, {} limited, {} turned away; with a key meanwhile: median {:?}, \
         slowest {:?}",
        answered.len(),
        count(401),
        count(429),
        count(503),
        took[took.len() / 2],
        took[took.len() - 1],
    );
    assert_eq!(count(401) + count(429) + count(503), answered.len());
    assert!(
        count(503) > 0,
        "nobody was turned away, so this was no flood"
    );
    assert!(count(401) > 0);
    assert!(took[took.len() - 1] < Duration::from_secs(2));
    server.stop();
}

fn timed(client: &Client) -> (Answer, Duration) {
    let asked = Instant::now();
    let answer = client.get("/api/v1/auth/me");
    (answer, asked.elapsed())
}

/// From a network of its own each time, so that no limit is in the way.
fn guess(client: &Client, flooder: usize, round: usize) -> Answer {
    let body =
        json!({ "username": format!("nobody{flooder}-{round}"), "password": "a wrong one, tried" });
    let from = format!("198.51.{}.{}", round % 200, flooder % 250);
    let forwarded = [("X-Forwarded-For", from.as_str())];
    client.send(
        "POST",
        "/api/v1/auth/token",
        &forwarded,
        Some(&body.to_string()),
    )
}

/// One for each core, with so many places and queues as keyward-http gives each.
fn workers() -> usize {
    thread::available_parallelism().map_or(2, usize::from)
}
