//! What other people do at the same time takes nobody's place away.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::running::{Answer, Client, Home, until};
use crate::together::{both, many, rounds};
use crate::two_nodes::Nodes;

#[test]
fn an_outsider_who_guesses_from_many_networks_keeps_nobody_out() {
    let home = Home::new().set("TRUSTED_PROXIES", "127.0.0.1");
    let server = home.start();
    let admin = server.admin();
    let right = "a right password of the victim";
    let person = json!({ "username": "victim", "password": right });
    admin.post("/api/v1/users", &person).expect(201);
    let anybody = server.client("");

    let guesses = (1_000 * rounds(1)).min(10_000);
    let networks = guesses / 50;
    let answered = AtomicUsize::new(0);
    let guess = |n| {
        let from = format!("198.51.100.{}", n % networks);
        let answer = log_in(&anybody, &from, "a wrong password of the victim");
        answered.fetch_add(1, Ordering::SeqCst);
        answer.status
    };
    let (statuses, mut took) = thread::scope(|scope| {
        let outsider = scope.spawn(|| many(guesses, THREADS, guess));
        until("the first guesses", || {
            (answered.load(Ordering::SeqCst) >= THREADS).then_some(())
        });
        let mut took = Vec::new();
        loop {
            let started = Instant::now();
            log_in(&anybody, "203.0.113.7", right).expect(200);
            let elapsed = started.elapsed();
            admin.get("/api/v1/auth/me").expect(200);
            // Only a login that left unanswered guesses behind was made under pressure.
            if answered.load(Ordering::SeqCst) + THREADS > guesses {
                return (outsider.join().unwrap(), took);
            }
            took.push(elapsed);
        }
    });
    took.sort_unstable();
    let slowest = took.last().expect("no login while there were guesses");
    let looked_at = statuses.iter().filter(|status| **status == 401).count();
    let limited = statuses.iter().filter(|status| **status == 429).count();
    println!(
        "figure: {guesses} guesses from {networks} networks, {looked_at} of them evaluated; meanwhile {} \
         logins of the owner, median {:?}, slowest {slowest:?}",
        took.len(),
        took[took.len() / 2],
    );
    assert_eq!(looked_at + limited, guesses);
    // Five from each network at first, and two from each once that many were wrong.
    assert!(looked_at >= networks * 2, "{looked_at}");
    assert!(limited > guesses / 2, "the guesses were not limited");
    if rounds(1) > 1 {
        assert!(*slowest < Duration::from_secs(2), "{slowest:?}");
    }
}

#[test]
fn two_administrators_on_two_nodes_never_remove_each_other() {
    race_of_administrators([1, 0], |winning_action| match winning_action {
        // They are somebody still.
        "demote" => 403,
        _ => 401,
    });
}

#[test]
fn of_two_administrators_on_two_nodes_who_go_at_once_one_stays() {
    race_of_administrators([0, 1], |_| 409);
}

/// Two act at the same moment in every pair of ways, the first on `targets[0]` and the second on
/// `targets[1]`. One succeeds, the other one is answered `refusal`, and there is an administrator.
fn race_of_administrators(targets: [usize; 2], refusal: impl Fn(&str) -> u16) {
    let Some(nodes) = Nodes::start() else { return };
    let mut one = nodes.clients(&nodes.admin);
    let pairs = ACTIONS.len() * ACTIONS.len();
    let mut won = [0, 0];
    for round in 0..pairs * rounds(2) {
        let other = another_administrator(&one, round);
        let ids = [id(&one[0]), id(&other[0])];
        let actions = [
            ACTIONS[round % ACTIONS.len()],
            ACTIONS[round / ACTIONS.len() % ACTIONS.len()],
        ];
        let answers = both(
            || act(&one[0], actions[0], &ids[targets[0]]),
            || act(&other[1], actions[1], &ids[targets[1]]),
        );
        let statuses = answers.map(|answer| answer.status);
        let winner = usize::from(statuses[0] != done(actions[0]));
        let expected = [done(actions[winner]), refusal(actions[winner])];
        let seen = [statuses[winner], statuses[1 - winner]];
        assert_eq!(seen, expected, "{actions:?}: {statuses:?}");
        won[winner] += 1;
        if targets[winner] == 0 {
            one = other;
        }
        one[0].get("/api/v1/users").expect(200);
    }
    println!(
        "figure: the first won {} rounds, the second {}",
        won[0], won[1]
    );
}

fn log_in(client: &Client, from: &str, password: &str) -> Answer {
    let body = json!({ "username": "victim", "password": password }).to_string();
    let forwarded = [("X-Forwarded-For", from)];
    client.send("POST", "/api/v1/auth/token", &forwarded, Some(&body))
}

/// Made by the one there is. Its clients present one key, each to a node of its own.
fn another_administrator(one: &[Client; 2], round: usize) -> [Client; 2] {
    let person = json!({
        "username": format!("administrator{round}"),
        "password": "a password of an administrator",
        "role": "admin",
    });
    let made = one[0].post("/api/v1/users", &person).expect(201);
    let keys = format!("/api/v1/users/{}/keys", made["id"].as_str().unwrap());
    let wanted = json!({ "name": "race", "scopes": ["read", "users:write", "admin"] });
    let made = one[0].post(&keys, &wanted).expect(201);
    let key = made["key"].as_str().unwrap();
    [one[0].with_key(key), one[1].with_key(key)]
}

fn id(client: &Client) -> String {
    let me = client.get("/api/v1/auth/me").expect(200);
    me["id"].as_str().unwrap().to_owned()
}

fn act(client: &Client, action: &str, on: &str) -> Answer {
    let path = format!("/api/v1/users/{on}");
    match action {
        "delete" => client.delete(&path),
        "disable" => client.patch(&path, &json!({ "status": "disabled" })),
        _ => client.patch(&path, &json!({ "role": "normal" })),
    }
}

fn done(action: &str) -> u16 {
    if action == "delete" { 204 } else { 200 }
}

const ACTIONS: [&str; 3] = ["demote", "disable", "delete"];
const THREADS: usize = 4;
