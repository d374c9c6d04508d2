//! A disk that is full.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use keyward_crypto::TotpSecret;
use serde_json::json;
use tempfile::TempDir;

use crate::running::app::{enrol, now};
use crate::running::{Client, Home};

/// 64 MiB in memory, mounted for this test.
struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    /// `None` where nothing can be mounted, which is said by name.
    fn mount() -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64m,mode=0700", "tmpfs"])
            .arg(folder.path())
            .output();
        if mounted.is_ok_and(|mounted| mounted.status.success()) {
            return Some(Self { folder });
        }
        assert!(
            std::env::var_os("REQUIRE_SERVICES").is_none(),
            "a tmpfs cannot be mounted here"
        );
        eprintln!("NOT RUN: a tmpfs cannot be mounted here (it takes root)");
        None
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Takes all the room there is.
    fn fill(&self) -> PathBuf {
        let path = self.path().join("filler");
        let zeros = vec![0; 70 * 1024 * 1024];
        assert!(fs::write(&path, zeros).is_err(), "there is more room");
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, because a server that was killed may still be ending.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

#[test]
fn on_a_full_disk_nobody_gets_in_by_a_code_reads_work_and_nothing_is_lost() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let url = format!("sqlite://{}/keyward.db", disk.path().display());
    let home = Home::new().set("DATABASE_URL", &url);
    let server = home.start();
    let admin = server.admin();
    let password = server.printed("password");
    let secret = enrol(&admin);
    let id = admin.keep("kept", "generic", &json!({ "token": "a value" }));
    let ticket = ticket(&admin, &password).expect("a ticket while there is room");

    let filler = disk.fill();
    let kept = write_until_refused(&admin);
    // The ticket and the code are right, and still nobody gets in.
    let answer = second_step(&admin, &ticket, &secret);
    assert_eq!(answer, 503);
    let body = json!({ "username": "admin", "password": password });
    let login = admin.post("/api/v1/auth/token", &body);
    assert_eq!(login.status, 503, "{login:?}");
    assert!(login.header("retry-after").is_some());
    admin.get("/api/v1/auth/me").expect(200);
    admin.get(&format!("/api/v1/credentials/{id}")).expect(200);
    // A secret is shown only when that is written down.
    assert_eq!(admin.access(&id).status, 503);
    admin.get("/health/live").expect(200);

    fs::remove_file(filler).unwrap();
    assert_eq!(
        second_step(&admin, &ticket, &secret),
        200,
        "without a restart"
    );
    assert_eq!(admin.access(&id).expect(200)["fields"]["token"], "a value");
    let names = admin.all("/api/v1/credentials");
    for name in &kept {
        assert!(names.iter().any(|known| known["name"] == name.as_str()));
    }
    server.stop();
    let verified = home.run(&["audit", "verify"]);
    assert_eq!(verified.code, 0, "{verified:?}");
}

/// What was acknowledged before there was no more room, which there may be in files already.
fn write_until_refused(admin: &Client) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for round in 0..10_000 {
        let name = format!("late {round}");
        let body = json!({ "name": name, "credential_type": "generic", "detail": { "t": "x" } });
        let answer = admin.post("/api/v1/credentials", &body);
        if answer.status == 503 {
            assert!(answer.header("retry-after").is_some());
            return acknowledged;
        }
        answer.expect(201);
        acknowledged.push(name);
    }
    panic!("the disk is not full");
}

fn ticket(client: &Client, password: &str) -> Option<String> {
    let body = json!({ "username": "admin", "password": password });
    let answer = client.post("/api/v1/auth/token", &body).expect(200);
    answer["ticket"].as_str().map(str::to_owned)
}

fn second_step(client: &Client, ticket: &str, secret: &TotpSecret) -> u16 {
    let code = secret.code_at(now()).expose().to_owned();
    let body = json!({ "ticket": ticket, "code": code });
    client.post("/api/v1/auth/mfa/login-verify", &body).status
}
