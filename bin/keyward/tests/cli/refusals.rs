//! What Keyward does not start with: exit code 78, what to do, no key in any text, and the
//! database as it was (K-01).

use std::fs;
use std::os::unix::fs::symlink;

use crate::sandbox::{Ran, Sandbox};

/// In every bad key, so that a message that shows a part of it is noticed.
const MARKER: &str = "MARKERmarkerMARKER";

/// Runs what would open the database, and expects it to refuse.
fn refuses(sandbox: &Sandbox, said: &[&str]) -> Ran {
    let database = sandbox.write("production.db", "not touched", 0o600);
    let mut last = None;
    for command in ["serve", "migrate"] {
        let ran = sandbox.run(&[command]);
        assert_eq!(ran.code, 78, "{ran:?}");
        assert_eq!(ran.stdout, "", "{ran:?}");
        for expected in said {
            assert!(
                ran.stderr.contains(expected),
                "expected {expected:?} in {ran:?}"
            );
        }
        assert!(!ran.texts().contains("MARKER"), "{ran:?}");
        assert_eq!(fs::read_to_string(&database).unwrap(), "not touched");
        last = Some(ran);
    }
    last.unwrap()
}

#[test]
fn production_without_settings_lists_each_that_is_missing() {
    let sandbox = Sandbox::new().set("KEYWARD_ENV", "production");
    refuses(
        &sandbox,
        &[
            "keys.field-encryption-key",
            "FIELD_ENCRYPTION_KEY is not set",
            "keys.secret-key",
            "SECRET_KEY is not set",
            "database.url",
            "DATABASE_URL is not set",
            "keyward keys generate",
        ],
    );
    assert!(!sandbox.path("keyward-data").exists());
}

#[test]
fn each_missing_setting_alone_stops_production() {
    for variable in ["FIELD_ENCRYPTION_KEY", "SECRET_KEY", "DATABASE_URL"] {
        let ran = refuses(
            &Sandbox::production().unset(variable),
            &[variable, "is not set"],
        );
        let sandbox = Sandbox::production().set(variable, "");
        assert_eq!(
            refuses(&sandbox, &[]).stderr,
            ran.stderr,
            "empty is not set"
        );
    }
}

#[test]
fn bad_keys_stop_production_and_development() {
    let zeros = format!("{}=", "A".repeat(43));
    let good = Sandbox::production()
        .value("FIELD_ENCRYPTION_KEY")
        .to_owned();
    let cases = [
        (
            "FIELD_ENCRYPTION_KEY",
            MARKER.to_owned(),
            "key number 1 is not 44 characters",
        ),
        (
            "FIELD_ENCRYPTION_KEY",
            format!("{good},{MARKER}"),
            "key number 2",
        ),
        ("FIELD_ENCRYPTION_KEY", zeros, "an example key"),
        (
            "FIELD_ENCRYPTION_KEY",
            "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=".to_owned(),
            "an example key",
        ),
        ("FIELD_ENCRYPTION_KEY", format!("{good},{good}"), "twice"),
        ("SECRET_KEY", MARKER.to_owned(), "shorter than 32 bytes"),
        (
            "SECRET_KEY",
            "change-me-in-production".to_owned(),
            "number 1",
        ),
        ("SECRET_KEY", "A".repeat(64), "looks like an example"),
    ];
    for (variable, value, said) in cases {
        let production = Sandbox::production().set(variable, &value);
        let ran = refuses(&production, &[variable, said]);
        assert!(
            !ran.texts().contains(&good) && !ran.texts().contains(&value),
            "{ran:?}"
        );

        let development = production.unset("KEYWARD_ENV");
        let ran = refuses(&development, &[variable, said]);
        assert!(
            !ran.texts().contains(&good) && !ran.texts().contains(&value),
            "{ran:?}"
        );
    }
}

#[test]
fn a_key_file_that_others_can_read_stops_the_start() {
    for variable in ["FIELD_ENCRYPTION_KEY", "SECRET_KEY"] {
        let sandbox = Sandbox::production();
        let path = sandbox.write("k.key", sandbox.value(variable), 0o644);
        let link = sandbox.path("link.key");
        symlink(&path, &link).unwrap();
        let twin = format!("{variable}_FILE");
        let mut sandbox = sandbox.unset(variable);
        for named in [path, link] {
            sandbox = sandbox.set(&twin, named.to_str().unwrap());
            refuses(
                &sandbox,
                &[&twin, "mode 0644", "chmod 600", named.to_str().unwrap()],
            );
        }
    }
}

#[test]
fn a_key_file_of_the_owner_is_taken() {
    let mut sandbox = Sandbox::production();
    for variable in ["FIELD_ENCRYPTION_KEY", "SECRET_KEY"] {
        let content = format!("{}\r\n", sandbox.value(variable));
        let path = sandbox.write(variable, &content, 0o400);
        sandbox = sandbox
            .unset(variable)
            .set(&format!("{variable}_FILE"), path.to_str().unwrap());
    }
    let ran = sandbox.run(&["migrate"]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn a_key_file_that_is_missing_or_empty_or_a_directory_stops_the_start() {
    let sandbox = Sandbox::production().unset("SECRET_KEY");
    sandbox.write("empty.key", "\n", 0o600);
    fs::create_dir(sandbox.path("directory.key")).unwrap();
    let cases = [
        ("missing.key", "does not exist"),
        ("empty.key", "is empty"),
        ("directory.key", "is not a regular file"),
    ];
    let mut sandbox = sandbox;
    for (name, said) in cases {
        sandbox = sandbox.set("SECRET_KEY_FILE", name);
        refuses(&sandbox, &["SECRET_KEY", "SECRET_KEY_FILE", name, said]);
    }
}

#[test]
fn a_value_and_its_file_are_not_both_taken() {
    for variable in ["FIELD_ENCRYPTION_KEY", "SECRET_KEY", "DATABASE_URL"] {
        let twin = format!("{variable}_FILE");
        let sandbox = Sandbox::production().set(variable, MARKER).set(&twin, "k");
        refuses(&sandbox, &[variable, &twin, "both set"]);
    }
}

#[test]
fn an_unknown_setting_stops_the_start() {
    let sandbox = Sandbox::production().set("KEYWARD_DEBUG", MARKER);
    refuses(
        &sandbox,
        &["KEYWARD_DEBUG is not a setting", "did you mean DEBUG?"],
    );

    let sandbox = Sandbox::production();
    sandbox.write("keyward.toml", &format!("secret_keys = '{MARKER}'"), 0o600);
    refuses(
        &sandbox,
        &[
            "`secret_keys` in keyward.toml",
            "did you mean `secret_key`?",
        ],
    );
}

#[test]
fn proxies_that_are_nearly_everyone_stop_the_start() {
    for range in ["0.0.0.0/0", "8.0.0.0/7", "::/0"] {
        let sandbox = Sandbox::production().set("TRUSTED_PROXIES", range);
        refuses(&sandbox, &["TRUSTED_PROXIES", range, "your proxies only"]);
    }
}

#[test]
fn a_boolean_that_is_none_stops_the_start() {
    for variable in ["DEBUG", "CORS_ALLOW_ALL_ORIGINS"] {
        let sandbox = Sandbox::production().set(variable, "maybe");
        refuses(
            &sandbox,
            &[variable, "true or false", "environment variable"],
        );
    }
}

#[test]
fn a_settings_file_that_cannot_be_understood_stops_the_start() {
    let sandbox = Sandbox::production();
    sandbox.write("keyward.toml", &format!("\nsecret_key = '{MARKER}"), 0o600);
    refuses(&sandbox, &["keyward.toml is not valid TOML", "line 2"]);

    let ran = Sandbox::production().run(&["migrate", "--config", "elsewhere.toml"]);
    assert_eq!(ran.code, 78, "{ran:?}");
    assert!(ran.stderr.contains("elsewhere.toml"), "{ran:?}");
}

#[test]
fn a_settings_file_with_a_key_must_be_private() {
    let sandbox = Sandbox::production().unset("SECRET_KEY");
    let key = Sandbox::production().value("SECRET_KEY").to_owned();
    sandbox.write("keyward.toml", &format!("secret_key = '{key}'"), 0o644);
    let ran = refuses(&sandbox, &["secret_key", "chmod 600 keyward.toml"]);
    assert!(!ran.texts().contains(&key), "{ran:?}");
}

#[test]
fn what_is_unsafe_in_production_stops_the_start() {
    let cases = [
        ("DEBUG", "True", "service.debug-off"),
        ("CORS_ALLOW_ALL_ORIGINS", "1", "service.cors-closed"),
        ("CORS_ORIGINS", "https://a.example,*", "service.cors-closed"),
        ("BIND", "0.0.0.0:8080", "service.https"),
        ("BIND", "[::]:8080", "service.https"),
        ("DATABASE_URL", "mysql://MARKER:MARKER@h/d", "database.url"),
        (
            "DATABASE_URL",
            "postgres://u:MARKER@db.example/d",
            "database.tls",
        ),
        (
            "DATABASE_URL",
            "postgres://u:MARKER@db.example/d?sslmode=prefer",
            "database.tls",
        ),
        (
            "DATABASE_URL",
            "postgres://u:MARKER@localhost,10.0.0.1/d",
            "database.tls",
        ),
    ];
    for (variable, value, id) in cases {
        refuses(
            &Sandbox::production().set(variable, value),
            &[id, "fix:", variable],
        );
    }
}

#[test]
fn a_key_is_not_replaced_beside_a_database() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("keyward-data")).unwrap();
    let database = sandbox.write("keyward-data/keyward.db", "rows", 0o600);
    refuses(
        &sandbox,
        &[
            "keyward.db exists",
            "field-encryption.key",
            "restore",
            "No new key",
        ],
    );
    assert_eq!(fs::read_to_string(database).unwrap(), "rows");
    assert_eq!(
        fs::read_dir(sandbox.path("keyward-data")).unwrap().count(),
        1
    );
}
