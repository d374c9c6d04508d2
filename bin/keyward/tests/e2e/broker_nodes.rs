//! The broker on two servers on one PostgreSQL database.

use std::thread::sleep;
use std::time::Duration;

use serde_json::json;

use crate::echo::echo;
use crate::running::Client;
use crate::together::many;
use crate::two_nodes::Nodes;

#[test]
fn the_requests_of_a_minute_are_counted_on_both_nodes_together() {
    let Some(nodes) = Nodes::start() else { return };
    let clients = nodes.clients(&nodes.admin);
    await_a_whole_minute(&clients[0]);
    let path = format!("/broker/{}/x", keep(&clients[0], 10));
    let answers = many(60, 12, |n| clients[n % 2].get(&path).status);
    let of = |wanted: u16| answers.iter().filter(|status| **status == wanted).count();
    assert_eq!((of(200), of(429)), (10, 50), "{answers:?}");
    let events = clients[0].all("/api/v1/audit");
    let uses = events
        .iter()
        .filter(|event| event["action"] == "credential.use");
    assert_eq!(
        uses.count(),
        10 + 1,
        "one of them found out what time it is"
    );
}

#[test]
fn a_key_that_one_node_revokes_uses_nothing_on_the_other() {
    let Some(nodes) = Nodes::start() else { return };
    let [one, other] = nodes.clients(&nodes.admin);
    let path = format!("/broker/{}/x", keep(&one, 1_000));
    for (revoking, serving) in [(&one, &other), (&other, &one)] {
        for round in 0..5 {
            let (id, key) = revoking.new_key(&format!("round {round}"));
            let caller = serving.with_key(&key);
            assert_eq!(caller.get(&path).status, 200);
            let key = format!("/api/v1/users/me/keys/{id}");
            revoking.delete(&key).expect(204);
            assert_eq!(caller.get(&path).status, 401);
        }
    }
}

/// A credential that allows so many requests in a minute.
fn keep(client: &Client, requests: u32) -> String {
    let url = format!("http://{}/v1", echo());
    let body = json!({
        "name": "limited", "credential_type": "llm",
        "detail": { "provider": "openai", "api_key": "sk-0123456789-abcdef", "base_url": url },
        "broker": { "requests_per_minute": requests },
    });
    let made = client.post("/api/v1/credentials", &body).expect(201);
    made["id"].as_str().unwrap().to_owned()
}

/// Until there are at least twenty seconds left of the minute that the servers count.
fn await_a_whole_minute(client: &Client) {
    let path = format!("/broker/{}/x", keep(client, 1));
    assert_eq!(client.get(&path).status, 200);
    let refused = client.get(&path);
    let left: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    if left < 20 {
        sleep(Duration::from_secs(left + 1));
    }
}
