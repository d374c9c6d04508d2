//! Wrong keys: the server refuses to start, says what to do, shows no key, and leaves the database
//! as it was (K-01).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy knows test functions, but not what they share"
)]

mod running;

use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::time::Duration;

use keyward_crypto::{FieldKey, KeyRing, MacRing};
use running::{Home, Ran};
use serde_json::json;

/// How the last server went: afterwards different files lie beside the database.
#[derive(Clone, Copy, Debug)]
enum Gone {
    Stopped,
    Killed,
}

const GONE: [Gone; 2] = [Gone::Stopped, Gone::Killed];

/// A home with keys in the environment. The database lies where development puts it.
fn with_keys() -> Home {
    let home = Home::new();
    DirBuilder::new()
        .mode(0o700)
        .create(home.path("keyward-data"))
        .unwrap();
    home.with_keys()
}

/// Leaves a database with rows in it; returns the administrator's key and a credential.
fn used(home: &Home, gone: Gone) -> (String, String) {
    let server = home.start();
    let admin = server.admin();
    let id = admin.keep("kept", "generic", &json!({ "token": "a stored secret" }));
    let key = admin.key().to_owned();
    match gone {
        Gone::Stopped => drop(server.stop()),
        Gone::Killed => drop(server.kill()),
    }
    (key, id)
}

/// Expects `serve` to refuse at once with these words, and with no key in any of its own.
fn refuses(home: &Home, said: &[&str]) -> Ran {
    let ran = home.run(&["serve"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (78, ""), "{ran:?}");
    assert!(ran.took < Duration::from_secs(2), "{ran:?}");
    for expected in said {
        assert!(ran.stderr.contains(expected), "{expected:?} in {ran:?}");
    }
    for key in keys(home) {
        assert!(!ran.stderr.contains(&key), "{ran:?}");
        // Nor a part of it.
        for part in [
            &key[..key.len().min(12)],
            &key[key.len().saturating_sub(12)..],
        ] {
            assert!(!ran.stderr.contains(part), "{ran:?}");
        }
    }
    ran
}

/// Every key in the environment or in a file of the data directory.
fn keys(home: &Home) -> Vec<String> {
    let named = ["FIELD_ENCRYPTION_KEY", "SECRET_KEY"]
        .into_iter()
        .filter_map(|name| home.get(name))
        .map(str::to_owned);
    let files = ["field-encryption.key", "secret.key"]
        .into_iter()
        .filter_map(|name| fs::read_to_string(home.path("keyward-data").join(name)).ok());
    named
        .chain(files)
        .flat_map(|list| {
            list.split(',')
                .map(|key| key.trim().to_owned())
                .collect::<Vec<_>>()
        })
        .filter(|key| !key.is_empty())
        .collect()
}

fn field_key() -> String {
    FieldKey::generate().expose().expose().to_owned()
}

fn secret_key() -> String {
    MacRing::generate_secret().expose().to_owned()
}

/// A new key of the kind, and the id of the one that is in use.
fn other(home: &Home, variable: &str) -> (String, String) {
    let present = home.value(variable);
    if variable == "SECRET_KEY" {
        let id = MacRing::parse(present).unwrap().active().to_string();
        (secret_key(), id)
    } else {
        let id = KeyRing::parse(present).unwrap().active().to_string();
        (field_key(), id)
    }
}

#[test]
fn a_wrong_key_is_refused_and_the_missing_one_named_on_sqlite() {
    for gone in GONE {
        let mut home = with_keys();
        let (key, id) = used(&home, gone);
        let files = home.database_bytes();
        for variable in ["FIELD_ENCRYPTION_KEY", "SECRET_KEY"] {
            let right = home.value(variable).to_owned();
            let (wrong, missing) = other(&home, variable);
            home = home.set(variable, &wrong);
            refuses(&home, &[variable, &missing, "backup", "not changed"]);
            assert!(files == home.database_bytes(), "{variable}, {gone:?}");
            home = home.set(variable, &right);
        }
        let server = home.start();
        server.client(&key).access(&id).expect(200);
        server.stop();
    }
}

#[test]
fn a_wrong_key_is_refused_and_the_missing_one_named_on_postgresql() {
    let Some(home) = Home::on_postgres() else {
        return;
    };
    let mut home = home.with_keys();
    let (key, id) = used(&home, Gone::Stopped);
    let tables = home.sql().checksums();
    assert!(tables.len() > 5, "{tables:?}");
    for variable in ["FIELD_ENCRYPTION_KEY", "SECRET_KEY"] {
        let right = home.value(variable).to_owned();
        let (wrong, missing) = other(&home, variable);
        home = home.set(variable, &wrong);
        refuses(&home, &[variable, &missing, "not changed"]);
        assert_eq!(tables, home.sql().checksums(), "{variable}");
        home = home.set(variable, &right);
    }
    let server = home.start();
    server.client(&key).access(&id).expect(200);
    assert_ne!(tables, home.sql().checksums(), "a change is noticed");
    server.stop();
}

#[test]
fn a_missing_key_file_is_not_replaced() {
    for gone in GONE {
        let home = Home::new();
        used(&home, gone);
        let files = home.database_bytes();
        for name in ["field-encryption.key", "secret.key"] {
            let file = home.path("keyward-data").join(name);
            let away = home.path(name);
            fs::rename(&file, &away).unwrap();
            refuses(&home, &[name, "restore", "No new key was generated"]);
            assert!(!file.exists(), "{name}");
            assert!(files == home.database_bytes(), "{name}, {gone:?}");
            fs::rename(&away, &file).unwrap();
        }
        home.start().stop();
    }
}

#[test]
fn a_key_that_is_none_is_refused() {
    for gone in GONE {
        let home = with_keys();
        used(&home, gone);
        let files = home.database_bytes();
        let zeros = format!("{}=", "A".repeat(43));
        let marker = "MARKERmarkerMARKERmarkerMARKER";
        let example = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";
        let bad = [
            ("FIELD_ENCRYPTION_KEY", marker.to_owned(), "44 characters"),
            ("FIELD_ENCRYPTION_KEY", zeros, "example key"),
            ("FIELD_ENCRYPTION_KEY", example.to_owned(), "example key"),
            ("SECRET_KEY", marker[..24].to_owned(), "32 bytes"),
            ("SECRET_KEY", "0".repeat(64), "example"),
            (
                "SECRET_KEY",
                "change-me-in-production-please-now".to_owned(),
                "example",
            ),
        ];
        let mut home = home;
        for (variable, value, said) in bad {
            let right = home.value(variable).to_owned();
            home = home.set(variable, &value);
            refuses(&home, &[variable, said, "keyward keys generate"]);
            assert!(files == home.database_bytes(), "{variable}, {gone:?}");
            home = home.set(variable, &right);
        }
    }
}

#[test]
fn a_key_file_that_others_can_read_is_refused() {
    for gone in GONE {
        let home = Home::new();
        used(&home, gone);
        let files = home.database_bytes();
        for name in ["field-encryption.key", "secret.key"] {
            let file = home.path("keyward-data").join(name);
            fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
            refuses(&home, &[name, "0644", "chmod 600"]);
            assert!(files == home.database_bytes(), "{name}, {gone:?}");
            fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        }
        home.start().stop();
    }
}

#[test]
fn a_new_key_in_front_of_the_old_one_is_fine_and_alone_is_not() {
    for variable in ["FIELD_ENCRYPTION_KEY", "SECRET_KEY"] {
        let home = with_keys();
        let (key, id) = used(&home, Gone::Stopped);
        let old = home.value(variable).to_owned();
        let (new, old_id) = other(&home, variable);
        let home = home.set(variable, &format!("{new},{old}"));

        let server = home.start();
        let admin = server.client(&key);
        assert_eq!(
            admin.access(&id).expect(200)["fields"]["token"],
            "a stored secret"
        );
        let newer = admin.keep("newer", "generic", &json!({ "token": "another secret" }));
        let (_, made) = admin.new_key("made after the change");
        admin.with_key(&made).access(&newer).expect(200);
        server.stop();
        assert_eq!(home.run(&["audit", "verify"]).code, 0);

        refuses(&home.set(variable, &new), &[variable, &old_id]);
    }
}

#[test]
fn which_keys_may_be_missing_depends_on_their_state_on_sqlite() {
    which_keys_may_be_missing(with_keys());
}

#[test]
fn which_keys_may_be_missing_depends_on_their_state_on_postgresql() {
    if let Some(home) = Home::on_postgres() {
        which_keys_may_be_missing(home.with_keys());
    }
}

/// Added keys may be missing, active and decrypt-only ones not, retired ones may again.
fn which_keys_may_be_missing(home: Home) {
    let (admin, credential) = used(&home, Gone::Stopped);
    let old = home.value("FIELD_ENCRYPTION_KEY").to_owned();
    let new = field_key();
    let [old_id, new_id] = [&old, &new].map(|key| key_id(key));
    let both = format!("{new},{old}");
    let with = |home: Home, keys: &str| home.set("FIELD_ENCRYPTION_KEY", keys);
    let starts = |home: &Home| {
        let server = home.start();
        let opened = server.client(&admin).access(&credential).expect(200);
        assert_eq!(opened["fields"]["token"], "a stored secret");
        server.stop();
    };

    let home = with(home, &both);
    starts(&home);
    let home = with(home, &old);
    starts(&home);

    let home = with(home, &both);
    done(&home, &["keys", "activate", &new_id]);
    let home = with(home, &old);
    misses(&home, &new_id, "0 stored values");
    // The credential, and the check of SECRET_KEY.
    let home = with(home, &new);
    misses(&home, &old_id, "2 stored values");

    let home = with(home, &both);
    done(&home, &["keys", "rotate"]);
    let home = with(home, &new);
    misses(&home, &old_id, "0 stored values");
    let home = with(home, &old);
    misses(&home, &new_id, "2 stored values");

    let home = with(home, &both);
    done(&home, &["keys", "retire", &old_id]);
    starts(&home);
    let home = with(home, &new);
    starts(&home);
}

/// Nothing starts, `doctor` says the same, and the database stays as it was.
fn misses(home: &Home, kid: &str, values: &str) {
    let before = content(home);
    refuses(home, &["FIELD_ENCRYPTION_KEY", kid, values, "not changed"]);
    for command in ["status", "rotate"] {
        let ran = home.run(&["keys", command]);
        assert_eq!(ran.code, 78, "{ran:?}");
        assert!(ran.stderr.contains(kid), "{ran:?}");
    }
    assert!(before == content(home), "the database was changed");
    let ran = home.run(&["doctor", "--json"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let checks = report["checks"].as_array().unwrap();
    let check = checks
        .iter()
        .find(|check| check["id"] == "keys.match-database")
        .unwrap();
    let evidence = check["evidence"].as_str().unwrap();
    assert!(
        evidence.contains(kid) && evidence.contains(values),
        "{check}"
    );
    for key in keys(home) {
        assert!(!ran.texts().contains(&key), "{ran:?}");
    }
    assert!(
        before == content(home),
        "the database was changed by doctor"
    );
}

/// Everything in the database.
fn content(home: &Home) -> std::collections::BTreeMap<String, Vec<u8>> {
    if home.get("DATABASE_URL").is_none() {
        // A process can end before SQLite has put what it wrote into the file; whoever reads it next
        // does that, which is no change.
        home.sql().run("PRAGMA wal_checkpoint(TRUNCATE)");
        let mut files = home.database_bytes();
        files.retain(|name, _| !name.ends_with("-wal") && !name.ends_with("-shm"));
        return files;
    }
    let sums = home.sql().checksums().into_iter();
    sums.map(|(table, sum)| (table, sum.into_bytes())).collect()
}

fn done(home: &Home, arguments: &[&str]) {
    let ran = home.run(arguments);
    assert_eq!(ran.code, 0, "{ran:?}");
}

fn key_id(key: &str) -> String {
    KeyRing::parse(key).unwrap().active().to_string()
}
