//! A server that is killed after it has counted an attempt and before it has settled it.

use std::thread;

use serde_json::json;

use crate::running::app::{enrol, now};
use crate::running::{Answer, Client, Home, Server, Sql, until};
use crate::together::many;

#[test]
fn a_code_that_a_crash_interrupts_counts_as_an_attempt_and_works_once() {
    let Some(mut killed) = Killed::start() else {
        return;
    };
    let code = killed.code();
    let ticket = killed.log_in();
    let verify = json!({ "ticket": ticket, "code": code });
    let log_in = |client: &Client| client.try_send("POST", LOG_IN, &[], Some(&verify.to_string()));
    killed.between(1, |client| assert!(log_in(client).is_err()), |_| ());

    assert_eq!(killed.counted(), "fails 1, in window 1");
    assert_eq!(killed.tries_of_the_ticket(), "1");
    // It has not been used: it is accepted now, with the ticket, and given back. Then no more.
    log_in(&killed.client()).unwrap().expect(200);
    assert_eq!(killed.counted(), "fails 0, in window 1");
    log_in(&killed.client()).unwrap().expect(401);
    for _ in 0..4 {
        killed.step_up(&code).expect(400);
    }
    killed.step_up(&code).expect(429);
}

#[test]
fn of_attempts_that_a_crash_interrupts_five_are_evaluated_and_a_restart_gives_no_more() {
    let Some(mut killed) = Killed::start() else {
        return;
    };
    let code = killed.code();
    let body = json!({ "code": code }).to_string();
    let step_up = |client: &Client| client.try_send("POST", STEP_UP, &[], Some(&body));
    let calls = |client: &Client| {
        let interrupted = many(5, 5, |_| step_up(client).is_err());
        assert_eq!(interrupted, [true; 5]);
    };
    killed.between(5, calls, |client| {
        step_up(client).unwrap().expect(429);
    });

    assert_eq!(killed.counted(), "fails 5, in window 5");
    killed.step_up(&code).expect(429);
    assert_eq!(killed.counted(), "fails 5, in window 5");
}

/// One server on PostgreSQL, and its administrator, who has an authenticator app.
struct Killed {
    server: Server,
    key: String,
    app: keyward_crypto::TotpSecret,
    sql: Sql,
    // Dropped last.
    home: Home,
}

impl Killed {
    fn start() -> Option<Self> {
        let home = Home::on_postgres()?;
        let server = home.start();
        let person = json!({ "username": USERNAME, "password": PASSWORD });
        server.admin().post("/api/v1/users", &person).expect(201);
        let answer = server.client("").post(TOKEN, &person).expect(200);
        let key = answer["key"].as_str().unwrap().to_owned();
        Some(Self {
            app: enrol(&server.client(&key)),
            sql: home.sql(),
            server,
            key,
            home,
        })
    }

    /// Makes calls that are counted, and kills the server when so many of them are about to settle
    /// and `meanwhile` is over.
    ///
    /// Settling begins with the lock of the audit log, which this holds. Counting does without it.
    fn between(
        &mut self,
        waiting: usize,
        calls: impl FnOnce(&Client) + Send,
        meanwhile: impl FnOnce(&Client),
    ) {
        let mut holder = self.home.sql();
        holder.run("BEGIN; SELECT seq FROM audit_head FOR UPDATE");
        let client = self.client();
        thread::scope(|scope| {
            let calls = scope.spawn(|| calls(&client));
            until("attempts that wait to be settled", || {
                let found: usize = self.sql.value(WAITING).parse().unwrap();
                (found >= waiting).then_some(())
            });
            meanwhile(&client);
            self.server.take_and_kill();
            calls.join().unwrap();
        });
        holder.run("ROLLBACK");
        self.server = self.home.start();
    }

    fn client(&self) -> Client {
        self.server.client(&self.key)
    }

    fn code(&self) -> String {
        self.app.code_at(now()).expose().to_owned()
    }

    fn log_in(&self) -> String {
        let person = json!({ "username": USERNAME, "password": PASSWORD });
        let answer = self.client().post(TOKEN, &person).expect(200);
        answer["ticket"].as_str().unwrap().to_owned()
    }

    fn step_up(&self, code: &str) -> Answer {
        self.client().post(STEP_UP, &json!({ "code": code }))
    }

    fn counted(&mut self) -> String {
        self.sql.value(
            "SELECT 'fails ' || fails || ', in window ' || window_count AS value FROM attempts \
             WHERE subject LIKE 'totp:%'",
        )
    }

    fn tries_of_the_ticket(&mut self) -> String {
        self.sql
            .value("SELECT tries::text AS value FROM login_tickets")
    }
}

const WAITING: &str = "SELECT count(*)::text AS value FROM pg_stat_activity \
     WHERE datname = current_database() AND wait_event_type = 'Lock'";
const TOKEN: &str = "/api/v1/auth/token";
const STEP_UP: &str = "/api/v1/auth/step-up";
const LOG_IN: &str = "/api/v1/auth/mfa/login-verify";
const USERNAME: &str = "interrupted";
const PASSWORD: &str = "a password of somebody with an app";
