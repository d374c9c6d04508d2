use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::running::{Client, Home};

const SECRET: &str = "sk-proj-4yKz0Q9aTb7Wq2RmXc8VnLd5";

#[test]
fn a_newcomer_keeps_a_key_and_finds_it_again_on_sqlite() {
    let home = Home::new();
    tell(&home);
    let mode = |name: &str| home.path(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("keyward-data"), 0o700);
    for entry in fs::read_dir(home.path("keyward-data")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert_eq!(mode(&format!("keyward-data/{name}")), 0o600, "{name}");
    }
}

#[test]
fn a_newcomer_keeps_a_key_and_finds_it_again_on_postgresql() {
    if let Some(home) = Home::on_postgres() {
        tell(&home);
    }
}

fn tell(home: &Home) {
    let server = home.start();
    let admin = server.admin();
    let key = admin.key().to_owned();
    assert_eq!(server.printed("username"), "admin");
    assert!(server.printed("password").len() >= 12);
    let me = admin.get("/api/v1/auth/me").expect(200);
    assert_eq!(
        (&me["username"], &me["role"]),
        (&json!("admin"), &json!("admin"))
    );

    let id = admin.keep(
        "OpenAI",
        "llm",
        &json!({ "provider": "openai", "api_key": SECRET }),
    );
    let kept = listed(&admin, &id);
    assert_eq!(
        kept["detail"]["api_key"],
        json!({ "set": true, "last4": "nLd5" })
    );
    assert_eq!(opened(&admin, &id), SECRET);
    let events = told(&admin);
    assert!(events.starts_with(&[
        "credential.access".to_owned(),
        "credential.create".to_owned()
    ]));
    server.stop();

    let server = home.start();
    let admin = server.client(&key);
    assert_eq!(server.stdout(), "", "only the first start prints anything");
    assert_eq!(listed(&admin, &id), kept);
    assert_eq!(opened(&admin, &id), SECRET);
    assert_eq!(
        told(&admin)[1..],
        events,
        "one more event, before the same as ever"
    );
    server.stop();

    let verified = home.run(&["audit", "verify"]);
    assert_eq!(verified.code, 0, "{verified:?}");
    assert!(verified.stdout.contains("intact"), "{verified:?}");
    let verified: Value =
        serde_json::from_str(&home.run(&["audit", "verify", "--json"]).stdout).unwrap();
    assert_eq!(
        verified,
        json!({ "intact": true, "events": events.len() + 1, "findings": [] })
    );
}

/// The credential as the list shows it, without its secret.
fn listed(client: &Client, id: &str) -> Value {
    let answer = client.get("/api/v1/credentials");
    assert!(!answer.all().contains(&SECRET[..16]), "{answer:?}");
    let list = answer.expect(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(list["items"][0]["id"], id);
    assert_eq!(
        client.get(&format!("/api/v1/credentials/{id}")).expect(200),
        list["items"][0]
    );
    list["items"][0].clone()
}

fn opened(client: &Client, id: &str) -> String {
    let answer = client.access(id);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let fields = answer.expect(200)["fields"].clone();
    fields["api_key"].as_str().unwrap().to_owned()
}

/// What happened, newest first.
fn told(client: &Client) -> Vec<String> {
    let events = client.all("/api/v1/audit");
    events
        .iter()
        .map(|event| event["action"].as_str().unwrap().to_owned())
        .collect()
}
