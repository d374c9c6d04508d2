//! Agents on two servers on one PostgreSQL database.

use std::process::Command;

use serde_json::{Value, json};

use crate::running::{Answer, Client, Home};
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

#[test]
fn plain_codes_can_be_switched_off() {
    let home = Home::new().set("AGENT_REQUIRE_AUDIENCE", "true");
    let server = home.start();
    let agent = make(&server.admin(), "prover");
    let caller = server.client(&key(&agent));
    let ask = |body| caller.post("/api/v1/agents/me/totp-code", &body);
    let refused = ask(json!({})).expect(422);
    assert_eq!(refused["errors"][0]["field"], "audience", "{refused}");
    let shown = ask(json!({ "audience": id(&agent) })).expect(200);
    assert_eq!(shown["bound"], true);
    let plain = json!({ "username": id(&agent), "code": "123456" });
    caller.post("/api/v1/agents/verify", &plain).expect(422);
    let bound = json!({ "username": id(&agent), "code": shown["totp_code"] });
    let answer = caller.post("/api/v1/agents/verify", &bound).expect(200);
    assert_eq!(answer["verified"], true);
}

/// Agents in another language, as `examples/agents` shows them: they spawn, prove and verify.
#[test]
fn the_example_agents_prove_to_each_other_who_they_are() {
    let Some(python) = python() else { return };
    let home = Home::new();
    let server = home.start();
    let parent = make(&server.admin(), "orchestrator");
    let run = |key: &str| {
        let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/agents");
        let ran = Command::new(python)
            .args(["parent.py", "worker"])
            .current_dir(examples)
            .env("KEYWARD_URL", format!("http://{}", server.address))
            .env("KEYWARD_KEY", key)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .output()
            .unwrap();
        let texts = [ran.stdout, ran.stderr].map(|text| String::from_utf8(text).unwrap());
        (ran.status.code(), texts)
    };
    let (code, [stdout, stderr]) = run(&key(&parent));
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    assert!(stdout.contains("agent_worker"), "{stdout}");
    assert!(!stdout.contains("kw_agent_"), "{stdout}");
    let events = server.admin().all("/api/v1/audit");
    let verified = events
        .iter()
        .filter(|event| event["action"] == "agent.verify-proof");
    assert_eq!(
        verified.count(),
        2,
        "each has accepted one proof of the other"
    );

    let person = server.admin();
    let (code, [stdout, stderr]) = run(person.key());
    assert_eq!(code, Some(1), "only agents have proofs: {stdout}{stderr}");
}

/// Says so where there is none; `REQUIRE_SERVICES=1` makes that a failure.
#[expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "there is no binary to read settings, and no other way to say what did not run"
)]
fn python() -> Option<&'static str> {
    let found = Command::new("python3").arg("--version").output().is_ok();
    if found {
        return Some("python3");
    }
    assert!(
        std::env::var("REQUIRE_SERVICES").as_deref() != Ok("1"),
        "REQUIRE_SERVICES=1, and there is no python3"
    );
    eprintln!("NOT RUN: the example agents, because there is no python3");
    None
}

#[test]
fn the_derivation_in_python_gives_the_codes_of_the_page() {
    let Some(python) = python() else { return };
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/agent-identity.md");
    let ran = Command::new(python)
        .args(["-c", READ_THE_PAGE, page])
        .output();
    let ran = ran.unwrap();
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    assert_eq!(ran.stdout, b"6\n", "so many codes are on the page");
}

const READ_THE_PAGE: &str = r#"
import base64, re, sys
page = open(sys.argv[1], encoding="utf-8").read()
exec(re.search(r"```python\n(.*?)```", page, re.S).group(1))
values = dict(re.findall(r'^proof-([\w-]+) = "(.*)"$', page, re.M))
secret, ids = base64.b32decode(values["secret"]), [values["prover"], values["audience"]]
checked = 0
for name, code in values.items():
    found = re.fullmatch(r"(without-purpose-|reflected-)?at-(\d+)", name)
    if found:
        kind, at = found.groups()
        prover, audience = reversed(ids) if kind == "reflected-" else ids
        purpose = "" if kind == "without-purpose-" else values["purpose"]
        assert proof(secret, prover, audience, purpose, int(at)) == code, name
        checked += 1
print(checked)
"#;
