//! What other people do at the same time takes nobody's place away.

use std::sync::Barrier;
use std::thread;

use serde_json::json;

use crate::running::{Answer, Client, Home};
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

    let guesses: Vec<Answer> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let anybody = &anybody;
                scope.spawn(move || {
                    let mine = (thread..GUESSES).step_by(THREADS);
                    let guess = |n| {
                        let from = format!("198.51.100.{}", n % NETWORKS);
                        log_in(anybody, &from, "a wrong password of the victim")
                    };
                    mine.map(guess).collect::<Vec<_>>()
                })
            })
            .collect();
        log_in(&anybody, "203.0.113.7", right).expect(200);
        admin.get("/api/v1/auth/me").expect(200);
        let answers = threads.into_iter().flat_map(|t| t.join().unwrap());
        answers.collect()
    });
    let count = |status| guesses.iter().filter(|a| a.status == status).count();
    assert_eq!(count(401) + count(429), GUESSES);
    assert!(count(429) > GUESSES / 2, "the guesses were not limited");
    log_in(&anybody, "203.0.113.7", right).expect(200);
    admin.get("/api/v1/auth/me").expect(200);
}

#[test]
fn two_administrators_on_two_nodes_never_remove_each_other() {
    let Some(nodes) = Nodes::start() else { return };
    let mut one = nodes.clients(&nodes.admin);
    for round in 0..ACTIONS.len() * ACTIONS.len() {
        let other = another_administrator(&one, round);
        let both = Barrier::new(2);
        let ids = [id(&one[0]), id(&other[0])];
        let actions = [
            ACTIONS[round % ACTIONS.len()],
            ACTIONS[round / ACTIONS.len()],
        ];
        let statuses = thread::scope(|scope| {
            let first = scope.spawn(|| {
                both.wait();
                act(&one[0], actions[0], &ids[1])
            });
            let second = scope.spawn(|| {
                both.wait();
                act(&other[1], actions[1], &ids[0])
            });
            [first.join().unwrap(), second.join().unwrap()]
        });
        let worked: Vec<bool> = statuses.iter().map(|s| [200, 204].contains(s)).collect();
        assert_ne!(worked[0], worked[1], "{actions:?}: {statuses:?}");
        if worked[1] {
            one = other;
        }
        one[0].get("/api/v1/users").expect(200);
    }
}

fn log_in(client: &Client, from: &str, password: &str) -> Answer {
    let body = json!({ "username": "victim", "password": password }).to_string();
    let forwarded = [("X-Forwarded-For", from)];
    client.send("POST", "/api/v1/auth/token", &forwarded, Some(&body))
}

/// Made by the one there is, with a key for each node.
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

fn act(client: &Client, action: &str, on: &str) -> u16 {
    let path = format!("/api/v1/users/{on}");
    match action {
        "delete" => client.delete(&path).status,
        "disable" => client.patch(&path, &json!({ "status": "disabled" })).status,
        _ => client.patch(&path, &json!({ "role": "normal" })).status,
    }
}

const ACTIONS: [&str; 3] = ["demote", "disable", "delete"];
const GUESSES: usize = 1_000;
const NETWORKS: usize = 20;
const THREADS: usize = 4;
