//! What clients ask while something fails, and what they are answered.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::running::{Answer, Client, Server};

/// Reads, writes and wrong keys, over and over.
pub(crate) struct Traffic {
    admin: Client,
    wrong: Client,
    credential: String,
    is_over: AtomicBool,
    seen: Mutex<Seen>,
}

/// What was answered.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) fine: usize,
    pub(crate) refused: usize,
    /// The slowest answer of each status.
    pub(crate) slowest_refusal: Duration,
    /// Names of credentials that were acknowledged.
    pub(crate) acknowledged: Vec<String>,
    pub(crate) alive: usize,
}

struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Traffic {
    pub(crate) fn of(server: &Server) -> Self {
        let admin = server.admin();
        let credential = admin.keep("read", "generic", &json!({ "token": "as it was" }));
        let (_, key) = admin.new_key("revoked");
        let id = admin
            .all("/api/v1/users/me/keys")
            .iter()
            .find(|known| known["name"] == "revoked")
            .unwrap()["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let revoke = format!("/api/v1/users/me/keys/{id}");
        admin.delete(&revoke).expect(204);
        Self {
            wrong: server.client(&key),
            admin,
            credential,
            is_over: AtomicBool::new(false),
            seen: Mutex::default(),
        }
    }

    /// Lets clients ask while `meanwhile` runs.
    pub(crate) fn during(&self, meanwhile: impl FnOnce()) -> Seen {
        self.is_over.store(false, Ordering::SeqCst);
        thread::scope(|scope| {
            scope.spawn(|| self.repeat(|_| self.who_am_i()));
            scope.spawn(|| self.repeat(|_| self.read()));
            scope.spawn(|| self.repeat(|_| self.revoked()));
            scope.spawn(|| self.repeat(|round| self.write(round)));
            scope.spawn(|| self.repeat(|_| self.health()));
            // Also when it panics, or the others would go on for ever.
            let _over = Over(&self.is_over);
            meanwhile();
        });
        std::mem::take(&mut *self.seen.lock().unwrap())
    }

    /// How long it takes until all is well: ten answers of each kind in a row.
    pub(crate) fn recovery(&self) -> Duration {
        let started = Instant::now();
        let mut in_a_row = 0;
        while in_a_row < 10 {
            let read = self.admin.get("/api/v1/auth/me").status == 200;
            let body = json!({ "name": "recovery", "credential_type": "generic", "detail": {} });
            let written = self.admin.post("/api/v1/credentials", &body).status == 201;
            let ready = self.admin.get("/health/ready").status == 200;
            in_a_row = if read && written && ready {
                in_a_row + 1
            } else {
                0
            };
            assert!(
                started.elapsed() < Duration::from_secs(30),
                "it is not well again"
            );
        }
        started.elapsed()
    }

    /// Whether everything that was acknowledged is there.
    pub(crate) fn lost(&self, seen: &Seen) -> Vec<String> {
        let all = self.admin.all("/api/v1/credentials");
        let is_there = |name: &&String| all.iter().any(|kept| kept["name"] == name.as_str());
        let lost = seen.acknowledged.iter().filter(|name| !is_there(name));
        lost.cloned().collect()
    }

    fn repeat(&self, ask: impl Fn(usize)) {
        for round in 0.. {
            if self.is_over.load(Ordering::SeqCst) {
                return;
            }
            ask(round);
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn who_am_i(&self) {
        let started = Instant::now();
        self.note(&self.admin.get("/api/v1/auth/me"), 200, started);
    }

    fn read(&self) {
        let started = Instant::now();
        let answer = self.admin.access(&self.credential);
        if answer.status == 200 {
            assert_eq!(answer.json()["fields"]["token"], "as it was");
        }
        self.note(&answer, 200, started);
    }

    fn revoked(&self) {
        let started = Instant::now();
        self.note(&self.wrong.get("/api/v1/auth/me"), 401, started);
    }

    fn write(&self, round: usize) {
        let started = Instant::now();
        let name = format!("written {round}");
        let body = json!({ "name": name, "credential_type": "generic", "detail": { "t": "x" } });
        let answer = self.admin.post("/api/v1/credentials", &body);
        self.note(&answer, 201, started);
        if answer.status == 201 {
            self.seen.lock().unwrap().acknowledged.push(name);
        }
    }

    fn health(&self) {
        let started = Instant::now();
        self.admin.get("/health/live").expect(200);
        assert!(
            started.elapsed() < Duration::from_secs(1),
            "alive after {:?}",
            started.elapsed()
        );
        let started = Instant::now();
        self.note(&self.admin.get("/health/ready"), 200, started);
        self.seen.lock().unwrap().alive += 1;
    }

    /// An answer is the right one, or says that there is none at the moment.
    fn note(&self, answer: &Answer, right: u16, started: Instant) {
        let took = started.elapsed();
        let mut seen = self.seen.lock().unwrap();
        if answer.status == right {
            seen.fine += 1;
            return;
        }
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(answer.header("retry-after").is_some(), "{answer:?}");
        let kind = answer.json()["type"].clone();
        assert!(
            kind == "/problems/unavailable" || kind == "/problems/overloaded",
            "{answer:?}"
        );
        seen.refused += 1;
        seen.slowest_refusal = seen.slowest_refusal.max(took);
    }
}
