//! A real server on a machine whose clock is set back. The clock is that of libfaketime, which reads by how
//! much to be off from a file.

use std::fs;
use std::path::PathBuf;

use keyward_core::{Clock as _, SystemClock};
use serde_json::json;

use crate::running::{Client, Home, Server};

#[test]
fn a_key_that_had_ended_stays_ended_when_the_clock_is_set_back() {
    let Some(machine) = Machine::new() else {
        return;
    };
    let mut server = machine.home.start();
    let admin = server.admin();
    let ends = SystemClock.now().plus(HOUR).to_string();
    let body = json!({ "name": "for an hour", "scopes": ["read"], "expires_at": ends });
    let made = admin.post("/api/v1/users/me/keys", &body);
    let key = made.expect(201)["key"].as_str().unwrap().to_owned();
    status(&server, &key, 200);

    machine.is_off_by(2 * HOUR);
    status(&server, &key, 401);
    for off in [0, -DAY] {
        machine.is_off_by(off);
        status(&server, &key, 401);
        status(&server, admin.key(), 200);
    }
    // Nor does a server know it anew that is started then.
    for off in [-DAY, 0] {
        machine.is_off_by(off);
        server.terminate();
        assert_eq!(server.ended().code(), Some(0));
        server = machine.home.start();
        status(&server, &key, 401);
        status(&server, admin.key(), 200);
    }
    machine.is_told_by_the_doctor("was ");

    // The clock is right now, and was ahead before.
    server.terminate();
    assert_eq!(server.ended().code(), Some(0));
    let trusted = machine.home.run(&["clock", "trust"]);
    assert_eq!(trusted.code, 0, "{trusted:?}");
    assert!(trusted.stdout.contains("start the servers"), "{trusted:?}");
    let again = machine.home.run(&["clock", "trust", "--json"]);
    assert_eq!(again.stdout, "{\"seconds\":0}\n", "{again:?}");
    let server = machine.home.start();
    status(&server, &key, 200);
    let verified = machine.home.run(&["audit", "verify"]);
    assert_eq!(verified.code, 0, "{verified:?}");
}

/// What a server wrote down before it was killed counts as well.
#[test]
fn a_server_that_was_killed_leaves_the_time_that_it_knew() {
    let Some(machine) = Machine::new() else {
        return;
    };
    machine.is_off_by(2 * HOUR);
    let mut server = machine.home.start();
    let key = server.admin().key().to_owned();
    let mut sql = machine.home.sql();
    crate::running::until("the time to be kept", || {
        (sql.values("SELECT at AS value FROM kept_time").len() == 1).then_some(())
    });
    server.shoot();
    server.ended();
    machine.is_off_by(0);
    let server = machine.home.start();
    let later = SystemClock.now().plus(HOUR).to_string();
    let body = json!({ "name": "has ended", "expires_at": later });
    let refused = server.client(&key).post("/api/v1/users/me/keys", &body);
    assert_eq!(refused.status, 422, "{refused:?}");
}

fn status(server: &Server, key: &str, expected: u16) {
    let client: Client = server.client(key);
    client.get("/api/v1/auth/me").expect(expected);
}

/// A home whose programs go by a clock that can be set.
struct Machine {
    home: Home,
}

impl Machine {
    /// `None`, and said by name, where there is no libfaketime.
    fn new() -> Option<Self> {
        let Some(library) = library() else {
            assert!(
                std::env::var_os("REQUIRE_SERVICES").is_none(),
                "there is no libfaketime here"
            );
            eprintln!("NOT RUN: there is no libfaketime here; apt-get install faketime");
            return None;
        };
        let home = Home::new();
        let file = home.path("clock");
        let machine = Self {
            home: home
                .set("LD_PRELOAD", library.to_str().unwrap())
                .set("FAKETIME_TIMESTAMP_FILE", file.to_str().unwrap())
                .set("FAKETIME_NO_CACHE", "1")
                .set("DONT_FAKE_MONOTONIC", "1"),
        };
        machine.is_off_by(0);
        Some(machine)
    }

    fn is_off_by(&self, seconds: i64) {
        // At once: nobody reads half of it.
        let next = self.home.path("clock.next");
        fs::write(&next, format!("{seconds:+}\n")).unwrap();
        fs::rename(next, self.home.path("clock")).unwrap();
    }

    fn is_told_by_the_doctor(&self, what: &str) {
        let report = self.home.run(&["doctor", "--json"]).stdout;
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        let checks = report["checks"].as_array().unwrap();
        let clock = checks.iter().find(|check| check["id"] == "host.clock");
        let clock = clock.unwrap();
        assert_eq!(clock["outcome"], "warn", "{clock}");
        assert!(clock.to_string().contains(what), "{clock}");
    }
}

fn library() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").ok()?.flatten();
    folders
        .map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"))
        .find(|library| library.exists())
}

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
