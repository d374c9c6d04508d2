//! Codes and their limits on two servers on one PostgreSQL database.

use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use keyward_crypto::TotpSecret;
use serde_json::json;

use crate::running::{Answer, Client};
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

/// Gives somebody an app, by its code of the step before, so that this step's is unused.
pub(crate) fn enrol(client: &Client) -> TotpSecret {
    // Setting up does not take as long as what is left of a step then.
    while now().rem_euclid(30) > 20 {
        thread::sleep(Duration::from_millis(100));
    }
    let secret = begin(client);
    let code = secret.code_at(now() - 30).expose().to_owned();
    client
        .post("/api/v1/auth/mfa/verify", &json!({ "code": code }))
        .expect(200);
    secret
}

/// The secret of a new app that waits for its first code.
pub(crate) fn begin(client: &Client) -> TotpSecret {
    let setup = client
        .post("/api/v1/auth/mfa/setup", &json!({}))
        .expect(200);
    TotpSecret::from_base32(setup["secret"].as_str().unwrap()).unwrap()
}

/// Calls from many threads, over both nodes in turn.
fn at_once(clients: &[Client; 2], call: impl Fn(&Client, usize) -> Answer + Sync) -> Vec<Answer> {
    many(CALLS, THREADS, |n| call(&clients[n / 2 % 2], n))
}

#[expect(
    clippy::disallowed_methods,
    reason = "an authenticator app has the time of its own"
)]
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// The current step of all apps.
pub(crate) fn step() -> i64 {
    now().div_euclid(30)
}

const CALLS: usize = 1_000;
const THREADS: usize = 20;
