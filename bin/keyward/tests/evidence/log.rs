//! Whether the named tests have run and were right, by the log of `cargo test --workspace`.

use std::collections::{BTreeMap, BTreeSet};

use crate::named::{self, Named};
use crate::sources::Tests;

/// What became of each test that the log has, named as `package::binary::path`.
fn outcomes(log: &str, binaries: &BTreeMap<String, Vec<String>>) -> BTreeMap<String, String> {
    let mut outcomes = BTreeMap::new();
    let mut running = None;
    // A test whose outcome stands in a later line, behind what a server has printed meanwhile.
    let mut open: Option<String> = None;
    for line in log.lines() {
        let line = uncoloured(line);
        let line = line.trim();
        if let Some(rest) = line.strip_prefix("Running ") {
            running = binary(rest, binaries);
            open = None;
        } else if line.starts_with("Doc-tests ") {
            running = None;
        }
        let Some(binary) = &running else { continue };
        if let Some((test, outcome)) = outcome(line) {
            let name = format!("{binary}::{test}");
            open = (outcome == "unknown").then(|| name.clone());
            outcomes.insert(name, outcome);
        } else if KNOWN.contains(&line) {
            outcomes.extend(open.take().map(|name| (name, line.to_owned())));
        }
    }
    outcomes
}

const KNOWN: [&str; 3] = ["ok", "FAILED", "ignored"];

/// `package::binary`, from `unittests src/lib.rs (target/debug/deps/name-hash)`.
fn binary(running: &str, binaries: &BTreeMap<String, Vec<String>>) -> Option<String> {
    let (source, executable) = running.split_once(" (")?;
    let executable = executable.trim_end_matches(')').rsplit('/').next()?;
    let (name, _hash) = executable.rsplit_once('-')?;
    match source {
        "unittests src/lib.rs" => Some(format!("{}::lib", name.replace('_', "-"))),
        "unittests src/main.rs" => Some(format!("{name}::main")),
        _ => {
            let package = binaries.get(name)?.first()?;
            Some(format!("{package}::{name}"))
        }
    }
}

/// The test and what became of it, from `test path ... ok`. What is printed past the harness can stand
/// before it and in it.
fn outcome(line: &str) -> Option<(String, String)> {
    let (before, outcome) = line.split_once(" ... ")?;
    let test = before.strip_prefix("test ");
    let test = test.or_else(|| Some(before.rsplit_once("test ")?.1))?;
    let test = test.trim_end_matches(" - should panic");
    // Programs that must not compile, within a test, are reported in the same words.
    if test.contains('/') {
        return None;
    }
    let ends = |known: &&&str| outcome.starts_with(**known) || outcome.ends_with(**known);
    let outcome = KNOWN.iter().find(ends).unwrap_or(&"unknown");
    Some((test.to_owned(), (*outcome).to_owned()))
}

/// A line without the colours of a terminal.
fn uncoloured(line: &str) -> String {
    let mut parts = line.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + part.split_once('m').map_or("", |(_, rest)| rest)
    })
}

/// The named tests that were not right, each once, with what became of them.
fn not_right(named: &[Named], outcomes: &BTreeMap<String, String>) -> BTreeSet<String> {
    let tests = named.iter().flat_map(|named| &named.tests);
    let outcome = |test: &String| {
        outcomes
            .get(test)
            .map_or("did not run", String::as_str)
            .to_owned()
    };
    let wrong = tests
        .map(|test| (test, outcome(test)))
        .filter(|(_, outcome)| outcome != "ok");
    wrong
        .map(|(test, outcome)| format!("{test}: {outcome}"))
        .collect()
}

/// `scripts/ran LOG` starts it.
#[test]
#[ignore = "reads the log of a whole run: scripts/ran LOG"]
fn every_named_test_has_run() {
    let path = std::env::var_os("KEYWARD_TEST_LOG").expect("KEYWARD_TEST_LOG names the log");
    let log = std::fs::read(path).expect("the log can be read");
    let tests = Tests::of_the_workspace();
    let outcomes = outcomes(&String::from_utf8_lossy(&log), &tests.binaries);
    let unseen: Vec<_> = outcomes
        .keys()
        .filter(|test| !tests.names.contains(*test))
        .collect();
    assert!(
        unseen.is_empty(),
        "the sources were read without these tests: {unseen:?}"
    );
    let named = named::all();
    let wrong = not_right(&named, &outcomes);
    assert!(
        wrong.is_empty(),
        "of the tests that security/ names:\n{}",
        join(&wrong)
    );
    let count: BTreeSet<_> = named.iter().flat_map(|named| &named.tests).collect();
    println!(
        "{} of {} tests are named, and all of these were right",
        count.len(),
        outcomes.len()
    );
}

fn join(lines: &BTreeSet<String>) -> String {
    lines
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join("\n")
}

const LOG: &str = "\
     Running unittests src/lib.rs (target/debug/deps/keyward_auth-0a1b)

running 2 tests
test codes::tests::one ... ok
test codes::tests::two - should panic ... ok
     Running unittests src/main.rs (target/debug/deps/keyward-0a1b)
test settings::tests::one ... FAILED
     Running tests/api/main.rs (target/debug/deps/api-0a1b)
test codes::left_out ... ignored, started by another
test codes::said ... NOT RUN: something that was printed
test codes::loud ... a line of its own ok
test tests/compile_fail/secret.rs ... ok
test codes::later ... something that was printed
and a line more
ok
what was printed without an end of its linetest codes::behind ... ok
   Doc-tests keyward_auth
test codes::doc ... ok
";

#[test]
fn a_test_that_failed_was_ignored_or_is_missing_in_the_log_is_noticed() {
    let binaries = BTreeMap::from([("api".to_owned(), vec!["keyward-http".to_owned()])]);
    let outcomes = outcomes(LOG, &binaries);
    let found = |test: &str| {
        let named = [Named::new("planted", &[test.to_owned()])];
        not_right(&named, &outcomes).into_iter().next()
    };
    for right in [
        "keyward-auth::lib::codes::tests::one",
        "keyward-auth::lib::codes::tests::two",
        "keyward-http::api::codes::loud",
        "keyward-http::api::codes::later",
        "keyward-http::api::codes::behind",
    ] {
        assert_eq!(found(right), None);
    }
    for (wrong, outcome) in [
        ("keyward::main::settings::tests::one", "FAILED"),
        ("keyward-http::api::codes::left_out", "ignored"),
        ("keyward-http::api::codes::said", "unknown"),
        ("keyward-http::api::codes::doc", "did not run"),
        ("keyward-auth::lib::codes::tests::three", "did not run"),
        ("keyward-auth::api::codes::loud", "did not run"),
    ] {
        assert_eq!(found(wrong), Some(format!("{wrong}: {outcome}")));
    }
}

#[test]
fn a_log_in_colours_is_read_too() {
    let line = "test codes::tests::one ... \u{1b}[32mok\u{1b}[0m";
    assert_eq!(uncoloured(line), "test codes::tests::one ... ok");
    assert_eq!(
        outcome("test a ... ok"),
        Some(("a".to_owned(), "ok".to_owned()))
    );
    assert_eq!(outcome("testing a: ok"), None);
}
