//! A network that fails between the server and PostgreSQL.

use std::thread;
use std::time::Duration;

use crate::proxy::{Network, Proxy};
use crate::running::{Home, Server};
use crate::traffic::Traffic;

/// A server that reaches PostgreSQL through a proxy, if there is a PostgreSQL.
pub(crate) struct Behind {
    pub(crate) server: Server,
    pub(crate) proxy: Proxy,
    // Dropped last.
    pub(crate) home: Home,
}

impl Behind {
    pub(crate) fn start() -> Option<Self> {
        let home = Home::on_postgres()?;
        let url = home.value("DATABASE_URL").to_owned();
        let (before, rest) = url.split_once("://").unwrap();
        let (authority, database) = rest.split_once('/').unwrap();
        let (login, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        let host = if host.contains(':') {
            host.to_owned()
        } else {
            format!("{host}:5432")
        };
        let proxy = Proxy::before(&host);
        let at = if login.is_empty() { "" } else { "@" };
        let url = format!("{before}://{login}{at}{}/{database}", proxy.address);
        let home = home.set("DATABASE_URL", &url);
        Some(Self {
            server: home.start(),
            proxy,
            home,
        })
    }
}

fn survives(network: Network) {
    let Some(mut behind) = Behind::start() else {
        return;
    };
    let traffic = Traffic::of(&behind.server);
    let before = traffic.during(|| thread::sleep(Duration::from_millis(500)));
    assert_eq!(before.refused, 0, "nothing has failed yet");
    let failures = behind.proxy.failures();

    let mut recovery = Duration::ZERO;
    let seen = traffic.during(|| {
        behind.proxy.set(network);
        thread::sleep(Duration::from_secs(4));
        behind.proxy.set(Network::Works);
        recovery = traffic.recovery();
    });
    println!(
        "figure: {network:?}: {} fine, {} refused, the slowest after {:?}; well again after {recovery:?}",
        seen.fine, seen.refused, seen.slowest_refusal
    );
    assert!(
        behind.proxy.failures() > failures,
        "the network did not fail"
    );
    assert!(seen.refused > 0, "nobody noticed");
    assert!(seen.alive > 0);
    assert!(
        seen.slowest_refusal < Duration::from_millis(2_500),
        "{:?}",
        seen.slowest_refusal
    );
    assert!(recovery < Duration::from_secs(5), "{recovery:?}");
    assert_eq!(traffic.lost(&seen), [""; 0]);
    assert_eq!(traffic.lost(&before), [""; 0]);
    behind.server.terminate();
    let code = behind.server.ended().code();
    // Somebody may wait for ever for bytes that were lost.
    let is_lossy = network == Network::Loses;
    assert!(code == Some(0) || is_lossy && code == Some(69), "{code:?}");
    let verified = behind.home.run(&["audit", "verify"]);
    assert_eq!(verified.code, 0, "{verified:?}");
}

#[test]
fn a_database_that_is_gone_is_said_in_time_and_missed_by_nobody_afterwards() {
    survives(Network::Gone);
}

#[test]
fn a_database_that_is_silent_is_said_in_time_and_missed_by_nobody_afterwards() {
    survives(Network::Silent);
}

#[test]
fn a_database_that_is_slow_is_said_in_time_and_missed_by_nobody_afterwards() {
    survives(Network::Slow);
}

#[test]
fn connections_that_are_reset_give_no_wrong_answer() {
    survives(Network::Resets);
}

#[test]
fn connections_that_end_in_the_middle_of_an_answer_give_no_wrong_answer() {
    survives(Network::Cuts);
}

#[test]
fn bytes_that_are_lost_give_no_wrong_answer() {
    survives(Network::Loses);
}
