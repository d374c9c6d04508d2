use serde_json::{Value, json};

use crate::running::Home;

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| panic!("no JSON: {text}"))
}

#[test]
fn the_printed_openapi_document_is_the_served_one() {
    let home = Home::new();
    let printed = home.run(&["openapi"]);
    assert_eq!((printed.code, printed.stderr.as_str()), (0, ""));
    assert!(!home.path("keyward-data").exists(), "it needs no database");
    let server = home.start();
    assert_eq!(
        server.get("/openapi.json").expect(200),
        json_of(&printed.stdout)
    );
    assert_eq!(server.get("/docs/").status, 200);
    server.stop();
}

#[test]
fn init_makes_one_administrator_and_then_no_more() {
    let home = Home::new();
    let arguments = ["init", "--username", "root", "--password-stdin", "--json"];
    let password = "correct horse battery staple";
    let made = home.run_with_input(&arguments, &format!("{password}\n"));
    assert_eq!(made.code, 0, "{made:?}");
    assert!(!made.texts().contains(password), "{made:?}");
    let shown = json_of(&made.stdout);
    assert_eq!(shown["username"], "root");
    assert_eq!(shown.as_object().unwrap().len(), 2, "{shown}");

    let server = home.start();
    assert_eq!(server.stdout(), "", "there is an administrator already");
    let root = server.client(shown["key"].as_str().unwrap());
    assert_eq!(root.get("/api/v1/auth/me").expect(200)["role"], "admin");
    server.stop();

    for arguments in [&arguments[..], &["init", "--username", "other"]] {
        let refused = home.run_with_input(arguments, &format!("{password}\n"));
        assert_eq!(
            (refused.code, refused.stdout.as_str()),
            (78, ""),
            "{refused:?}"
        );
        assert!(refused.stderr.contains("has users already"), "{refused:?}");
    }
}

#[test]
fn init_without_a_password_generates_one() {
    let home = Home::new();
    let made = home.run(&["init", "--username", "root", "--json"]);
    let shown = json_of(&made.stdout);
    assert!(shown["password"].as_str().unwrap().len() >= 32, "{made:?}");
    assert!(shown["key"].as_str().unwrap().starts_with("kw_user_"));
}

#[test]
fn init_refuses_a_password_that_is_too_short_and_makes_nobody() {
    let home = Home::new();
    let arguments = ["init", "--username", "root", "--password-stdin"];
    for password in ["", "short", "eleven char"] {
        let refused = home.run_with_input(&arguments, password);
        assert_eq!(refused.code, 78, "{refused:?}");
        assert!(refused.stderr.contains("password"), "{refused:?}");
        assert!(password.is_empty() || !refused.texts().contains(password));
    }
    assert_eq!(home.run_with_input(&arguments, "twelve chars").code, 0);
}

#[test]
fn init_refuses_a_password_that_is_guessed_first_and_makes_nobody() {
    let home = Home::new();
    let arguments = ["init", "--username", "ada.lovelace", "--password-stdin"];
    for password in [
        "Qwerty123456",
        "456789012345",
        "Ada.Lovelace",
        "keyward-2026",
    ] {
        let refused = home.run_with_input(&arguments, password);
        assert_eq!(refused.code, 78, "{refused:?}");
        assert!(refused.stderr.contains("guessed first"), "{refused:?}");
        assert!(!refused.texts().contains(password));
    }
    assert_eq!(home.run_with_input(&arguments, "twelve chars").code, 0);
}

#[test]
fn migrating_twice_changes_nothing_the_second_time() {
    for home in [Some(Home::new()), Home::on_postgres()]
        .into_iter()
        .flatten()
    {
        let first = home.run(&["migrate", "--json"]);
        assert_eq!(first.code, 0, "{first:?}");
        assert!(
            !json_of(&first.stdout)["applied"]
                .as_array()
                .unwrap()
                .is_empty()
        );
        let second = home.run(&["migrate", "--json"]);
        assert_eq!(second.code, 0, "{second:?}");
        assert_eq!(json_of(&second.stdout), json!({ "applied": [] }));
        let third = home.run(&["migrate"]);
        assert!(third.stdout.contains("up to date"), "{third:?}");
    }
}

#[test]
fn an_anchor_is_accepted_by_the_log_it_was_taken_from() {
    let home = Home::new();
    home.run(&["init", "--username", "root"]);
    let anchor = home.run(&["audit", "anchor"]);
    assert_eq!(anchor.code, 0, "{anchor:?}");
    let anchor = anchor.stdout.trim();
    let verified = home.run(&["audit", "verify", "--anchor", anchor]);
    assert_eq!(verified.code, 0, "{verified:?}");
    let refused = home.run(&["audit", "verify", "--anchor", "no anchor"]);
    assert_eq!(refused.code, 78, "{refused:?}");
}

#[test]
fn reading_the_audit_log_changes_nothing() {
    let home = Home::new();
    home.run(&["init", "--username", "root"]);
    let mut files = home.database_bytes();
    let database = files.remove("keyward.db").unwrap();
    assert_eq!(files.len(), 0, "the database is closed");
    for command in AUDIT {
        assert_eq!(home.run(command).code, 0);
        let files = home.database_bytes();
        assert!(files["keyward.db"] == database, "{command:?}");
        // SQLite's readers leave their shared memory and an empty log behind.
        let log = files.get("keyward.db-wal");
        assert!(log.is_none_or(Vec::is_empty), "{command:?}");
    }
    let Some(home) = Home::on_postgres() else {
        return;
    };
    home.run(&["init", "--username", "root"]);
    let tables = home.sql().checksums();
    for command in AUDIT {
        assert_eq!(home.run(command).code, 0);
        assert_eq!(tables, home.sql().checksums(), "{command:?}");
    }
}

#[test]
fn reading_the_audit_log_does_not_migrate() {
    for home in [Some(Home::new()), Home::on_postgres()]
        .into_iter()
        .flatten()
    {
        home.run(&["migrate"]);
        let applied = || {
            home.sql()
                .value("SELECT CAST(count(*) AS TEXT) AS value FROM __diesel_schema_migrations")
        };
        home.sql().run(
            "DELETE FROM __diesel_schema_migrations WHERE version = \
             (SELECT max(version) FROM __diesel_schema_migrations)",
        );
        let before = applied();
        for command in AUDIT {
            let refused = home.run(command);
            assert_eq!(refused.code, 78, "{refused:?}");
            for words in ["not applied yet: 0", "run `keyward migrate`"] {
                assert!(refused.stderr.contains(words), "{words} in {refused:?}");
            }
            assert_eq!(applied(), before);
        }
    }
}

#[test]
fn reading_the_audit_log_creates_no_database_and_no_key() {
    let homes = [
        (Home::new(), "no key"),
        (Home::new().with_keys(), "migrate"),
    ];
    for (home, said) in homes {
        for command in AUDIT {
            let refused = home.run(command);
            assert_eq!(refused.code, 78, "{refused:?}");
            assert!(refused.stderr.contains(said), "{refused:?}");
            assert!(!home.path("keyward-data").exists(), "{command:?}");
        }
    }
}

const AUDIT: [&[&str]; 2] = [&["audit", "verify"], &["audit", "anchor"]];

#[test]
fn an_address_in_use_is_named() {
    let home = Home::new();
    let server = home.start();
    let second = Home::new().set("BIND", &server.address);
    let refused = second.run(&["serve"]);
    assert_eq!(refused.code, 69, "{refused:?}");
    assert!(refused.stderr.contains(&server.address), "{refused:?}");
    assert!(refused.stderr.contains("BIND"), "{refused:?}");
    server.stop();
}

#[test]
fn with_keys_in_the_environment_an_empty_folder_is_enough() {
    let home = Home::new().with_keys();
    let server = home.start();
    server.admin().get("/api/v1/auth/me").expect(200);
    server.stop();
    assert!(home.database_file().exists());
    assert!(!home.path("keyward-data/secret.key").exists());
}
