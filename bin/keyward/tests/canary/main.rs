//! A secret in every place where one can be, and then a look for them wherever they could have
//! leaked to (L-01).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy knows test functions, but not what they share"
)]

#[path = "../running/mod.rs"]
mod running;

mod echo;
mod evidence;
mod markers;
#[cfg(target_os = "linux")]
mod memory;
mod scanner;
mod suite;
mod wrong;

use std::fs;

use running::Home;

use evidence::Evidence;
use markers::{Markers, unique};
use scanner::Scanner;
use suite::Suite;

/// Runs everything with a log that says all it can; returns what it left and what must not be in
/// there.
fn everything(home: &Home) -> (Evidence, Markers) {
    let mut suite = Suite::start(home);
    suite.credentials();
    suite.people_and_keys();
    suite.uses();
    suite.bodies_that_do_not_fit();
    suite.people_that_are_refused();
    suite.secrets_in_addresses();
    suite.secrets_in_headers();
    suite.restart();
    suite.reads();
    suite.finish()
}

fn home(temporary: &str) -> Home {
    let home = Home::new();
    let folder = home.path(temporary);
    fs::create_dir(&folder).unwrap();
    home.set("LOG_LEVEL", "trace")
        .set("BROKER_ALLOW_PRIVATE", "127.0.0.1")
        .set("TMPDIR", folder.to_str().unwrap())
}

#[test]
fn no_secret_is_anywhere_but_in_the_answer_that_shows_it() {
    let (evidence, markers) = everything(&home("temporary"));
    assert!(markers.len() >= 40, "{}", markers.len());
    let found = evidence.scan(&Scanner::new(markers.all()));
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn no_secret_is_in_a_log_of_json_lines() {
    let home = home("temporary").set("LOG_FORMAT", "json");
    let (evidence, markers) = everything(&home);
    let found = evidence.scan(&Scanner::new(markers.all()));
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_secret_that_leaks_is_found_in_every_channel_and_every_form() {
    let (clean, _) = everything(&home("temporary"));
    let expected = [
        "/proc/PID/cmdline",
        "bodies of answers",
        "headers of answers",
        "standard error",
        "standard output",
        "the file keyward.db",
        "the file keyward.db-wal",
        "the file secret.key",
    ];
    for channel in expected {
        let known = clean.0.contains_key(channel);
        assert!(
            known || channel.starts_with("/proc") && !cfg!(target_os = "linux"),
            "{channel}"
        );
    }
    let planted = unique();
    let scanner = Scanner::new([("planted", planted.as_str())]);
    assert!(clean.scan(&scanner).is_empty());
    for channel in clean.0.keys() {
        for (form, text) in scanner::forms(&planted) {
            let mut leaky = Evidence::default();
            let (before, after) = clean.0[channel].split_at(clean.0[channel].len() / 2);
            leaky.add(channel, &[before, text.as_bytes(), after].concat());
            let found = leaky.scan(&scanner);
            let seen = found
                .iter()
                .any(|(at, finding)| at == channel && finding.form == form);
            assert!(seen, "{form} in {channel}: {found:?}");
        }
    }
}

/// The same, but through the real server: what is no secret to it goes where a leak would go.
#[test]
fn what_the_server_does_show_is_found_where_it_is_shown() {
    let planted = unique();
    let scanner = Scanner::new([("planted", planted.as_str())]);
    let home = home("temporary").set("UNUSED_VARIABLE", &planted);
    let mut suite = Suite::start(&home);
    suite.shows(&planted);
    let (evidence, _) = suite.finish();
    let found = evidence.scan(&scanner);
    let raw_in = |channel: &str| {
        let raw = found
            .iter()
            .any(|(at, finding)| at == channel && finding.form == "raw");
        assert!(raw, "{channel}: {found:#?}");
    };
    raw_in("standard error");
    raw_in("bodies of answers");
    raw_in("headers of answers");
    raw_in("the file keyward.db");
    raw_in("the file keyward.db-wal");
    // Only root sees it.
    if evidence.0.contains_key("/proc/PID/environ") {
        raw_in("/proc/PID/environ");
    }
}
