//! Two servers on one PostgreSQL database behave as one.

use std::thread;

use serde_json::{Value, json};

use crate::running::{Answer, Client, Home, Ran, Server, Sql, until};
use crate::together::both;

pub(crate) struct Nodes {
    servers: [Server; 2],
    pub(crate) admin: String,
    // Dropped last.
    homes: [Home; 2],
}

impl Nodes {
    /// Both start at once, on an empty database.
    pub(crate) fn start() -> Option<Self> {
        Self::with(&[])
    }

    /// [`start`](Self::start) with these settings, too.
    pub(crate) fn with(settings: &[(&str, &str)]) -> Option<Self> {
        let home = Home::on_postgres()?.with_keys();
        let home = home.set("BROKER_ALLOW_PRIVATE", "127.0.0.1");
        let set = |home: Home, (name, value): &(&str, &str)| home.set(name, value);
        let home = settings.iter().fold(home, set);
        let homes = [home.another_node(), home];
        let [one, other] = &homes;
        let servers = thread::scope(|scope| {
            let other = scope.spawn(|| other.start());
            [one.start(), other.join().unwrap()]
        });
        let printed = || -> Vec<&Server> {
            let servers = servers.iter();
            servers
                .filter(|server| server.stdout().contains("API key"))
                .collect()
        };
        // What a server has printed before it is ready may not have been read yet.
        let first = until("the administrator", || printed().first().copied());
        let admin = first.printed("API key");
        assert_eq!(printed().len(), 1, "one of both makes the administrator");
        Some(Self {
            servers,
            admin,
            homes,
        })
    }

    pub(crate) fn clients(&self, key: &str) -> [Client; 2] {
        [self.servers[0].client(key), self.servers[1].client(key)]
    }

    /// What a node has counted under this name.
    pub(crate) fn counted(&self, node: usize, name: &str) -> f64 {
        let metrics = self.servers[node].get("/metrics").body;
        let line = metrics.lines().find_map(|line| line.strip_prefix(name));
        line.map_or(0.0, |value| value.trim().parse().unwrap())
    }

    /// Runs a command on the second node.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.homes[1].run(arguments)
    }

    /// A connection to the database of both.
    pub(crate) fn sql(&self) -> Sql {
        let [_, home] = &self.homes;
        home.sql()
    }

    /// As a crash and a supervisor do.
    pub(crate) fn kill_and_start_the_first(&mut self) {
        self.servers[0].take_and_kill();
        self.servers[0] = self.homes[0].start();
    }

    /// Asks both at the same moment.
    fn at_once(&self, ask: impl Fn(&Client) -> Answer + Sync) -> [Answer; 2] {
        let [one, other] = self.clients(&self.admin);
        both(|| ask(&one), || ask(&other))
    }
}

#[test]
fn a_key_that_one_node_revokes_fails_on_the_other_at_once() {
    let Some(nodes) = Nodes::start() else { return };
    let [one, other] = nodes.clients(&nodes.admin);
    for (revoking, serving) in [(&one, &other), (&other, &one)] {
        for round in 0..5 {
            let (id, key) = revoking.new_key(&format!("round {round}"));
            let caller = serving.with_key(&key);
            caller.get("/api/v1/auth/me").expect(200);
            revoking
                .delete(&format!("/api/v1/users/me/keys/{id}"))
                .expect(204);
            caller.get("/api/v1/auth/me").expect(401);
        }
    }
}

#[test]
fn one_attempt_on_both_nodes_makes_one_credential() {
    let Some(nodes) = Nodes::start() else { return };
    let body = |name: &str| {
        json!({ "name": name, "credential_type": "generic", "detail": { "token": "a-secret" } })
            .to_string()
    };
    let create = |client: &Client, round: usize, name: &str| {
        let attempt = format!("attempt-{round}");
        let headers = [("Idempotency-Key", attempt.as_str())];
        client.send("POST", "/api/v1/credentials", &headers, Some(&body(name)))
    };
    let rounds = 10;
    for round in 0..rounds {
        let [one, other] = nodes.at_once(|client| create(client, round, "same"));
        assert_eq!(one.expect(201), other.expect(201));
    }
    let [one, other] = nodes.clients(&nodes.admin);
    let ids = |client: &Client| -> Vec<Value> {
        let all = client.all("/api/v1/credentials");
        all.into_iter().map(|kept| kept["id"].clone()).collect()
    };
    assert_eq!(ids(&one).len(), rounds);
    assert_eq!(ids(&one), ids(&other));

    let reused = create(&other, 0, "another body");
    assert_eq!(reused.expect(409)["type"], "/problems/idempotency-conflict");
}

#[test]
fn what_one_node_writes_the_other_reads_and_opens() {
    let Some(nodes) = Nodes::start() else { return };
    let [one, other] = nodes.clients(&nodes.admin);
    let id = one.keep("shared", "generic", &json!({ "token": "first" }));
    assert_eq!(other.access(&id).expect(200)["fields"]["token"], "first");
    let path = format!("/api/v1/credentials/{id}");
    other
        .patch(&path, &json!({ "detail": { "token": "second" } }))
        .expect(200);
    assert_eq!(one.access(&id).expect(200)["fields"]["token"], "second");
    one.delete(&path).expect(204);
    other.get(&path).expect(404);
}

#[test]
fn changes_on_both_nodes_at_once_form_one_audit_chain() {
    let Some(nodes) = Nodes::start() else { return };
    for round in 0..10 {
        let body = json!({ "name": format!("key {round}") });
        for answer in nodes.at_once(|client| client.post("/api/v1/users/me/keys", &body)) {
            answer.expect(201);
        }
    }
    let verified = nodes.homes[0].run(&["audit", "verify"]);
    assert_eq!(verified.code, 0, "{verified:?}");
    let events = nodes.clients(&nodes.admin)[0].all("/api/v1/audit");
    let made = events
        .iter()
        .filter(|event| event["action"] == "api_key.create");
    assert!(made.count() >= 20, "{events:?}");
}
