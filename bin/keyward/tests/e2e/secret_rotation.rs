//! A new `SECRET_KEY`, from the first command to the day when the old one is gone.

use std::fs;

use serde_json::{Value, json};

use crate::running::app::enrol;
use crate::running::{Client, Home, Ran, Server, until};

#[test]
fn a_secret_is_replaced_and_everything_that_was_used_goes_on_on_sqlite() {
    replaced(&Home::new());
}

#[test]
fn a_secret_is_replaced_and_everything_that_was_used_goes_on_on_postgresql() {
    if let Some(home) = Home::on_postgres() {
        replaced(&home);
    }
}

fn replaced(home: &Home) {
    let server = home.start();
    let (admin, eve) = (server.admin(), person(&server));
    let credential = admin.keep("OpenAI", "generic", &json!({ "token": "t0ken" }));
    let (_, sleeper) = admin.new_key("sleeper");
    let anchor = home.run(&["audit", "anchor"]).stdout;
    let old = signing(home);

    let added = json_of(&home.run(&["keys", "add", "--secret", "--json"]));
    let new = added["kid"].as_str().unwrap().to_owned();
    assert_eq!(signing(home), old, "adding one changes nothing");
    nothing_is_signed_by_what_others_lack(home, &new);
    activate(home, &new);
    until("a server that signs with the new secret", || {
        let signing = home
            .sql()
            .value("SELECT signs_with AS value FROM serving_nodes");
        (signing == new).then_some(())
    });

    // The keys that are used go on; what the use has changed is written at the latest by a stop.
    let me = admin.get("/api/v1/auth/me").expect(200);
    server.stop();
    let rotated = home.run(&["keys", "rotate"]);
    assert_eq!(rotated.code, 0, "{rotated:?}");
    for (table, column) in [
        ("users", "row_mac"),
        ("api_keys", "row_mac"),
        ("credentials", "row_mac"),
    ] {
        assert_eq!(rows(home, table, column, &old), 0, "{table}.{column}");
        assert!(rows(home, table, column, &new) > 0, "{table}.{column}");
    }
    assert_eq!(
        rows(home, "api_keys", "key_mac", &old),
        2,
        "sleeper and eve's login"
    );

    let refused = home.run(&["keys", "retire", &old]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("2 API keys"), "{refused:?}");
    assert!(refused.stderr.contains("10 recovery codes"), "{refused:?}");
    let retired = home.run(&["keys", "retire", &old, "--end-unused"]);
    assert_eq!(retired.code, 0, "{retired:?}");

    forget_all_but_the_newest(home);
    let server = home.start();
    let client = server.client(admin.key());
    assert_eq!(client.get("/api/v1/auth/me").expect(200)["id"], me["id"]);
    let opened = client.access(&credential).expect(200);
    assert_eq!(opened["fields"]["token"], "t0ken", "{opened}");
    for ended in [&sleeper, eve.key()] {
        server.client(ended).get("/api/v1/auth/me").expect(401);
    }
    let verified = home.run(&["audit", "verify", "--anchor", anchor.trim()]);
    assert_eq!(verified.code, 0, "{verified:?}");
    let doctor = home.run(&["doctor", "--json"]);
    assert!(is_intact(&doctor), "{doctor:?}");
    control_the_audit_key(home, &old, anchor.trim());
}

/// What doctor says of the audit log.
fn is_intact(ran: &Ran) -> bool {
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    let mut checks = report["checks"].as_array().unwrap().iter();
    let check = checks.find(|check| check["id"] == "audit.intact").unwrap();
    check["outcome"] == "pass"
}

/// Other nodes may not have a secret that was only added here.
fn nothing_is_signed_by_what_others_lack(home: &Home, new: &str) {
    let identity = home.run(&["backup", "identity", "identity.txt"]);
    let words = identity.stdout.split_whitespace();
    let recipient = words.into_iter().find(|word| word.starts_with("age1"));
    let recipient = recipient.unwrap_or_else(|| panic!("{identity:?}"));
    for command in [
        ["backup", "create", "--recipient", recipient, "one.backup"].as_slice(),
        &["backup", "key"],
        &["user", "add", "--username", "bob"],
    ] {
        let ran = home.run(command);
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    let signed = home.sql().value(&format!(
        "SELECT CAST(count(*) AS TEXT) AS value FROM audit_events WHERE mac LIKE '{new}.%'"
    ));
    assert_eq!(signed, "0");
}

/// Without what was kept of the old secret, its part of the log is not verified.
fn control_the_audit_key(home: &Home, old: &str, anchor: &str) {
    home.sql().run(&format!(
        "UPDATE key_checks SET audit_key = NULL WHERE kid = '{old}'"
    ));
    let verified = home.run(&["audit", "verify", "--anchor", anchor]);
    assert_eq!(verified.code, 1, "{verified:?}");
    assert!(!is_intact(&home.run(&["doctor", "--json"])));
    assert!(verified.texts().contains("SECRET_KEY"), "{verified:?}");
}

#[test]
fn a_secret_that_is_in_use_is_not_retired_and_no_strange_one_activated() {
    let home = Home::new();
    home.start().stop();
    let used = signing(&home);
    let ran = home.run(&["keys", "retire", &used]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("active"), "{ran:?}");
    let ran = home.run(&["keys", "activate", "0123456789abcdef"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("keyward keys status"), "{ran:?}");
}

/// Somebody with a second factor, logged in.
fn person(server: &Server) -> Client {
    let body = json!({ "username": "eve", "password": "correct horse battery" });
    server.admin().post("/api/v1/users", &body).expect(201);
    let session = server
        .client("")
        .post("/api/v1/auth/token", &body)
        .expect(200);
    let eve = server.client(session["key"].as_str().unwrap());
    enrol(&eve);
    eve
}

/// As soon as the server has read its key file anew.
fn activate(home: &Home, kid: &str) {
    until("a server that holds the new secret", || {
        let ran = home.run(&["keys", "activate", kid]);
        assert!(
            ran.code == 0 || ran.stderr.contains("do not hold the key yet"),
            "{ran:?}"
        );
        (ran.code == 0).then_some(())
    });
}

/// Leaves in the file what an operator leaves there in the end.
fn forget_all_but_the_newest(home: &Home) {
    let path = home.path("keyward-data/secret.key");
    let text = fs::read_to_string(&path).unwrap();
    let (newest, _) = text.split_once(',').unwrap();
    fs::write(&path, newest).unwrap();
}

fn status(home: &Home) -> Value {
    json_of(&home.run(&["keys", "status", "--json"]))
}

fn signing(home: &Home) -> String {
    status(home)["signing_kid"].as_str().unwrap().to_owned()
}

fn rows(home: &Home, table: &str, column: &str, kid: &str) -> u64 {
    let status = status(home);
    let counted = status["macs"].as_array().unwrap().iter();
    let mut counted = counted
        .filter(|made| made["table"] == table && made["column"] == column && made["kid"] == kid);
    counted
        .next()
        .map_or(0, |made| made["rows"].as_u64().unwrap())
}

fn json_of(ran: &Ran) -> Value {
    assert_eq!(ran.code, 0, "{ran:?}");
    serde_json::from_str(&ran.stdout).unwrap()
}
