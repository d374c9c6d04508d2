//! A stop while something hangs.

use std::thread;
use std::time::{Duration, Instant};

use crate::database::Behind;
use crate::proxy::Network;

#[test]
fn a_silent_database_does_not_keep_a_server_from_stopping() {
    let Some(mut behind) = Behind::start() else {
        return;
    };
    let admin = behind.server.admin();
    behind.proxy.set(Network::Silent);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| admin.get("/api/v1/auth/me").expect(503));
        }
    });
    let asked = Instant::now();
    behind.server.terminate();
    let status = behind.server.ended();
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
    // Threads still wait for the database, so this is no stop in good order.
    assert_eq!(status.code(), Some(69));

    behind.proxy.set(Network::Works);
    let server = behind.home.start();
    server
        .client(admin.key())
        .get("/api/v1/auth/me")
        .expect(200);
    server.stop();
}

#[test]
fn a_second_signal_ends_the_server_at_once() {
    let Some(mut behind) = Behind::start() else {
        return;
    };
    let admin = behind.server.admin();
    behind.proxy.set(Network::Silent);
    admin.get("/api/v1/auth/me").expect(503);
    behind.server.terminate();
    crate::running::until("the word that it stops", || {
        behind.server.stderr().contains("stopping").then_some(())
    });
    let asked = Instant::now();
    behind.server.terminate();
    let status = behind.server.ended();
    assert!(asked.elapsed() < Duration::from_secs(2));
    assert_eq!(status.code(), Some(69));
    let said = behind.server.kill().stderr;
    assert!(said.contains("for the second time"), "{said}");
}
