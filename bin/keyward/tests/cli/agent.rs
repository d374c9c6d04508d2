//! `keyward agent`: what the operator of the host does with agents.

use serde_json::{Value, json};

use crate::running::{Home, Ran};

#[test]
fn an_agent_is_made_once_and_works_on_a_running_server() {
    let home = with_root();
    let server = home.start();
    let create = [
        "agent",
        "create",
        "--owner",
        "root",
        "--name",
        "researcher",
        "--purpose",
        "reads",
    ];
    let made = json_of(&done(&home, &[&create[..], &["--json"]].concat()));
    assert_eq!(made["username"], "agent_researcher");
    assert_eq!(made["scopes"], json!(["read", "credentials:use"]));
    let key = made["api_key"].as_str().unwrap();
    let me = server.client(key).get("/api/v1/auth/me").expect(200);
    assert_eq!(me["kind"], "agent");

    let again = done(&home, &create);
    assert_eq!(
        again,
        "agent_researcher exists; --rotate gives it a new key\n"
    );
    let rotated = done(&home, &[&create[..], &["--rotate"]].concat());
    let new = rotated.trim().rsplit(' ').next().unwrap();
    assert!(new.starts_with("kw_agent_"), "{rotated}");
    server.client(key).get("/api/v1/auth/me").expect(401);
    server.client(new).get("/api/v1/auth/me").expect(200);
    assert_eq!(
        last_event(&home),
        format!("host agent.rotate-key {}", made["id"].as_str().unwrap())
    );
}

#[test]
fn a_tree_is_shown_frozen_thawed_and_revoked() {
    let home = with_root();
    let server = home.start();
    let create = [
        "agent",
        "create",
        "--owner",
        "root",
        "--workflow",
        "w_f",
        "--node",
        "n",
    ];
    let scopes = ["--scope", "read", "--scope", "agents:write", "--json"];
    let parent = json_of(&done(&home, &[&create[..], &scopes].concat()));
    let parent = server.client(parent["api_key"].as_str().unwrap());
    let child = parent
        .post("/api/v1/agents", &json!({ "name": "child" }))
        .expect(201);
    let child = server.client(child["api_key"].as_str().unwrap());

    assert_eq!(
        done(&home, &["agent", "tree"]),
        "agent_w__f_n\n└─ agent_child\n"
    );
    assert_eq!(done(&home, &["agent", "tree", "child"]), "└─ agent_child\n");
    let list = done(&home, &["agent", "list"]);
    assert_eq!(list.lines().count(), 3, "{list}");

    let plan = done(&home, &["agent", "freeze", "w__f_n", "--dry-run"]);
    assert_eq!(
        plan,
        "would be frozen:\n└─ agent_w__f_n\n   └─ agent_child\n"
    );
    child.get("/api/v1/auth/me").expect(200);
    let frozen = json_of(&done(&home, &["agent", "freeze", "w__f_n", "--json"]));
    assert_eq!(frozen["affected"].as_array().unwrap().len(), 2);
    child.get("/api/v1/auth/me").expect(401);
    assert_eq!(
        done(&home, &["agent", "tree"]),
        "agent_w__f_n  frozen\n└─ agent_child  frozen\n"
    );
    let again = done(&home, &["agent", "freeze", "agent_w__f_n"]);
    assert!(again.starts_with("nothing to do"), "{again}");
    refused(
        &home,
        &["agent", "unfreeze", "child"],
        "an agent above it is frozen",
    );

    done(&home, &["agent", "unfreeze", "w__f_n"]);
    child.get("/api/v1/auth/me").expect(200);
    let revoked = done(&home, &["agent", "revoke", "w__f_n"]);
    assert_eq!(
        revoked,
        "now revoked for ever:\n└─ agent_w__f_n\n   └─ agent_child\n"
    );
    parent.get("/api/v1/auth/me").expect(401);
    child.get("/api/v1/auth/me").expect(401);
    assert_eq!(done(&home, &["agent", "tree"]), "");
}

#[test]
fn what_cannot_be_is_refused_and_says_what_to_do() {
    let home = with_root();
    let create = ["agent", "create", "--owner", "root"];
    for (arguments, said) in [
        (
            &["agent", "freeze", "nobody"] as &[&str],
            "`keyward agent list`",
        ),
        (
            &["agent", "create", "--owner", "nobody", "--name", "x"],
            "`keyward user list`",
        ),
        (
            &[
                "agent", "create", "--owner", "root", "--name", "x", "--scope", "admin",
            ],
            "agents:write",
        ),
        (
            &[
                "agent",
                "create",
                "--owner",
                "root",
                "--name",
                "x",
                "--expires-at",
                "2001-01-01T00:00:00Z",
            ],
            "a later one",
        ),
    ] {
        refused(&home, arguments, said);
    }
    for more in [
        &["--name", "a b"] as &[&str],
        &["--workflow", "A", "--node", "b"],
        &["--workflow", "a"],
        &[],
    ] {
        let ran = home.run(&[&create[..], more].concat());
        assert_eq!(ran.code, 2, "{ran:?}");
    }
    assert_eq!(done(&home, &["agent", "tree"]), "");
}

pub(crate) fn with_root() -> Home {
    let home = Home::new().with_keys();
    done(&home, &["init", "--username", "root", "--json"]);
    home
}

pub(crate) fn done(home: &Home, arguments: &[&str]) -> String {
    let ran = home.run(arguments);
    assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
    ran.stdout
}

fn refused(home: &Home, arguments: &[&str], said: &str) -> Ran {
    let ran = home.run(arguments);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (1, ""),
        "{arguments:?}: {ran:?}"
    );
    assert!(ran.stderr.contains(said), "{said:?} in {ran:?}");
    ran
}

pub(crate) fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| panic!("no JSON: {text}"))
}

pub(crate) fn last_event(home: &Home) -> String {
    home.sql().value(
        "SELECT actor_kind || ' ' || action || ' ' || subject_id AS value FROM audit_events \
         ORDER BY seq DESC LIMIT 1",
    )
}
