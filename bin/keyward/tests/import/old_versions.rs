//! Databases of older versions, of PostgreSQL, and files that are in use or were copied.

use std::fs;

use serde_json::json;

use crate::healthy::healthy;
use crate::pipelit::{ADA_KEY, ADA_PASSWORD, Made, Pipelit, bcrypt, encrypted, quoted};
use crate::running::Home;
use crate::{counts, findings, import, report};

#[test]
fn a_database_from_before_named_keys_is_read() {
    let mut pipelit = Pipelit::with_schema(OLD);
    let ada = format!(
        "INSERT INTO user_profiles VALUES (1, 'ada', {}, '', '', 77, '2023-01-01 00:00:00', \
         'admin', 0)",
        bcrypt(ADA_PASSWORD)
    );
    pipelit.sql().run(&ada);
    pipelit.sql().run(
        "INSERT INTO user_profiles VALUES (2, 'helper', '', '', '', NULL, \
         '2023-01-01 00:00:00', 'admin', 1)",
    );
    pipelit.sql().run(&format!(
        "INSERT INTO api_keys VALUES (1, 1, {}, '2023-01-02 00:00:00')",
        quoted(ADA_KEY)
    ));
    pipelit
        .sql()
        .run("INSERT INTO credentials VALUES (1, 1, 'bot', 'telegram', NULL, NULL)");
    let token = encrypted("12345:telegram-bot-token");
    pipelit.sql().run(&format!(
        "INSERT INTO telegram_credentials VALUES (1, 1, {token}, '1,2,3')"
    ));
    let home = Home::new();

    let report = report(&import(&home, &pipelit, &["--json"]), 0);

    assert_eq!(counts(&report, "user_profiles"), [2, 2, 1, 0, 0, 0]);
    assert_eq!(counts(&report, "api_keys"), [1, 1, 0, 0, 0, 0]);
    assert_eq!(counts(&report, "credentials"), [1, 1, 1, 0, 0, 0]);
    let server = home.start();
    let old = server.client(ADA_KEY);
    let me = old.get("/api/v1/auth/me").expect(200);
    assert_eq!(
        (&me["username"], &me["key"]["name"]),
        (&json!("ada"), &json!("imported"))
    );
    let bot = &old.get("/api/v1/credentials?legacy_id=1").expect(200)["items"][0];
    assert_eq!(bot["credential_type"], "gateway");
    assert_eq!(bot["detail"]["adapter"], "telegram");
    assert_eq!(
        bot["detail"]["token"],
        json!({ "set": true, "last4": "oken" })
    );
    let again = import(&home, &pipelit, &["--json"]);
    assert_eq!(
        counts(&crate::report(&again, 0), "credentials"),
        [1, 0, 0, 1, 0, 0]
    );
}

#[test]
fn a_database_of_postgresql_is_read() {
    let Some(mut pipelit) = Pipelit::on_postgres() else {
        return;
    };
    let ada = [
        ("password_hash", &*bcrypt(ADA_PASSWORD)),
        ("role", "'admin'"),
    ];
    pipelit.user(1, "ada", &ada);
    pipelit.key(1, 1, ADA_KEY, &[("expires_at", "'2099-01-01 00:00:00.5'")]);
    let key = encrypted("sk-of-postgresql-01");
    let headers = r#"'{"X-Team": "blue"}'"#;
    let llm = [
        ("provider_type", "'openai'"),
        ("api_key", &*key),
        ("custom_headers", headers),
    ];
    pipelit.credential(1, 1, "llm", &llm);
    let before = pipelit.sql().checksums();
    let home = Home::new();

    let report = report(&import(&home, &pipelit, &["--json"]), 0);

    assert_eq!(counts(&report, "credentials"), [1, 1, 1, 0, 0, 0]);
    assert_eq!(pipelit.sql().checksums(), before);
    let me = home
        .start()
        .client(ADA_KEY)
        .get("/api/v1/auth/me")
        .expect(200);
    assert_eq!(me["key"]["expires_at"], "2099-01-01T00:00:00Z");
}

#[test]
fn a_file_that_is_in_use_or_was_copied_is_not_changed() {
    let mut pipelit = healthy(Made::ByMigrations);
    // What was written last lies beside the file only.
    pipelit
        .sql()
        .run("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA wal_autocheckpoint = 0");
    pipelit.user(8, "late", &[]);
    let home = Home::new();
    report(&import(&home, &pipelit, &["--json"]), 0);
    let folder = pipelit.path().parent().unwrap().to_owned();
    let content = |name: &str| fs::read(folder.join(name)).unwrap();
    let names = ["pipelit.db", "pipelit.db-wal"];
    let before = names.map(content);
    assert!(!before[1].is_empty());
    let again = report(&import(&home, &pipelit, &["--json"]), 0);
    assert_eq!(counts(&again, "user_profiles"), [8, 0, 0, 8, 0, 0]);
    assert_eq!(names.map(content), before);

    // A copy of both files, and one of the file alone, which lacks what was written last.
    for (copied, users) in [(&names[..], 8), (&names[..1], 7)] {
        let copy = tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        for name in copied {
            fs::copy(folder.join(name), copy.path().join(name)).unwrap();
        }
        let url = format!("sqlite://{}", copy.path().join("pipelit.db").display());
        let key_file = home.write("keys", &Pipelit::env_file(), 0o600);
        let key_file = key_file.to_str().unwrap();
        let arguments = [
            "import",
            "pipelit",
            "--from",
            &url,
            "--key-file",
            key_file,
            "--json",
        ];
        let ran = home.run(&arguments);
        assert_eq!(counts(&report(&ran, 0), "user_profiles")[0], users);
        for name in copied {
            let read = fs::read(copy.path().join(name)).unwrap();
            assert_eq!(read, content(name), "{name}");
        }
    }
}

#[test]
fn agents_without_an_administrator_are_refused() {
    let mut pipelit = Pipelit::new(Made::ByStart);
    pipelit.user(1, "ada", &[]);
    pipelit.user(2, "agent_a_b", &[]);
    let home = Home::new();
    let refused = report(&import(&home, &pipelit, &["--json"]), 1);
    let expected = [("user_profiles".to_owned(), 2, "no-administrator".to_owned())];
    assert_eq!(findings(&refused, "refused"), expected);
    // One who is here already answers for it.
    assert_eq!(home.run(&["init", "--username", "root"]).code, 0);
    report(&import(&home, &pipelit, &["--json"]), 0);
    let owner = "SELECT owners.username AS value FROM users \
                 JOIN users AS owners ON owners.id = users.owner_id \
                 WHERE users.username = 'agent_a_b'";
    assert_eq!(home.sql().value(owner), "root");
}

#[test]
fn agents_stand_below_those_that_made_them_as_deep_as_keyward_goes() {
    let mut pipelit = Pipelit::new(Made::ByStart);
    pipelit.user(1, "ada", &[("role", "'admin'")]);
    for id in 2..=10 {
        let above = (id - 1).to_string();
        let made = [("created_by_agent_id", above.as_str())];
        pipelit.user(id, &format!("agent_{id}"), &made);
    }
    // No version of Pipelit makes a circle; whoever edits its database can.
    pipelit.user(20, "agent_20", &[("created_by_agent_id", "21")]);
    pipelit.user(21, "agent_21", &[("created_by_agent_id", "20")]);
    let home = Home::new();

    let refused = report(&import(&home, &pipelit, &["--json", "--partial"]), 1);

    let expected = [
        (10, "too-deep"),
        (20, "owner-not-imported"),
        (21, "owner-not-imported"),
    ];
    let expected = expected.map(|(id, code)| ("user_profiles".to_owned(), id, code.to_owned()));
    assert_eq!(findings(&refused, "refused"), expected);
    let tree = home.run(&["agent", "tree"]);
    assert_eq!(tree.stdout.lines().count(), 8, "{tree:?}");
    let owners = "SELECT CAST(count(*) AS TEXT) AS value FROM users \
                  WHERE owner_id = (SELECT id FROM users WHERE username = 'ada')";
    assert_eq!(home.sql().value(owners), "8");
}

/// Before named keys, agents by name, and gateways.
const OLD: &str = "
    CREATE TABLE user_profiles (
        id INTEGER PRIMARY KEY, username VARCHAR(150), password_hash VARCHAR(255),
        first_name VARCHAR(150), last_name VARCHAR(150), telegram_user_id BIGINT,
        created_at DATETIME, role VARCHAR(10), is_agent BOOLEAN
    );
    CREATE TABLE api_keys (
        id INTEGER PRIMARY KEY, user_id INTEGER UNIQUE, key VARCHAR(36), created_at DATETIME
    );
    CREATE TABLE credentials (
        id INTEGER PRIMARY KEY, user_profile_id INTEGER, name VARCHAR(255),
        credential_type VARCHAR(20), created_at DATETIME, updated_at DATETIME
    );
    CREATE TABLE telegram_credentials (
        id INTEGER PRIMARY KEY, base_credentials_id INTEGER, bot_token TEXT,
        allowed_user_ids VARCHAR(500)
    );";
