//! Somebody writes to the database behind the server's back (K-02): what was changed does not
//! work, nothing else breaks, and nothing of what is stored comes out raw.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy knows test functions, but not what they share"
)]

mod running;

use std::fs;

use keyward_crypto::{ApiKey, ApiKeyKind, MacRing};
use running::{Answer, Client, Home, Server};
use serde_json::{Value, json};

const SECRET: &str = "sk-proj-4yKz0Q9aTb7Wq2RmXc8VnLd5";

/// A database with two credentials, an administrator, and a user with a key.
struct World {
    home: Home,
    admin: String,
    first: String,
    second: String,
    user: String,
    /// A key of the user with the scope `read`.
    reader: String,
    reader_id: String,
}

impl World {
    fn new() -> Self {
        let home = Home::new();
        let server = home.start();
        let admin = server.admin();
        let llm = |name: &str| {
            let detail = json!({
                "provider": "openai",
                "base_url": "https://api.openai.com/v1",
                "api_key": SECRET,
                "custom_headers": { "X-Team": "a header of the team" },
            });
            admin.keep(name, "llm", &detail)
        };
        let (first, second) = (llm("first"), llm("second"));
        let user = json!({ "username": "ada", "password": "a long enough password" });
        let user = admin.post("/api/v1/users", &user).expect(201);
        let user = user["id"].as_str().unwrap().to_owned();
        let made = json!({ "name": "reader", "scopes": ["read"] });
        let made = admin
            .post(&format!("/api/v1/users/{user}/keys"), &made)
            .expect(201);
        let world = Self {
            admin: admin.key().to_owned(),
            first,
            second,
            user,
            reader: made["key"].as_str().unwrap().to_owned(),
            reader_id: made["id"].as_str().unwrap().to_owned(),
            home,
        };
        server.stop();
        world
    }

    /// Changes the database, and starts the server on what is left.
    fn after(&self, sql: &str) -> Server {
        self.home.sql().run(sql);
        self.home.start()
    }

    /// Asks with the key of the user, whose rights the change was to widen.
    fn reader_gets(&self, sql: &str, status: u16) {
        let server = self.after(sql);
        let answer = server.client(&self.reader).get("/api/v1/auth/me");
        answer.expect(status);
        server
            .client(&self.admin)
            .get("/api/v1/auth/me")
            .expect(200);
        server.stop();
    }

    fn sealed(&self, id: &str) -> String {
        self.home.sql().value(&format!(
            "SELECT sealed AS value FROM credential_secrets \
             WHERE credential_id = '{id}' AND field = 'api_key'"
        ))
    }
}

/// The credential in the list, which must work whatever else is broken.
fn listed(admin: &Client, id: &str) -> Value {
    let answer = admin.get("/api/v1/credentials");
    assert!(
        !answer.body.contains("gAAAA"),
        "a stored token came out: {answer:?}"
    );
    let list = answer.expect(200);
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    items.iter().find(|item| item["id"] == id).unwrap().clone()
}

fn unreadable(mask: &Value) -> bool {
    assert_eq!(mask["set"], true, "{mask}");
    mask["unreadable"] == true
}

/// Expects the answer that names these fields and nothing else.
fn names(answer: &Answer, fields: &[&str]) {
    let problem = answer.expect(500);
    assert_eq!(problem["type"], "/problems/unreadable");
    let named = problem["errors"].as_array().unwrap();
    let named: Vec<_> = named
        .iter()
        .map(|error| error["field"].as_str().unwrap())
        .collect();
    assert_eq!(named, fields);
    assert!(
        !answer.body.contains("gAAAA") && !answer.body.contains("v1."),
        "{answer:?}"
    );
}

#[test]
fn a_changed_ciphertext_makes_its_field_unreadable_and_nothing_else() {
    let world = World::new();
    let sealed = world.sealed(&world.first);
    // One bit at the beginning of the token, in the middle and at the end.
    for place in [25, sealed.len() / 2, sealed.len() - 6] {
        let mut changed = sealed.clone().into_bytes();
        changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert_ne!(changed, sealed);
        let server = world.after(&format!(
            "UPDATE credential_secrets SET sealed = '{changed}' \
             WHERE credential_id = '{}' AND field = 'api_key'",
            world.first
        ));
        let admin = server.client(&world.admin);

        let first = listed(&admin, &world.first);
        assert!(unreadable(&first["detail"]["api_key"]));
        assert!(!unreadable(&first["detail"]["custom_headers"]["X-Team"]));
        assert!(!unreadable(
            &listed(&admin, &world.second)["detail"]["api_key"]
        ));
        names(&admin.access(&world.first), &["api_key"]);
        let path = format!("/api/v1/credentials/{}/access", world.first);
        names(
            &admin.post(&path, &json!({ "field": "api_key" })),
            &["api_key"],
        );
        let intact = admin.post(&path, &json!({ "field": "custom_headers.X-Team" }));
        assert_eq!(
            intact.expect(200)["fields"]["custom_headers.X-Team"],
            "a header of the team"
        );
        admin.access(&world.second).expect(200);

        let left = server.stop();
        let line = "a stored secret cannot be opened";
        let line = left
            .stderr
            .lines()
            .find(|said| said.contains(line))
            .unwrap();
        assert!(
            line.contains(&world.first) && line.contains("api_key"),
            "{line}"
        );
        assert!(!left.stderr.contains("gAAAA"), "{}", left.stderr);
    }
}

#[test]
fn a_field_that_became_unreadable_can_be_set_anew() {
    let world = World::new();
    let server = world.after("UPDATE credential_secrets SET sealed = 'v1.nonsense'");
    let admin = server.client(&world.admin);
    names(
        &admin.access(&world.first),
        &["api_key", "custom_headers.X-Team"],
    );
    let anew = json!({ "detail": { "api_key": SECRET, "custom_headers": { "X-Team": "new" } } });
    let path = format!("/api/v1/credentials/{}", world.first);
    admin.patch(&path, &anew).expect(200);
    assert_eq!(
        admin.access(&world.first).expect(200)["fields"]["api_key"],
        SECRET
    );
    server.stop();
}

#[test]
fn a_ciphertext_opens_in_no_other_place() {
    let moved = |world: &World, sql: &str| {
        let server = world.after(sql);
        let admin = server.client(&world.admin);
        for id in [&world.first, &world.second] {
            assert!(
                unreadable(&listed(&admin, id)["detail"]["api_key"]),
                "{sql}"
            );
            let answer = admin.access(id);
            assert_eq!(answer.expect(500)["type"], "/problems/unreadable");
        }
        server.stop();
    };
    let world = World::new();
    let (one, other) = (world.sealed(&world.first), world.sealed(&world.second));
    let put = |sealed: &str, id: &str| {
        format!(
            "UPDATE credential_secrets SET sealed = '{sealed}' \
             WHERE credential_id = '{id}' AND field = 'api_key';"
        )
    };
    // Between rows.
    moved(
        &world,
        &(put(&other, &world.first) + &put(&one, &world.second)),
    );
    // Between fields of one row.
    moved(
        &World::new(),
        "UPDATE credential_secrets AS s SET sealed = (SELECT o.sealed FROM credential_secrets AS o \
         WHERE o.credential_id = s.credential_id AND o.field <> s.field) WHERE field = 'api_key'",
    );
    // To another owner.
    let world = World::new();
    moved(
        &world,
        &format!("UPDATE credentials SET created_by = '{}'", world.user),
    );
}

#[test]
fn a_changed_host_makes_the_secrets_unreadable() {
    let world = World::new();
    let server = world.after(&format!(
        "UPDATE credentials SET open_fields = \
         replace(open_fields, 'api.openai.com', 'attacker.example') WHERE id = '{}'",
        world.first
    ));
    let admin = server.client(&world.admin);
    let first = listed(&admin, &world.first);
    assert_eq!(first["detail"]["base_url"], "https://attacker.example/v1");
    assert!(unreadable(&first["detail"]["api_key"]));
    assert!(!unreadable(
        &listed(&admin, &world.second)["detail"]["api_key"]
    ));
    names(
        &admin.access(&world.first),
        &["api_key", "custom_headers.X-Team"],
    );
    let left = server.stop();
    assert!(left.stderr.contains("not genuine"), "{}", left.stderr);
}

#[test]
fn a_changed_user_or_key_cannot_be_used() {
    let all = "read credentials:write credentials:use credentials:access agents:write users:write \
               audit:read admin";
    let changes = [
        "UPDATE users SET role = 'admin' WHERE id = ':user'".to_owned(),
        "UPDATE users SET version = version + 1 WHERE id = ':user'".to_owned(),
        format!("UPDATE api_keys SET scopes = '{all}' WHERE id = ':key'"),
        "UPDATE api_keys SET expires_at = 4102444800 WHERE id = ':key'".to_owned(),
        "UPDATE api_keys SET created_at = created_at + 1 WHERE id = ':key'".to_owned(),
        "UPDATE api_keys SET user_id = (SELECT id FROM users WHERE username = 'admin') \
         WHERE id = ':key'"
            .to_owned(),
        // The MAC of another row.
        "UPDATE api_keys SET scopes = o.scopes, user_id = o.user_id, row_mac = o.row_mac \
         FROM (SELECT * FROM api_keys WHERE id <> ':key' LIMIT 1) AS o WHERE api_keys.id = ':key'"
            .to_owned(),
        "UPDATE api_keys SET key_mac = (SELECT o.key_mac FROM api_keys AS o WHERE o.id <> ':key' \
         LIMIT 1) WHERE id = ':key'"
            .to_owned(),
    ];
    for change in changes {
        let world = World::new();
        let change = change
            .replace(":user", &world.user)
            .replace(":key", &world.reader_id);
        world.reader_gets("SELECT 1", 200);
        world.reader_gets(&change, 401);
    }
}

#[test]
fn a_user_or_key_that_was_switched_off_cannot_be_switched_on_again() {
    let world = World::new();
    let server = world.home.start();
    let admin = server.client(&world.admin);
    let key = format!("/api/v1/users/{}/keys/{}", world.user, world.reader_id);
    admin.delete(&key).expect(204);
    server.stop();
    world.reader_gets("UPDATE api_keys SET revoked_at = NULL", 401);

    let world = World::new();
    let server = world.home.start();
    let admin = server.client(&world.admin);
    let user = format!("/api/v1/users/{}", world.user);
    admin
        .patch(&user, &json!({ "status": "disabled" }))
        .expect(200);
    server.stop();
    world.reader_gets("UPDATE users SET status = 'active'", 401);
}

#[test]
fn a_key_that_was_put_in_cannot_be_used() {
    let world = World::new();
    // As good as it gets without SECRET_KEY: a real key, with MACs under another one.
    let forged = ApiKey::generate(ApiKeyKind::User);
    let mac = forged.mac(&MacRing::parse(MacRing::generate_secret().expose()).unwrap());
    let genuine = world.home.sql().value(&format!(
        "SELECT row_mac AS value FROM api_keys WHERE id <> '{}'",
        world.reader_id
    ));
    for row_mac in [mac.as_stored(), genuine] {
        let server = world.after(&format!(
            "DELETE FROM api_keys WHERE id = '{id}'; \
             INSERT INTO api_keys (id, kind, user_id, name, scopes, created_at, key_mac, row_mac) \
             SELECT '{id}', kind, user_id, name, scopes, created_at, '{}', '{row_mac}' \
             FROM api_keys WHERE id <> '{}'",
            mac.as_stored(),
            world.reader_id,
            id = forged.id().as_str(),
        ));
        let caller = server.client(forged.expose());
        let answer = caller.get("/api/v1/auth/me");
        assert_eq!(answer.expect(401)["type"], "/problems/unauthenticated");
        server
            .client(&world.admin)
            .get("/api/v1/auth/me")
            .expect(200);
        server.stop();
    }
}

/// What `keyward audit verify` finds after a change of the log; the change removes the triggers.
fn found(home: &Home, sql: &str) -> Vec<String> {
    let mut database = home.sql();
    let triggers =
        database.values("SELECT name AS value FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit_events'");
    assert_eq!(triggers.len(), 4);
    for trigger in triggers.into_iter().flatten() {
        database.run(&format!("DROP TRIGGER {trigger}"));
    }
    database.run(sql);
    drop(database);
    let ran = home.run(&["audit", "verify"]);
    assert_eq!(ran.code, 1, "{sql}: {ran:?}");
    assert!(ran.stdout.contains("NOT intact"), "{ran:?}");
    ran.stdout
        .lines()
        .skip(1)
        .map(|line| line.trim().to_owned())
        .collect()
}

#[test]
fn a_changed_or_removed_event_is_named() {
    let world = World::new();
    assert_eq!(world.home.run(&["audit", "verify"]).code, 0);
    let cases = [
        (
            "UPDATE audit_events SET details = '{}' WHERE seq = 3",
            vec!["event 3 was changed, inserted or moved"],
        ),
        (
            "UPDATE audit_events SET at = at - 60 WHERE seq = 1",
            vec!["event 1 was changed, inserted or moved"],
        ),
        (
            "DELETE FROM audit_events WHERE seq = 2",
            vec!["event 2 is missing"],
        ),
        (
            "DELETE FROM audit_events WHERE seq BETWEEN 2 AND 3",
            vec!["events 2 to 3 are missing"],
        ),
        (
            "DELETE FROM audit_events WHERE seq = (SELECT max(seq) FROM audit_events)",
            vec!["event 6 is missing"],
        ),
    ];
    for (sql, expected) in cases {
        let copy = copy_of(&world.home);
        assert_eq!(found(&copy, sql), expected, "{sql}");
    }
}

#[test]
fn a_log_that_was_put_back_is_found_by_an_anchor() {
    let world = World::new();
    let earlier = copy_of(&world.home);
    let server = world.home.start();
    server.client(&world.admin).access(&world.first).expect(200);
    server.stop();
    let anchor = world.home.run(&["audit", "anchor"]).stdout;

    assert_eq!(
        earlier.run(&["audit", "verify"]).code,
        0,
        "all of it is genuine"
    );
    let ran = earlier.run(&["audit", "verify", "--anchor", anchor.trim()]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let ran = world
        .home
        .run(&["audit", "verify", "--anchor", anchor.trim()]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

/// The same installation once more.
fn copy_of(home: &Home) -> Home {
    let copy = Home::new();
    fs::create_dir(copy.path("keyward-data")).unwrap();
    for entry in fs::read_dir(home.path("keyward-data")).unwrap() {
        let entry = entry.unwrap();
        let to = copy.path("keyward-data").join(entry.file_name());
        // Keeps the mode, too.
        fs::copy(entry.path(), to).unwrap();
    }
    copy
}

/// Such as a row from another installation. A list says only that it is unreadable; the operator
/// learns which key it needs, and re-encryption leaves it alone.
#[test]
fn the_key_that_a_value_needs_and_nobody_has_is_named_to_the_operator_alone() {
    let world = World::new();
    let (kid, sealed) = ("fedcba9876543210", world.sealed(&world.first));
    let moved = format!("v1.{kid}{}", &sealed[19..]);
    let server = world.after(&format!(
        "UPDATE credential_secrets SET sealed = '{moved}' \
         WHERE credential_id = '{}' AND field = 'api_key'",
        world.first
    ));
    let admin = server.client(&world.admin);
    let list = admin.get("/api/v1/credentials");
    let first = listed(&admin, &world.first);
    assert_eq!(
        first["detail"]["api_key"],
        json!({ "set": true, "last4": &SECRET[SECRET.len() - 4..], "unreadable": true })
    );
    let refused = admin.access(&world.first);
    names(&refused, &["api_key"]);
    for said in [&list.body, &refused.body] {
        assert!(!said.contains(kid), "{said}");
    }
    let left = server.stop();
    let line = left
        .stderr
        .lines()
        .find(|said| said.contains("a stored secret cannot be opened"));
    assert!(line.unwrap().contains(kid), "{line:?}");

    let status = world.home.run(&["keys", "status", "--json"]);
    assert_eq!(status.code, 1, "{status:?}");
    let said: Value = serde_json::from_str(&status.stdout).unwrap();
    let keys = said["keys"].as_array().unwrap();
    assert!(
        keys.contains(&json!({ "kid": kid, "state": "unknown", "rows": 1, "held": false })),
        "{said}"
    );
    let text = world.home.run(&["keys", "status"]).stdout;
    let line = text.lines().find(|line| line.starts_with(kid)).unwrap();
    assert!(line.contains("MISSING"), "{text}");

    let rotated = world.home.run(&["keys", "rotate"]);
    assert_eq!(rotated.code, 1, "{rotated:?}");
    assert!(
        rotated.stderr.contains(kid) && rotated.stderr.contains(&world.first),
        "{rotated:?}"
    );
    assert_eq!(world.sealed(&world.first), moved);
    for said in [&status, &rotated] {
        assert!(!said.texts().contains("gAAAA"), "{said:?}");
        assert!(!said.texts().contains(SECRET), "{said:?}");
    }
}
