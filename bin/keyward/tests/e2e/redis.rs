//! Servers with a real Redis: whatever happens to it changes no answer.
//!
//! `KEYWARD_REVOCATION_REQUESTS` says how many requests are made after a revocation.

use std::time::{Duration, Instant};

use keyward_redis::testing::{TestRedis, liar};
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};

use crate::running::app::{enrol, now};
use crate::running::{Client, Home, until};
use crate::together::many;
use crate::two_nodes::Nodes;

/// What befalls Redis while people guess.
type Weather = (&'static str, fn(&mut TestRedis, usize));

const WEATHERS: [Weather; 5] = [
    ("calm", |_, _| {}),
    ("emptied again and again", |redis, _| {
        redis.ask(&["FLUSHALL"]);
    }),
    ("standing still", |redis, round| {
        if round == 3 {
            redis.freeze();
        }
    }),
    ("going on", |redis, round| {
        if round == 0 {
            redis.thaw();
        }
    }),
    ("killed", |redis, round| {
        if round == 3 {
            redis.kill();
        }
    }),
];

/// Somebody new with an authenticator app: for each node a client, and a wrong code.
fn person(nodes: &Nodes, name: &str) -> ([Client; 2], String) {
    let clients = nodes.clients(&nodes.admin);
    let body = json!({ "username": name, "password": PASSWORD });
    clients[0].post("/api/v1/users", &body).expect(201);
    let session = clients[0].post("/api/v1/auth/token", &body).expect(200);
    let clients = clients.map(|client| client.with_key(session["key"].as_str().unwrap()));
    let secret = enrol(&clients[0]);
    let right = [-30, 0, 30, 60].map(|offset| secret.code_at(now() + offset).expose().to_owned());
    let wrong = (0..5).map(|n| format!("{n:06}"));
    let wrong = wrong.into_iter().find(|code| !right.contains(code));
    (clients, wrong.unwrap())
}

fn readiness(client: &Client) -> Value {
    client.get("/health/ready").expect(200)
}

fn step_up(client: &Client, code: &str) -> u16 {
    let answer = client.post("/api/v1/auth/step-up", &json!({ "code": code }));
    if answer.status == 429 {
        assert!(answer.header("retry-after").is_some(), "{answer:?}");
    }
    answer.status
}

#[test]
fn of_a_thousand_wrong_codes_on_two_nodes_five_are_evaluated_whatever_happens_to_redis() {
    let Some(mut redis) = TestRedis::start() else {
        return;
    };
    let Some(nodes) = Nodes::with(&[("REDIS_URL", &redis.url())]) else {
        return;
    };
    for (number, (weather, happens)) in WEATHERS.into_iter().enumerate() {
        let (clients, wrong) = person(&nodes, &format!("person{number}"));
        let mut statuses = Vec::new();
        for round in 0..10 {
            happens(&mut redis, round);
            let guess = |n: usize| step_up(&clients[n / 2 % 2], &wrong);
            statuses.extend(many(100, 20, guess));
        }
        let count = |status: u16| statuses.iter().filter(|seen| **seen == status).count();
        assert_eq!((count(400), count(429)), (5, 995), "{weather}");
    }
    let confirmed = r#"keyward_limit_advice_total{outcome="confirmed"}"#;
    let early: f64 = (0..2).map(|node| nodes.counted(node, confirmed)).sum();
    assert!(
        early > 900.0,
        "the calm alone has more early refusals: {early}"
    );
    println!(
        "figure: early refusals: {early} of {}",
        WEATHERS.len() * 995
    );
}

#[test]
fn what_one_node_refuses_the_other_refuses_early_and_an_unlock_holds_at_once() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let Some(nodes) = Nodes::with(&[("REDIS_URL", &redis.url())]) else {
        return;
    };
    let (clients, wrong) = person(&nodes, "ada");
    for _ in 0..5 {
        assert_eq!(step_up(&clients[0], &wrong), 400);
    }
    assert_eq!(step_up(&clients[0], &wrong), 429, "by the database");
    until("what was said", || (!redis.keys().is_empty()).then_some(()));
    let counted = |node, outcome: &str| {
        let name = format!("keyward_limit_advice_total{{outcome={outcome:?}}}");
        nodes.counted(node, &name)
    };
    assert!(counted(1, "confirmed").abs() < 0.1);
    assert_eq!(
        step_up(&clients[1], &wrong),
        429,
        "by advice that was confirmed"
    );
    assert!((counted(1, "confirmed") - 1.0).abs() < 0.1);

    // Redis still says so when the database does not any more.
    nodes
        .sql()
        .run("UPDATE attempts SET window_start = 0, window_count = 0");
    assert_eq!(step_up(&clients[1], &wrong), 400);
    assert!((counted(1, "contradicted") - 1.0).abs() < 0.1);
}

#[test]
fn a_key_that_one_node_revokes_is_refused_by_the_other_with_and_without_redis() {
    let redis = TestRedis::start();
    let url = redis.as_ref().map(TestRedis::url);
    let settings: Vec<_> = url.iter().map(|url| ("REDIS_URL", url.as_str())).collect();
    for settings in [&settings[..], &[]] {
        let Some(nodes) = Nodes::with(settings) else {
            return;
        };
        let [one, other] = nodes.clients(&nodes.admin);
        let (id, key) = one.new_key("to be revoked");
        let caller = other.with_key(&key);
        for _ in 0..20 {
            caller.get("/api/v1/auth/me").expect(200);
        }
        one.delete(&format!("/api/v1/users/me/keys/{id}"))
            .expect(204);
        let requests = requests();
        let statuses = many(requests, 8, |_| caller.get("/api/v1/auth/me").status);
        let refused = statuses.iter().filter(|status| **status == 401).count();
        assert_eq!(refused, requests, "{settings:?}");
        let with = if settings.is_empty() {
            "without"
        } else {
            "with"
        };
        println!("figure: {requests} requests after a revocation {with} Redis: 0 accepted");
    }
}

#[test]
fn a_server_says_that_redis_is_gone_and_back_once_and_stays_ready() {
    let Some(mut redis) = TestRedis::start() else {
        return;
    };
    let home = Home::new().set("REDIS_URL", &redis.url());
    let server = home.start();
    let client = server.client("");
    let well = json!({ "status": "ok", "redis": "ok" });
    let degraded = json!({ "status": "degraded", "redis": "unavailable" });
    assert_eq!(readiness(&client), well);
    redis.kill();
    let wrong = json!({ "username": "admin", "password": "a wrong password" });
    let refused: Vec<_> = (0..20)
        .map(|_| client.post("/api/v1/auth/token", &wrong).status)
        .collect();
    assert_eq!(refused.iter().filter(|status| **status == 401).count(), 5);
    assert_eq!(refused.iter().filter(|status| **status == 429).count(), 15);
    until("the degraded state", || {
        (readiness(&client) == degraded).then_some(())
    });
    assert!(server.get("/metrics").body.contains("keyward_redis_up 0"));
    redis.restart();
    until("the good state", || {
        (readiness(&client) == well).then_some(())
    });
    assert!(server.get("/metrics").body.contains("keyward_redis_up 1"));
    let log = server.stop().stderr;
    assert_eq!(log.matches("Redis is of no use now").count(), 1, "{log}");
    assert_eq!(log.matches("Redis answers in time").count(), 2, "{log}");
}

#[test]
fn without_redis_nothing_is_said_of_it() {
    let server = Home::new().start();
    assert_eq!(readiness(&server.client("")), json!({ "status": "ok" }));
}

#[test]
fn a_server_starts_and_answers_in_time_when_redis_hangs_from_the_beginning() {
    for url in [
        liar(b""),
        liar(b"$9000000000\r\n"),
        "redis://127.0.0.1:1".to_owned(),
    ] {
        let home = Home::new().set("REDIS_URL", &url);
        let server = home.start();
        let client = server.client("");
        assert_eq!(readiness(&client)["status"], "degraded");
        let wrong = json!({ "username": "admin", "password": "a wrong password" });
        for _ in 0..6 {
            client.post("/api/v1/auth/token", &wrong);
        }
        let mut took: Vec<_> = (0..50)
            .map(|_| {
                let begun = Instant::now();
                assert_eq!(client.post("/api/v1/auth/token", &wrong).status, 429);
                begun.elapsed()
            })
            .collect();
        took.sort();
        // Refused attempts hash nothing, so this is what Redis adds and little else.
        assert!(took[45] < Duration::from_millis(60), "{url}: {took:?}");
        server.stop();
    }
}

#[test]
fn a_command_that_changes_keys_wakes_every_node() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let Some(nodes) = Nodes::with(&[("REDIS_URL", &redis.url())]) else {
        return;
    };
    let wakes = |node| nodes.counted(node, "keyward_redis_wakes_total");
    let started = nodes.run(&["keys", "rotate"]);
    assert_eq!(started.code, 0, "{started:?}");
    for node in 0..2 {
        until("a wake by the command", || {
            (wakes(node) >= 1.0).then_some(())
        });
    }
    let before = wakes(1);
    let [one, _] = nodes.clients(&nodes.admin);
    one.post("/api/v1/encryption/rotation", &json!({ "action": "start" }))
        .expect(200);
    until("a wake by the API", || (wakes(1) > before).then_some(()));
}

#[test]
fn nothing_in_redis_and_nothing_said_to_it_tells_who_or_what() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let home = Home::new().set("REDIS_URL", &redis.url());
    let watch = redis.watch();
    let server = home.start();
    let mut secrets = leave_traces(&server.admin());
    until("what is said", || {
        (redis.keys().len() >= 2 && watch.seen().contains("EXISTS")).then_some(())
    });
    // The last times of use are claimed a while later.
    until("a claim", || watch.seen().contains("claimed").then_some(()));
    server.stop();
    redis.ask(&["SET", "control", "control-marker"]);
    until("the control", || {
        watch.seen().contains("control-marker").then_some(())
    });
    let (dump, seen) = (redis.dump(), watch.seen());
    assert!(
        dump.contains("control-marker"),
        "the search finds what is there"
    );
    secrets.extend(["canary", PASSWORD, "admin", "source"].map(str::to_owned));
    for secret in secrets {
        let all = format!("{dump}{seen}");
        assert!(!all.contains(&secret), "{secret} is in Redis:\n{all}");
    }
    let ours = redis.keys().into_iter().filter(|key| key != "control");
    for key in ours {
        assert_eq!(redis.text(&key), "1", "{key}");
    }
}

/// Does what services tell Redis of. Returns what nobody may find there.
fn leave_traces(admin: &Client) -> Vec<String> {
    let body = json!({ "username": "canary-name", "password": PASSWORD });
    let made = admin.post("/api/v1/users", &body).expect(201);
    let me = admin.get("/api/v1/auth/me").expect(200);
    for name in ["canary-name", "canary-nobody"] {
        let wrong = json!({ "username": name, "password": "canary-wrong-password" });
        for _ in 0..8 {
            admin.post("/api/v1/auth/token", &wrong);
        }
    }
    let (id, key) = admin.new_key("canary-key");
    admin.with_key(&key).get("/api/v1/auth/me").expect(200);
    let detail = json!({ "token": "canary-secret" });
    let kept = admin.keep("canary-credential", "generic", &detail);
    let ids = [&made["id"], &me["id"], &me["key"]["id"]];
    let ids = ids.map(|id| id.as_str().unwrap().to_owned());
    let all = [id, key, kept, admin.key().to_owned()].into_iter();
    all.chain(ids).collect()
}

#[test]
fn redis_with_tls_and_the_user_of_the_documentation_is_enough() {
    let home = Home::new();
    let (port, pem) = (free_port(), home.path("redis.pem"));
    let Some(_redis) = TestRedis::with(&as_documented(&home, &port)) else {
        return;
    };
    let url = format!("rediss://keyward:a-password@localhost:{port}/1");
    let home = home.set("REDIS_URL", &url);
    assert_eq!(reachable(&home), "warn", "the certificate is not trusted");
    let home = home.set("SSL_CERT_FILE", pem.to_str().unwrap());
    assert_eq!(reachable(&home), "pass");

    let server = home.start();
    let admin = server.admin();
    let wrong = json!({ "username": "nobody", "password": "a wrong password" });
    for _ in 0..10 {
        admin.post("/api/v1/auth/token", &wrong);
    }
    admin
        .post("/api/v1/encryption/rotation", &json!({ "action": "start" }))
        .expect(200);
    until("a wake", || {
        let metrics = server.get("/metrics").body;
        metrics.contains("keyward_redis_wakes_total ").then_some(())
    });
    let metrics = server.get("/metrics").body;
    let confirmed = r#"keyward_limit_advice_total{outcome="confirmed"} "#;
    assert!(metrics.contains(confirmed), "{metrics}");
    assert_eq!(readiness(&admin)["redis"], "ok");
    server.stop();
}

/// What the page tells to set: TLS with a new certificate in `redis.pem`, and a user of its own.
fn as_documented(home: &Home, port: &str) -> Vec<String> {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let pem = home.write("redis.pem", &certificate.pem(), 0o600);
    let key = home.write("redis.key", &key.serialize_pem(), 0o600);
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operating.md");
    let page = std::fs::read_to_string(page).unwrap();
    let user = page
        .lines()
        .find_map(|line| line.strip_prefix("user keyward "));
    let user = user.unwrap().replace("A-LONG-PASSWORD", "a-password");
    let tls = ["--tls-port", port, "--tls-auth-clients", "no"].map(str::to_owned);
    let files = [("--tls-cert-file", pem), ("--tls-key-file", key)];
    let files = files.map(|(name, path)| [name.to_owned(), path.to_str().unwrap().to_owned()]);
    let user = ["--user", "keyward"].into_iter().chain(user.split(' '));
    let user: Vec<_> = user.map(str::to_owned).collect();
    tls.into_iter()
        .chain(files.into_iter().flatten())
        .chain(user)
        .collect()
}

/// The outcome of the check.
fn reachable(home: &Home) -> String {
    let report = home.run(&["doctor", "--json"]).stdout;
    let report: Value = serde_json::from_str(&report).unwrap();
    let checks = report["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["id"] == "redis.reachable");
    check.unwrap()["outcome"].as_str().unwrap().to_owned()
}

fn free_port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port().to_string()
}

#[expect(
    clippy::disallowed_methods,
    reason = "there is no binary to read settings"
)]
fn requests() -> usize {
    let set = std::env::var("KEYWARD_REVOCATION_REQUESTS").ok();
    set.and_then(|number| number.parse().ok()).unwrap_or(400)
}

const PASSWORD: &str = "correct horse battery";
