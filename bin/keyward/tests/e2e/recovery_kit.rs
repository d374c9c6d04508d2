use serde_json::{Value, json};

use crate::running::Home;

/// Everything of a server but its database is gone, and so is its configuration.
#[test]
fn three_of_five_shares_bring_a_server_back_on_its_old_sqlite_database() {
    let lost = Home::new().with_keys();
    let found = Home::new();
    let database = format!("sqlite://{}", found.path("keyward.db").display());
    comes_back(&lost.set("DATABASE_URL", &database), found);
}

#[test]
fn three_of_five_shares_bring_a_server_back_on_its_old_postgresql_database() {
    let Some(lost) = Home::on_postgres() else {
        return;
    };
    comes_back(&lost.with_keys(), Home::new());
}

fn comes_back(lost: &Home, found: Home) {
    let server = lost.start();
    let key = server.printed("API key");
    let root = server.client(&key);
    let id = root.keep(
        "GitHub",
        "generic",
        &json!({ "token": "ghp_0123456789abcdef" }),
    );
    server.stop();
    let line = [
        "backup",
        "key",
        "--shares",
        "5",
        "--threshold",
        "3",
        "--json",
    ];
    let made = lost.run(&line);
    assert_eq!(made.code, 0, "{made:?}");
    let made: Value = serde_json::from_str(&made.stdout).unwrap();
    let shares: Vec<_> = [4, 0, 2]
        .map(|place| made["pages"][place].as_str().unwrap())
        .into();

    let found = found.set("DATABASE_URL", lost.value("DATABASE_URL"));
    let too_few = found.run_with_input(&["backup", "restore-key"], &shares[1..].concat());
    assert_eq!(
        (too_few.code, too_few.stdout.as_str()),
        (1, ""),
        "{too_few:?}"
    );
    // Without keys it makes none beside a database that was written under others.
    let refused = found.run(&["serve"]);
    assert_eq!(refused.code, 78, "{refused:?}");

    let _ = std::fs::remove_dir_all(found.path("keyward-data"));
    let line = ["backup", "restore-key", "--output-dir", "keyward-data"];
    let restored = found.run_with_input(&line, &shares.concat());
    assert_eq!(restored.code, 0, "{restored:?}");
    let server = found.start();
    let root = server.client(&key);
    let opened = root.access(&id).expect(200);
    assert_eq!(opened["fields"]["token"], "ghp_0123456789abcdef");
    server.stop();
    assert_eq!(found.run(&["audit", "verify"]).code, 0);
}
