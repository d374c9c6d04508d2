use serde_json::{Value, json};

use crate::running::Home;

/// Production as an operator sets it up: keys in files of their own, a database with a full path.
pub(crate) fn production() -> Home {
    let home = Home::new().set("KEYWARD_ENV", "production");
    let database = format!("sqlite://{}", home.path("keyward.db").display());
    let keys = home.run(&["keys", "generate", "--json"]).stdout;
    let keys: Value = serde_json::from_str(&keys).unwrap();
    let file = |name: &str| {
        let path = home.write(name, &format!("{}\n", keys[name].as_str().unwrap()), 0o600);
        path.to_str().unwrap().to_owned()
    };
    let (field, secret) = (file("FIELD_ENCRYPTION_KEY"), file("SECRET_KEY"));
    home.set("DATABASE_URL", &database)
        .set("FIELD_ENCRYPTION_KEY_FILE", &field)
        .set("SECRET_KEY_FILE", &secret)
}

#[test]
fn production_starts_with_keys_in_files() {
    let home = production();
    let checked = home.run(&["doctor"]);
    assert!(checked.code <= 1, "{checked:?}");
    let made = home.run(&["init", "--username", "root", "--json"]);
    assert_eq!(made.code, 0, "{made:?}");
    let made: Value = serde_json::from_str(&made.stdout).unwrap();

    let server = home.start();
    assert_eq!(server.stdout(), "");
    let root = server.client(made["key"].as_str().unwrap());
    let id = root.keep(
        "GitHub",
        "generic",
        &json!({ "token": "ghp_0123456789abcdef" }),
    );
    server.stop();

    let server = home.start();
    let root = server.client(made["key"].as_str().unwrap());
    let opened = root.access(&id).expect(200);
    assert_eq!(opened["fields"]["token"], "ghp_0123456789abcdef");
    server.stop();
    assert!(!home.path("keyward-data").exists(), "nothing was generated");
    assert_eq!(home.run(&["audit", "verify"]).code, 0);
}

#[test]
fn production_makes_no_administrator_by_itself() {
    let home = production();
    let server = home.start();
    let left = server.stop();
    assert_eq!(left.stdout, "");
    assert_eq!(home.run(&["init", "--username", "root"]).code, 0);
}

#[test]
fn production_without_keys_creates_nothing() {
    let home = production();
    let root = home.root().to_owned();
    let files = || {
        let mut files: Vec<_> = std::fs::read_dir(&root)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        files.sort();
        files
    };
    let before = files();
    let home = home
        .unset("FIELD_ENCRYPTION_KEY_FILE")
        .unset("SECRET_KEY_FILE");
    for command in [
        &["serve"] as &[&str],
        &["migrate"],
        &["init", "--username", "root"],
    ] {
        let refused = home.run(command);
        assert_eq!(
            (refused.code, refused.stdout.as_str()),
            (78, ""),
            "{refused:?}"
        );
        assert!(
            refused.stderr.contains("keyward keys generate"),
            "{refused:?}"
        );
        assert_eq!(files(), before);
    }
}
