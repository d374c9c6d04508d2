//! Somebody else holds what the server needs.

use std::thread;
use std::time::Duration;

use crate::running::Home;
use crate::traffic::Traffic;

#[test]
fn a_lock_that_somebody_holds_on_postgresql_is_waited_for_only_so_long() {
    let Some(home) = Home::on_postgres() else {
        return;
    };
    survives(
        &home,
        "BEGIN; LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE",
        "ROLLBACK",
    );
}

#[test]
fn a_lock_that_somebody_holds_on_sqlite_is_waited_for_only_so_long() {
    survives(&Home::new(), "BEGIN IMMEDIATE", "ROLLBACK");
}

fn survives(home: &Home, lock: &str, unlock: &str) {
    let server = home.start();
    let traffic = Traffic::of(&server);
    let mut sql = home.sql();
    let mut recovery = Duration::ZERO;
    let seen = traffic.during(|| {
        sql.run(lock);
        thread::sleep(Duration::from_secs(4));
        sql.run(unlock);
        recovery = traffic.recovery();
    });
    println!(
        "figure: {} fine, {} refused, the slowest after {:?}; well again after {recovery:?}",
        seen.fine, seen.refused, seen.slowest_refusal
    );
    assert!(seen.refused > 0, "nobody noticed");
    assert!(
        seen.slowest_refusal < Duration::from_millis(2_500),
        "{:?}",
        seen.slowest_refusal
    );
    assert!(recovery < Duration::from_secs(5), "{recovery:?}");
    assert_eq!(traffic.lost(&seen), [""; 0]);
    server.stop();
    assert_eq!(home.run(&["audit", "verify"]).code, 0);
}
