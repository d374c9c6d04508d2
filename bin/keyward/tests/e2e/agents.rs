//! Agents on two servers on one PostgreSQL database.

use serde_json::{Value, json};

use crate::running::{Answer, Client};
use crate::together::many;
use crate::two_nodes::Nodes;

#[test]
fn an_agent_that_one_node_freezes_fails_on_the_other_with_all_below_it() {
    let Some(nodes) = Nodes::start() else { return };
    let [one, other] = nodes.clients(&nodes.admin);
    for (n, (freezing, serving)) in [(&one, &other), (&other, &one)].into_iter().enumerate() {
        let parent = make(freezing, &format!("parent-{n}"));
        let child = make(&serving.with_key(&key(&parent)), &format!("child-{n}"));
        let callers = [&parent, &child].map(|agent| serving.with_key(&key(agent)));
        let works = |status| {
            for caller in &callers {
                caller.get("/api/v1/auth/me").expect(status);
            }
        };
        for _ in 0..5 {
            works(200);
            freezing
                .post(&path(&parent, "freeze"), &json!({}))
                .expect(200);
            works(401);
            freezing
                .post(&path(&parent, "unfreeze"), &json!({}))
                .expect(200);
        }
        works(200);
        freezing
            .post(&path(&parent, "revoke"), &json!({}))
            .expect(200);
        works(401);
    }
}

#[test]
fn one_proof_shown_to_both_nodes_at_once_is_accepted_once() {
    let Some(nodes) = Nodes::start() else { return };
    let clients = nodes.clients(&nodes.admin);
    let (prover, receiver) = (make(&clients[0], "prover"), make(&clients[1], "receiver"));
    let prover_key = clients[0].with_key(&key(&prover));
    let receivers = clients
        .each_ref()
        .map(|node| node.with_key(&key(&receiver)));
    let ask = json!({ "audience": id(&receiver), "purpose": "task 7" });
    let shown = prover_key
        .post("/api/v1/agents/me/totp-code", &ask)
        .expect(200);
    let body = json!({ "username": id(&prover), "code": shown["totp_code"], "purpose": "task 7" });
    let answers = many(100, 20, |n| {
        receivers[n % 2].post("/api/v1/agents/verify", &body)
    });
    let verified =
        |answer: &&Answer| answer.status == 200 && answer.json()["verified"] == json!(true);
    assert_eq!(answers.iter().filter(verified).count(), 1);
    assert!(
        answers
            .iter()
            .all(|answer| [200, 429].contains(&answer.status))
    );
}

fn make(creator: &Client, name: &str) -> Value {
    let body = json!({ "name": name, "scopes": ["read", "agents:write"] });
    creator.post("/api/v1/agents", &body).expect(201)
}

fn id(agent: &Value) -> String {
    agent["id"].as_str().unwrap().to_owned()
}

fn key(agent: &Value) -> String {
    agent["api_key"].as_str().unwrap().to_owned()
}

fn path(agent: &Value, action: &str) -> String {
    format!("/api/v1/agents/{}/{action}", id(agent))
}
