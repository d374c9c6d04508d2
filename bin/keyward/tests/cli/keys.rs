use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use keyward_crypto::{FieldKey, KeyRing, MacRing};
use serde_json::{Value, json};

use crate::sandbox::Sandbox;

#[test]
fn generated_keys_are_environment_lines_that_can_be_used() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run(&["keys", "generate"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let lines: Vec<_> = ran
        .stdout
        .lines()
        .map(|line| line.split_once('=').unwrap())
        .collect();
    let [("FIELD_ENCRYPTION_KEY", field), ("SECRET_KEY", secret)] = lines.as_slice() else {
        panic!("{lines:?}");
    };
    assert!(KeyRing::parse(field).is_ok());
    assert!(MacRing::parse(secret).is_ok());
    assert_eq!(
        fs::read_dir(sandbox.root()).unwrap().count(),
        0,
        "something was stored"
    );
}

#[test]
fn generated_keys_are_new_each_time_and_come_as_json_too() {
    let sandbox = Sandbox::new();
    let keys = || -> BTreeMap<String, String> {
        serde_json::from_str(&sandbox.run(&["keys", "generate", "--json"]).stdout).unwrap()
    };
    let (first, second) = (keys(), keys());
    assert!(first.keys().eq(["FIELD_ENCRYPTION_KEY", "SECRET_KEY"]));
    assert!(KeyRing::parse(&first["FIELD_ENCRYPTION_KEY"]).is_ok());
    assert!(MacRing::parse(&first["SECRET_KEY"]).is_ok());
    for name in ["FIELD_ENCRYPTION_KEY", "SECRET_KEY"] {
        assert_ne!(first[name], second[name]);
    }
}

#[test]
fn keys_can_be_generated_where_the_settings_are_broken() {
    let sandbox = Sandbox::new()
        .set("DEBUG", "maybe")
        .set("KEYWARD_ENV", "production");
    assert_eq!(sandbox.run(&["keys", "generate"]).code, 0);
}

#[test]
fn the_first_start_in_development_makes_private_keys_and_says_so() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run(&["migrate"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.stderr.contains("keyward-data/field-encryption.key"),
        "{ran:?}"
    );
    assert!(ran.stderr.contains("keyward-data/secret.key"), "{ran:?}");
    assert!(ran.stderr.contains("Back these files up"), "{ran:?}");

    let mode = |name: &str| sandbox.path(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("keyward-data"), 0o700);
    for name in [
        "keyward-data/field-encryption.key",
        "keyward-data/secret.key",
    ] {
        assert_eq!(mode(name), 0o600);
        let key = fs::read_to_string(sandbox.path(name)).unwrap();
        assert!(!ran.texts().contains(key.trim()), "{ran:?}");
    }

    let again = sandbox.run(&["migrate"]);
    assert_eq!(again.code, 0, "{again:?}");
    assert!(
        !again.stderr.contains("generated for development"),
        "{again:?}"
    );
}

#[test]
fn processes_that_start_at_once_end_with_one_set_of_keys() {
    for _ in 0..30 {
        let sandbox = Sandbox::new();
        let starting: Vec<_> = (0..2).map(|_| sandbox.spawn(&["migrate"])).collect();
        let ran: Vec<_> = starting
            .into_iter()
            .map(crate::sandbox::Running::wait)
            .collect();
        assert!(ran.iter().all(|ran| ran.code == 0), "{ran:?}");
        for name in ["field-encryption.key", "secret.key"] {
            let announced = ran
                .iter()
                .filter(|ran| ran.stderr.contains(&format!("  keyward-data/{name}  (")))
                .count();
            assert_eq!(announced, 1, "{ran:?}");
        }
        // Every key that was used with the database is asked for at each start.
        let later = sandbox.run(&["migrate"]);
        assert_eq!(later.code, 0, "{later:?}");
        let mut files: Vec<_> = fs::read_dir(sandbox.path("keyward-data"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.starts_with("keyward.db"))
            .collect();
        files.sort();
        assert_eq!(files, ["field-encryption.key", "secret.key"]);
    }
}

#[test]
fn a_key_is_exchanged_step_by_step_and_every_step_prints_json() {
    let (sandbox, old, new) = with_two_keys();
    let json = |arguments: &[&str]| -> Value {
        let ran = sandbox.run(&[arguments, &["--json"]].concat());
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
        serde_json::from_str(&ran.stdout).unwrap()
    };
    assert_eq!(
        json(&["keys", "activate", &new]),
        json!({ "kid": new, "state": "active" })
    );
    let status = json(&["keys", "status"]);
    let keys = status["keys"].as_array().unwrap();
    for (kid, state, rows) in [(&old, "decrypt-only", 1), (&new, "active", 0)] {
        let key = json!({ "kid": kid, "state": state, "rows": rows, "held": true });
        assert!(keys.contains(&key), "{status}");
    }
    assert_eq!(status["state"], "idle");
    // The check of SECRET_KEY.
    let done = json!({ "state": "done", "done": 1, "total": 1 });
    assert_eq!(json(&["keys", "rotate"]), done);
    assert_eq!(
        json(&["keys", "retire", &old]),
        json!({ "kid": old, "state": "retired" })
    );
    assert_eq!(json(&["keys", "status"])["active_kid"], *new);
}

#[test]
fn a_step_that_cannot_be_done_ends_with_1_and_says_what_to_do() {
    let (sandbox, old, new) = with_two_keys();
    let unknown = "0123456789abcdef";
    for (arguments, said) in [
        (vec!["activate", unknown], "keyward keys add"),
        (vec!["activate", "no-id"], "keyward keys status"),
        (vec!["retire", unknown], "keyward keys add"),
        (vec!["retire", &old], "activate another one"),
        (vec!["rotate", "--pause"], "does not run"),
    ] {
        let ran = sandbox.run(&[&["keys"], &*arguments].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
        assert!(ran.stderr.contains(said), "{ran:?}");
        assert!(!ran.stderr.contains("no-id"), "{ran:?}");
    }
    assert_eq!(sandbox.run(&["keys", "activate", &new]).code, 0);
    let ran = sandbox.run(&["keys", "retire", &old]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("1 stored value is"), "{ran:?}");
    assert_eq!(sandbox.run(&["keys", "rotate"]).code, 0);
    assert_eq!(sandbox.run(&["keys", "retire", &old]).code, 0);
    let ran = sandbox.run(&["keys", "activate", &old]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("never comes back"), "{ran:?}");
    let usage = sandbox.run(&["keys", "rotate", "--pause", "--rate", "5"]);
    assert_eq!(usage.code, 2, "{usage:?}");
}

/// A database that was made with one key, and another one in front of it; the ids of both.
fn with_two_keys() -> (Sandbox, String, String) {
    let sandbox = Sandbox::production().set("KEYWARD_ENV", "development");
    assert_eq!(sandbox.run(&["migrate"]).code, 0);
    let (old, new) = (
        sandbox.value("FIELD_ENCRYPTION_KEY").to_owned(),
        FieldKey::generate(),
    );
    let id = KeyRing::parse(&old).unwrap().active().to_string();
    let both = format!("{},{old}", new.expose().expose());
    let sandbox = sandbox.set("FIELD_ENCRYPTION_KEY", &both);
    (sandbox, id, new.id().to_string())
}
