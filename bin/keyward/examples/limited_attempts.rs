//! How many limited attempts a node refuses in a second, with and without Redis, and how long somebody
//! else waits for a write meanwhile: `limited_attempts [seconds]`. Needs `redis-server`, and uses
//! PostgreSQL where there is one.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "this is a measurement"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use keyward_audit::AuditLog;
use keyward_auth::{
    Advice, Environment, Hashing, Login, LoginError, LoginTickets as _, NoAdvice, Username, Visitor,
};
use keyward_core::{Clock as _, Store as _, SystemClock};
use keyward_crypto::{FieldKey, KeyRing, MacRing, Password, Passwords, TotpWindow};
use keyward_redis::testing::TestRedis;
use keyward_redis::{Redis, RedisUrl};
use keyward_store_diesel::DieselStore;
use keyward_store_diesel::testing::TestDatabase;

fn main() {
    let seconds = std::env::args().nth(1);
    let seconds = Duration::from_secs(seconds.map_or(5, |text| text.parse().unwrap()));
    let server = TestRedis::start().unwrap();
    let redis = Redis::start(&RedisUrl::parse(&server.url()).unwrap(), "measured");
    let databases = [
        ("SQLite", Some(TestDatabase::sqlite())),
        ("PostgreSQL", TestDatabase::postgres()),
    ];
    for (name, database) in &databases {
        let Some(database) = database else { continue };
        let advices: [(&str, Arc<dyn Advice>); 2] =
            [("without", Arc::new(NoAdvice)), ("with", redis.advice())];
        for (redis, advice) in advices {
            let (refused, waits) = measured(&database.store(), advice, seconds);
            let at = |part: usize| waits[(waits.len() - 1) * part / 100];
            println!(
                "{name} {redis} Redis: {refused:.0} refused a second; a write beside them takes {:?} \
                 (p50), {:?} (p99)",
                at(50),
                at(99)
            );
        }
    }
    redis.stop();
}

/// Refusals in a second, and how long each write of somebody else took.
fn measured(store: &DieselStore, advice: Arc<dyn Advice>, time: Duration) -> (f64, Vec<Duration>) {
    let macs = MacRing::parse(MacRing::generate_secret().expose()).unwrap();
    let clock = Arc::new(SystemClock);
    let login = Login::new(Environment {
        store: store.clone(),
        fields: KeyRing::new(vec![FieldKey::generate()]).unwrap(),
        audit: AuditLog::new(macs.clone(), clock.clone()),
        macs,
        hashing: Hashing::new(Passwords::danger_fast()),
        totp_window: TotpWindow::default(),
        advice,
        clock,
    });
    let (refused, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let begun = Instant::now();
    let mut waits = std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    refused.fetch_add(usize::from(is_limited(&login)), Ordering::Relaxed);
                }
            });
        }
        let mut waits = Vec::new();
        while begun.elapsed() < time {
            let asked = Instant::now();
            let now = SystemClock.now();
            store.write(|tx| tx.forget_tickets(now)).unwrap();
            waits.push(asked.elapsed());
            std::thread::sleep(Duration::from_millis(5));
        }
        is_over.store(true, Ordering::Relaxed);
        waits
    });
    waits.sort();
    let refused = f64::from(u32::try_from(refused.into_inner()).unwrap());
    (refused / begun.elapsed().as_secs_f64(), waits)
}

fn is_limited(login: &Login<DieselStore>) -> bool {
    let visitor = Visitor {
        source: "192.0.2.1".to_owned(),
        request: None,
    };
    let wrong = Password::attempt("not the password".into()).unwrap();
    let nobody = Username::parse("nobody").unwrap();
    let outcome = login.with_password(&nobody, &wrong, &visitor);
    matches!(outcome, Err(LoginError::Limited(_)))
}

const THREADS: usize = 8;
