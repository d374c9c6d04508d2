//! Codes and their limits on two servers on one PostgreSQL database.

use serde_json::json;

use crate::running::app::{await_young_step, begin, enrol, now};
use crate::running::{Answer, Client, Home};
use crate::together::many;
use crate::two_nodes::Nodes;

#[test]
fn of_wrong_codes_on_both_nodes_five_are_evaluated_and_a_restart_gives_no_more() {
    let Some(mut nodes) = Nodes::start() else {
        return;
    };
    let clients = nodes.clients(&nodes.admin);
    let secret = enrol(&clients[0]);
    let right = [-30, 0, 30].map(|offset| secret.code_at(now() + offset).expose().to_owned());
    let wrong = (0..4)
        .map(|n| format!("{n:06}"))
        .find(|code| !right.contains(code))
        .unwrap();
    let answers = at_once(&clients, |client, _| {
        client.post("/api/v1/auth/step-up", &json!({ "code": wrong }))
    });
    let evaluated = answers.iter().filter(|answer| answer.status == 400).count();
    assert_eq!(evaluated, 5);
    let limited = |answer: &Answer| answer.status == 429 && answer.header("retry-after").is_some();
    assert_eq!(
        answers.iter().filter(|answer| limited(answer)).count(),
        CALLS - 5
    );

    nodes.kill_and_start_the_first();
    let client = nodes.clients(&nodes.admin)[0].clone();
    let code = secret.code_at(now()).expose().to_owned();
    let answer = client.post("/api/v1/auth/step-up", &json!({ "code": code }));
    assert!(limited(&answer), "{answer:?}");
}

#[test]
fn the_code_of_the_step_before_can_be_switched_off() {
    let home = Home::new().set("TOTP_SKEW", "0");
    let server = home.start();
    let client = server.admin();
    await_young_step();
    let secret = begin(&client);
    let confirm = |at| {
        let body = json!({ "code": secret.code_at(at).expose() });
        client.post("/api/v1/auth/mfa/verify", &body)
    };
    confirm(now() - 30).expect(400);
    confirm(now()).expect(200);
}

/// Calls from many threads, over both nodes in turn.
fn at_once(clients: &[Client; 2], call: impl Fn(&Client, usize) -> Answer + Sync) -> Vec<Answer> {
    many(CALLS, THREADS, |n| call(&clients[n / 2 % 2], n))
}

const CALLS: usize = 1_000;
const THREADS: usize = 20;
