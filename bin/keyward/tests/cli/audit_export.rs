//! `keyward audit export`.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use serde_json::Value;

use crate::agent::{done, with_root};

/// Some events, the last of which is of a name that a spreadsheet would take for a formula.
fn home() -> crate::running::Home {
    let home = with_root();
    for name in ["one", "two", "=cmd()"] {
        done(
            &home,
            &["api-key", "create", "--user", "root", "--name", name],
        );
    }
    home
}

fn events(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn every_event_is_exported_in_order_and_the_anchor_vouches_for_the_last() {
    let home = home();
    let all = events(&done(&home, &["audit", "export"]));
    let numbers: Vec<_> = all
        .iter()
        .map(|event| event["seq"].as_u64().unwrap())
        .collect();
    let expected: Vec<_> = (1..=u64::try_from(all.len()).unwrap()).collect();
    assert_eq!(numbers, expected);
    let last = all.last().unwrap();
    assert_eq!(last["action"], "api_key.create");
    assert_eq!(last["actor"]["kind"], "host");
    let anchor = done(&home, &["audit", "anchor"]);
    assert!(
        anchor.trim().ends_with(last["mac"].as_str().unwrap()),
        "{anchor}"
    );

    let some = done(&home, &["audit", "export", "--from", "2", "--to", "3"]);
    let some: Vec<_> = events(&some)
        .iter()
        .map(|event| event["seq"].clone())
        .collect();
    assert_eq!(some, [2, 3]);
    let future = done(
        &home,
        &["audit", "export", "--since", "2999-01-01T00:00:00Z"],
    );
    assert_eq!(future, "");
    let past = done(
        &home,
        &["audit", "export", "--until", "2001-01-01T00:00:00Z"],
    );
    assert_eq!(past, "");
}

#[test]
fn a_file_is_private_complete_and_never_overwritten() {
    let home = home();
    let export = [
        "audit",
        "export",
        "--format",
        "csv",
        "--output",
        "events.csv",
    ];
    let ran = home.run(&export);
    assert_eq!(ran.code, 0, "{ran:?}");
    let path = home.path("events.csv");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let table = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = table.split_terminator("\r\n").collect();
    assert!(lines[0].starts_with("seq,at,actor_kind"), "{table}");
    let all = events(&done(&home, &["audit", "export"]));
    assert_eq!(lines.len(), all.len() + 1);

    let again = home.run(&export);
    assert_eq!(again.code, 1, "{again:?}");
    assert!(again.stderr.contains("not overwritten"), "{again:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), table);
    let nowhere = home.run(&["audit", "export", "--output", "missing/events.jsonl"]);
    assert_eq!(nowhere.code, 69, "{nowhere:?}");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let home = home();
    let mut command = home.command(&["audit", "export"]);
    let mut child = command.stdin(Stdio::null()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn a_full_disk_is_said_and_leaves_no_file() {
    let home = home();
    let full = std::path::Path::new("/dev/full");
    if !full.exists() {
        assert!(
            std::env::var_os("REQUIRE_SERVICES").is_none(),
            "there is no /dev/full here"
        );
        eprintln!("NOT RUN: there is no /dev/full here");
        return;
    }
    let mut command = home.command(&["audit", "export"]);
    command.stdout(std::fs::OpenOptions::new().write(true).open(full).unwrap());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(69), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot write"));
}
