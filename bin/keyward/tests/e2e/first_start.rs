//! Several first starts at once.

use std::sync::Barrier;
use std::thread;

use crate::running::{Home, Ran};

/// Two nodes with different keys of one kind, on one new database.
fn rivals(home: &Home, variable: &str) -> [Home; 2] {
    let url = home.get("DATABASE_URL").map_or_else(
        || format!("sqlite://{}", home.path("shared.db").display()),
        str::to_owned,
    );
    let one = Home::new().with_keys().set("DATABASE_URL", &url);
    let other = one
        .another_node()
        .set(variable, Home::new().with_keys().value(variable));
    [one, other]
}

fn migrate_at_once(nodes: &[Home; 2]) -> [Ran; 2] {
    let start = Barrier::new(2);
    let run = |home: &Home| {
        start.wait();
        home.run(&["migrate"])
    };
    thread::scope(|scope| {
        let other = scope.spawn(|| run(&nodes[1]));
        [run(&nodes[0]), other.join().unwrap()]
    })
}

fn one_key_wins(new_home: impl Fn() -> Option<Home>) {
    for round in 0..16 {
        let Some(home) = new_home() else { return };
        let variable = ["FIELD_ENCRYPTION_KEY", "SECRET_KEY"][round % 2];
        let nodes = rivals(&home, variable);
        let ran = migrate_at_once(&nodes);
        let mut codes = [ran[0].code, ran[1].code];
        codes.sort_unstable();
        assert_eq!(codes, [0, 78], "{variable}: {ran:?}");
        for (ran, node) in ran.iter().zip(&nodes) {
            assert_eq!(node.run(&["migrate"]).code, ran.code, "{ran:?}");
            let refusal = format!("written with a {variable} that is not configured");
            assert_eq!(ran.code == 78, ran.stderr.contains(&refusal), "{ran:?}");
        }
    }
}

#[test]
fn of_two_first_starts_with_different_keys_one_is_refused_on_sqlite() {
    one_key_wins(|| Some(Home::new()));
}

#[test]
fn of_two_first_starts_with_different_keys_one_is_refused_on_postgresql() {
    one_key_wins(Home::on_postgres);
}
