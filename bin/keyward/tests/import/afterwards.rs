//! What people and agents used before works afterwards.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::healthy::{SECRETS, healthy};
use crate::pipelit::{ADA_KEY, ADA_PASSWORD, AGENT_KEY, BOB_KEY, BOB_PASSWORD, Made, totp};
use crate::running::{Client, Home, Server};
use crate::{counts, findings, import, on_both, report, rows};

on_both![
    old_keys_passwords_and_codes_work,
    a_code_that_pipelit_has_accepted_is_not_accepted_again,
    secrets_are_what_they_were,
    agents_keep_their_place_and_their_codes,
    a_second_run_changes_nothing,
    the_report_counts_every_row,
];

fn imported(home: &Home, made: Made) -> Server {
    let pipelit = healthy(made);
    let ran = import(home, &pipelit, &[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    for secret in SECRETS {
        assert!(!ran.texts().contains(secret), "{secret}: {ran:?}");
    }
    home.start()
}

fn old_keys_passwords_and_codes_work(home: &Home) {
    let server = imported(home, Made::ByMigrations);

    let ada = server.client(ADA_KEY).get("/api/v1/auth/me").expect(200);
    assert_eq!(
        (&ada["username"], &ada["role"]),
        (&json!("ada"), &json!("admin"))
    );
    assert_eq!(ada["key"]["name"], "default (0f8fad5b…)");
    let bob = server.client(BOB_KEY).get("/api/v1/auth/me").expect(200);
    assert_eq!(
        (&bob["username"], &bob["mfa_enabled"]),
        (&json!("bob"), &json!(true))
    );
    assert_eq!(bob["key"]["expires_at"], "2099-01-01T00:00:00Z");
    let keys = server.client(ADA_KEY).all("/api/v1/users/me/keys");
    let old = &keys[0];
    assert_eq!(
        (&old["kind"], &old["legacy_id"]),
        (&json!("foreign"), &json!(1))
    );
    assert_eq!(old["created_at"], "2025-04-05T06:07:08Z");
    for unknown in [
        "0f8fad5b-d9cb-469f-a165-70867728950f",
        "66666666-7777-8888-9999-000000000000",
        "c2Vzc2lvbnMtYXJlLWxlZnQtb3V0LW9mLXRoZS1pbXA",
    ] {
        let refused = server.client(unknown).get("/api/v1/auth/me").expect(401);
        assert_eq!(refused["type"], "/problems/unauthenticated", "{unknown}");
    }

    // The name as it was typed before; the hash is replaced by the way.
    log_in(&server, "Ada", ADA_PASSWORD);
    let hash = "SELECT password_hash AS value FROM users WHERE username = 'ada'";
    assert!(home.sql().value(hash).starts_with("$argon2id$"));
    log_in(&server, "ada", ADA_PASSWORD);

    let login = json!({ "username": "bob", "password": BOB_PASSWORD });
    let first = server
        .client("")
        .post("/api/v1/auth/token", &login)
        .expect(200);
    assert_eq!(first["requires_mfa"], true);
    let code = totp().code_at(now()).expose().to_owned();
    let second = json!({ "ticket": first["ticket"], "code": code });
    let done = server
        .client("")
        .post("/api/v1/auth/mfa/login-verify", &second);
    assert!(!done.expect(200)["key"].as_str().unwrap().is_empty());

    let verified = home.run(&["audit", "verify"]);
    assert_eq!(verified.code, 0, "{verified:?}");
}

fn secrets_are_what_they_were(home: &Home) {
    let server = imported(home, Made::ByStart);
    let old = server.client(ADA_KEY);
    let all = log_in(&server, "ada", ADA_PASSWORD);
    let opened = |legacy_id: i64| -> Value {
        let path = format!("/api/v1/credentials?legacy_id={legacy_id}");
        let found = old.get(&path).expect(200);
        let items = found["items"].as_array().unwrap();
        assert_eq!(items.len(), 1, "{found}");
        assert_eq!(items[0]["legacy_id"], legacy_id);
        let id = items[0]["id"].as_str().unwrap();
        // What old keys could not do in Pipelit, they cannot do now.
        assert_eq!(
            old.access(id).expect(403)["type"],
            "/problems/missing-scope"
        );
        all.access(id).expect(200)["fields"].clone()
    };
    let llm = json!({
        "api_key": "sk-proj-0123456789abcdefwxyz",
        "custom_headers.X-Team": "secret-of-the-team",
    });
    assert_eq!(opened(1), llm);
    assert_eq!(opened(2), json!({ "api_key": "sk-encrypted-twice-0001" }));
    assert_eq!(opened(3), json!({ "api_key": "sk-in-the-clear-0002" }));
    let git =
        json!({ "access_token": "ghp_0123456789abcdef", "webhook_secret": "hook-secret-0003" });
    assert_eq!(opened(4), git);
    assert_eq!(
        opened(5),
        json!({ "config.gateway_credential_id": "tg-main" })
    );
    let tool = json!({ "config.api_key": "brave-0004", "config.max_results": "5" });
    assert_eq!(opened(6), tool);
    assert_eq!(
        old.get("/api/v1/credentials?legacy_id=7").expect(200)["items"],
        json!([])
    );
    old.get("/api/v1/credentials?legacy_id=x").expect(422);
    let document = server.client("").get("/openapi.json").expect(200);
    let parameters = document["paths"]["/api/v1/credentials"]["get"]["parameters"].as_array();
    let names: Vec<_> = parameters.unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["limit", "cursor", "legacy_id"]);

    let everything = old.all("/api/v1/credentials");
    assert_eq!(everything.len(), 7);
    let lab = everything
        .iter()
        .find(|one| one["legacy_workspace_id"] == 1)
        .unwrap();
    assert_eq!(
        (&lab["name"], &lab["credential_type"]),
        (&json!("lab"), &json!("generic"))
    );
    let fields = all.access(lab["id"].as_str().unwrap()).expect(200);
    assert_eq!(fields["fields"], json!({ "TOKEN": "raw-secret-0005" }));

    let first = everything.iter().find(|one| one["legacy_id"] == 1).unwrap();
    assert_eq!(first["created_at"], "2025-05-06T07:08:09Z");
    assert_eq!(first["detail"]["base_url"], "https://api.example.com/v1");
    // What is read can be sent back, numbers of the import included.
    let path = format!("/api/v1/credentials/{}", first["id"].as_str().unwrap());
    assert_eq!(old.patch(&path, first).expect(200), *first);
    let moved = json!({ "legacy_id": 2 });
    old.patch(&path, &moved).expect(422);
}

fn a_code_that_pipelit_has_accepted_is_not_accepted_again(home: &Home) {
    let mut pipelit = healthy(Made::ByStart);
    // As Pipelit notes that the code of this moment was used.
    let used = now().div_euclid(30) + 1;
    let note = format!("UPDATE user_profiles SET totp_last_used_at = {used} WHERE id = 2");
    pipelit.sql().run(&note);
    report(&import(home, &pipelit, &["--json"]), 0);
    let server = home.start();
    let login = json!({ "username": "bob", "password": BOB_PASSWORD });
    let first = server
        .client("")
        .post("/api/v1/auth/token", &login)
        .expect(200);
    // Not even if the next step has begun meanwhile, whose code Pipelit accepts, too.
    let code = totp()
        .code_at(now().min(used * 30 + 29))
        .expose()
        .to_owned();
    let second = json!({ "ticket": first["ticket"], "code": code });
    let refused = server
        .client("")
        .post("/api/v1/auth/mfa/login-verify", &second);
    assert_eq!(refused.expect(401)["type"], "/problems/login-rejected");
}

#[test]
fn nobody_finds_by_number_what_they_may_not_see() {
    let home = Home::new().set("CREDENTIAL_SCOPE", "owner");
    let server = imported(&home, Made::ByMigrations);
    let found = |key: &str, legacy_id: i64| {
        let path = format!("/api/v1/credentials?legacy_id={legacy_id}");
        let found = server.client(key).get(&path).expect(200);
        found["items"].as_array().unwrap().len()
    };
    // The first is Ada's, the fourth Bob's; Ada is an administrator.
    assert_eq!((found(ADA_KEY, 1), found(ADA_KEY, 4)), (1, 1));
    assert_eq!((found(BOB_KEY, 1), found(BOB_KEY, 4)), (0, 1));
}

fn agents_keep_their_place_and_their_codes(home: &Home) {
    let server = imported(home, Made::ByMigrations);
    let admin = server.client(ADA_KEY);
    let users = admin.all("/api/v1/users");
    let user = |id: i64| users.iter().find(|user| user["legacy_id"] == id).unwrap();
    assert_eq!(users.len(), 7);
    for id in [4, 5, 6, 7] {
        assert_eq!(
            (&user(id)["kind"], &user(id)["role"]),
            (&json!("agent"), &json!("normal"))
        );
    }
    let agents = admin.all("/api/v1/agents");
    let agent = |id: i64| {
        agents
            .iter()
            .find(|agent| agent["id"] == user(id)["id"])
            .unwrap()
    };
    assert_eq!(
        (&agent(7)["purpose"], &agent(7)["legacy_id"]),
        (&json!("writes reports"), &json!(7))
    );
    assert_eq!(agent(6)["created_by_id"], user(7)["id"]);
    assert_eq!(agent(6)["lineage"], json!([user(7)["id"]]));
    for id in [4, 5, 6, 7] {
        assert_eq!(agent(id)["owner_id"], user(1)["id"], "{id}");
    }

    let me = server.client(AGENT_KEY).get("/api/v1/auth/me").expect(200);
    assert_eq!(
        (&me["username"], &me["kind"]),
        (&json!("agent_flow_node"), &json!("agent"))
    );
    let scopes = json!([
        "read",
        "credentials:write",
        "credentials:use",
        "agents:write"
    ]);
    assert_eq!(me["key"]["scopes"], scopes);
    // The secret is the one of before: its plain code is the one that an app would show.
    let code = totp().code_at(now()).expose().to_owned();
    let proof = json!({ "username": "agent_flow_node", "code": code });
    let proven = server
        .client(BOB_KEY)
        .post("/api/v1/agents/verify", &proof)
        .expect(200);
    assert_eq!(proven["verified"], true);

    // Rotation gives a key of our own in place of the old one.
    let key_id = me["key"]["id"].as_str().unwrap();
    let path = format!("/api/v1/users/me/keys/{key_id}/rotate");
    let rotate = json!({ "overlap_seconds": 0 });
    let rotated = server.client(AGENT_KEY).post(&path, &rotate).expect(201);
    let new = rotated["key"].as_str().unwrap();
    assert!(new.starts_with("kw_agent_"), "{rotated}");
    server.client(new).get("/api/v1/auth/me").expect(200);
    server.client(AGENT_KEY).get("/api/v1/auth/me").expect(401);
}

fn a_second_run_changes_nothing(home: &Home) {
    let pipelit = healthy(Made::ByStart);
    let first = import(home, &pipelit, &["--json"]);
    report(&first, 0);
    let before = rows(home);
    let macs = "SELECT row_mac AS value FROM users UNION SELECT row_mac FROM api_keys UNION \
                SELECT row_mac FROM credentials UNION SELECT sealed FROM credential_secrets UNION \
                SELECT active FROM totp_secrets UNION SELECT mac FROM audit_head ORDER BY 1";
    let content = home.sql().values(macs);

    for more in [&["--json"][..], &["--json", "--partial"]] {
        let again = import(home, &pipelit, more);
        let report = report(&again, 0);
        for (table, read) in [("user_profiles", 7), ("credentials", 6), ("workspaces", 1)] {
            assert_eq!(counts(&report, table), [read, 0, 0, read, 0, 0], "{table}");
        }
        assert_eq!(counts(&report, "api_keys"), [6, 0, 0, 5, 1, 0]);
        assert!(again.stderr.contains("nothing new"), "{again:?}");
    }
    assert_eq!(rows(home), before);
    assert_eq!(home.sql().values(macs), content);
}

fn the_report_counts_every_row(home: &Home) {
    let pipelit = healthy(Made::ByMigrations);
    let migrated = home.run(&["migrate"]);
    assert_eq!(migrated.code, 0, "{migrated:?}");
    let dry = import(home, &pipelit, &["--json", "--dry-run"]);
    assert_eq!(rows(home), ["0"; 7]);
    let done = import(home, &pipelit, &["--json"]);
    assert_eq!(dry.stdout, done.stdout);
    assert_eq!(rows(home), ["7", "4", "5", "5", "7", "10", "19"]);

    let used = "SELECT CAST(last_used_at AS TEXT) AS value FROM api_keys WHERE legacy_id = 1";
    assert_eq!(home.sql().value(used), "1746421500");

    let report = report(&done, 0);
    assert_eq!(counts(&report, "user_profiles"), [7, 7, 2, 0, 0, 0]);
    assert_eq!(counts(&report, "api_keys"), [6, 5, 0, 0, 1, 0]);
    assert_eq!(counts(&report, "credentials"), [6, 6, 5, 0, 0, 0]);
    assert_eq!(counts(&report, "workspaces"), [1, 1, 1, 0, 0, 0]);
    let found = |list, expected: &[(&str, i64, &str)]| {
        let expected = expected.iter();
        let expected: Vec<_> = expected
            .map(|(table, id, code)| ((*table).to_owned(), *id, (*code).to_owned()))
            .collect();
        assert_eq!(findings(&report, list), expected, "{list}");
    };
    found(
        "repaired",
        &[
            ("user_profiles", 4, "agent-demoted"),
            ("user_profiles", 7, "agent-demoted"),
            ("credentials", 1, "sealed"),
            ("credentials", 2, "doubly-encrypted"),
            ("credentials", 3, "plaintext"),
            ("credentials", 4, "sealed"),
            ("credentials", 6, "sealed"),
            ("workspaces", 1, "sealed"),
        ],
    );
    found("left_out", &[("api_keys", 6, "session")]);
    found("warnings", &WARNINGS);
    let advice = report["advice"].as_array().unwrap();
    assert!(
        advice[0]
            .as_str()
            .unwrap()
            .starts_with("Rotate every imported key")
    );
}

const WARNINGS: [(&str, i64, &str); 14] = [
    ("user_profiles", 1, "administrator"),
    ("user_profiles", 2, "live-keys"),
    ("user_profiles", 3, "no-active-key"),
    ("user_profiles", 4, "external-account"),
    ("user_profiles", 4, "no-active-key"),
    ("user_profiles", 4, "assumed-owner"),
    ("user_profiles", 5, "no-active-key"),
    ("user_profiles", 5, "assumed-owner"),
    ("user_profiles", 7, "assumed-owner"),
    ("user_profiles", 6, "no-active-key"),
    ("api_keys", 1, "no-expiry"),
    ("api_keys", 2, "expiry-in-utc"),
    ("api_keys", 3, "no-expiry"),
    ("api_keys", 5, "no-expiry"),
];

fn log_in(server: &Server, username: &str, password: &str) -> Client {
    let login = json!({ "username": username, "password": password });
    let done = server
        .client("")
        .post("/api/v1/auth/token", &login)
        .expect(200);
    server.client(done["key"].as_str().unwrap())
}

#[expect(
    clippy::disallowed_methods,
    reason = "an authenticator app has the time of its own"
)]
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}
