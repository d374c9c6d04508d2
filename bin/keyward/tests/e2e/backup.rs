//! Backups of a server at work, restored on another host and another kind of database.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::running::app::{enrol, now};
use crate::running::{Client, Home};

#[test]
fn a_backup_of_sqlite_under_load_is_whole_on_postgresql() {
    let Some(target) = Home::on_postgres() else {
        return;
    };
    backed_up_under_load(&Home::new().with_keys(), target);
}

#[test]
fn a_backup_of_postgresql_under_load_is_whole_on_sqlite() {
    let Some(source) = Home::on_postgres() else {
        return;
    };
    backed_up_under_load(&source.with_keys(), Home::new());
}

fn backed_up_under_load(source: &Home, target: Home) {
    let identity = source.run(&["backup", "identity", "id.txt"]);
    let recipient = identity.stdout.trim();
    let server = source.start();
    let (admin, password) = (server.admin(), server.printed("password"));
    let app = enrol(&admin);
    // It was used up by the enrolment.
    let first = app.code_at(now() - 30);

    let (kept, (names, last_began)) = write_while(&admin, || {
        let mut last_began = Instant::now();
        let names: Vec<_> = (0..BACKUPS)
            .map(|number| format!("{number}.backup"))
            .collect();
        for name in &names {
            thread::sleep(Duration::from_millis(300));
            last_began = Instant::now();
            let made = source.run(&["backup", "create", "--recipient", recipient, name]);
            assert_eq!(made.code, 0, "{made:?}");
        }
        (names, last_began)
    });
    for name in &names {
        let verified = source.run(&["backup", "verify", "--identity-file", "id.txt", name]);
        assert_eq!(verified.code, 0, "{verified:?}");
    }
    // Used after the backup, which so cannot know it.
    let (used_at, code) = (now(), app.code_at(now()));
    let session = log_in(&server.client(""), &password, code.expose());
    server.stop();

    let last = names.last().unwrap();
    for name in [last.as_str(), "id.txt"] {
        std::fs::copy(source.path(name), target.path(name)).unwrap();
    }
    let target = ["FIELD_ENCRYPTION_KEY", "SECRET_KEY"]
        .into_iter()
        .fold(target, |home, name| home.set(name, source.value(name)));
    let restored = target.run(&["backup", "restore", "--identity-file", "id.txt", last]);
    assert_eq!(restored.code, 0, "{restored:?}");

    let copy = target.start();
    assert_is_whole(&copy.client(admin.key()), &kept, last_began);
    let visitor = copy.client("");
    for used in [&first, &code] {
        assert_eq!(try_code(&visitor, &password, used.expose()), 401);
    }
    assert_eq!(copy.client(&session).get("/api/v1/auth/me").status, 401);
    let verified = target.run(&["audit", "verify"]);
    assert_eq!(verified.code, 0, "{verified:?}");
    // The app itself is whole: once its steps are past those that are used up, its codes work.
    let step = used_at.div_euclid(30);
    let stored = target.sql().value(
        "SELECT CAST(max(last_step) AS TEXT) AS value FROM attempts WHERE subject LIKE 'totp:%'",
    );
    assert!(stored.parse::<i64>().unwrap() > step, "{stored}");
}

/// A credential that was kept, in the order in which it was acknowledged.
struct Kept {
    id: String,
    secret: String,
    at: Instant,
}

/// Keeps credentials at 200 a second while `work` runs.
fn write_while<T>(client: &Client, work: impl FnOnce() -> T) -> (Vec<Kept>, T) {
    let stop = AtomicBool::new(false);
    let kept = Mutex::new(Vec::new());
    let started = Instant::now();
    let done = thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (stop, kept) = (&stop, &kept);
            scope.spawn(move || {
                let mut due = Instant::now();
                for number in 0.. {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    let secret = format!("secret-{writer}-{number}-0123456789");
                    let detail = json!({ "provider": "openai", "api_key": secret });
                    let id = client.keep("load", "llm", &detail);
                    let at = Instant::now();
                    kept.lock().unwrap().push(Kept { id, secret, at });
                    due += Duration::from_secs(1) * WRITERS / WRITES_PER_SECOND;
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                }
            });
        }
        let done = work();
        stop.store(true, Ordering::SeqCst);
        done
    });
    let kept = kept.into_inner().unwrap();
    let rate = f64::from(u32::try_from(kept.len()).unwrap()) / started.elapsed().as_secs_f64();
    eprintln!(
        "figure: {} writes, {rate:.0} a second, {BACKUPS} backups",
        kept.len()
    );
    (kept, done)
}

/// Whatever was acknowledged before the backup began is there, and what is there opens.
fn assert_is_whole(client: &Client, kept: &[Kept], began: Instant) {
    let there = client.all("/api/v1/credentials");
    let ids: HashSet<_> = there
        .iter()
        .filter_map(|item| item["id"].as_str())
        .collect();
    let mut opened = 0;
    for credential in kept {
        let is_there = ids.contains(credential.id.as_str());
        assert!(
            is_there || credential.at >= began,
            "{} is missing",
            credential.id
        );
        if is_there {
            let fields = client.access(&credential.id).expect(200);
            assert_eq!(fields["fields"]["api_key"], credential.secret.as_str());
            opened += 1;
        }
    }
    assert!(opened > 0);
    assert_eq!(opened, there.len());
}

fn try_code(visitor: &Client, password: &str, code: &str) -> u16 {
    let ticket = ticket(visitor, password);
    let body = json!({ "ticket": ticket, "code": code });
    visitor.post("/api/v1/auth/mfa/login-verify", &body).status
}

fn log_in(visitor: &Client, password: &str, code: &str) -> String {
    let body = json!({ "ticket": ticket(visitor, password), "code": code });
    let answer = visitor
        .post("/api/v1/auth/mfa/login-verify", &body)
        .expect(200);
    answer["key"].as_str().unwrap().to_owned()
}

fn ticket(visitor: &Client, password: &str) -> String {
    let body = json!({ "username": "admin", "password": password });
    let answer = visitor.post("/api/v1/auth/token", &body).expect(200);
    answer["ticket"].as_str().unwrap().to_owned()
}

const BACKUPS: usize = 4;
const WRITERS: u32 = 4;
const WRITES_PER_SECOND: u32 = 200;
