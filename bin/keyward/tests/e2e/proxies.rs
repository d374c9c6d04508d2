//! Behind proxies: whose word about the client is taken, as the log shows it, and who else is
//! turned away.

use std::net::{IpAddr, UdpSocket};

use serde_json::json;

use crate::production::production;
use crate::running::{Client, Home, Server, until};

/// Has a key without the scope ask for something, and finds the line about it in the log.
fn refused(server: &Server, forwarded_for: &str) -> String {
    let body = json!({ "name": "narrow", "scopes": ["read"] });
    let made = server.admin().post("/api/v1/users/me/keys", &body);
    let made = made.expect(201);
    let client = server.client(made["key"].as_str().unwrap());
    let headers = [("X-Forwarded-For", forwarded_for)];
    let answer = client.send("GET", "/api/v1/users", &headers, None);
    assert_eq!(answer.expect(403)["type"], "/problems/missing-scope");
    let id = made["id"].as_str().unwrap();
    until("the line about the refusal", || {
        let said = server.stderr();
        let mut lines = said.lines();
        let line = lines.find(|line| line.contains("lacks the scope") && line.contains(id))?;
        Some(line.to_owned())
    })
}

#[test]
fn a_refused_key_is_logged_with_the_scope_that_it_lacks_and_its_source() {
    let server = Home::new()
        .set("TRUSTED_PROXIES", "127.0.0.1, 10.0.0.0/8")
        .start();
    let line = refused(&server, "192.0.2.1, 203.0.113.9, 10.0.0.2");
    assert!(line.contains("INFO"), "{line}");
    assert!(line.contains("scope=users:write"), "{line}");
    assert!(line.contains("source=203.0.113.9 "), "{line}");
    assert!(!line.contains("kw_"), "{line}");
    server.stop();
}

#[test]
fn without_trusted_proxies_a_client_is_who_connects() {
    let server = Home::new().start();
    let line = refused(&server, "203.0.113.9");
    assert!(line.contains("source=127.0.0.1 "), "{line}");
    server.stop();
}

/// An address of this machine that is no loopback. Nothing is sent to find it.
fn address_on_a_network() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("203.0.113.250:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

#[test]
fn production_behind_proxies_turns_other_peers_away() {
    let Some(own) = address_on_a_network() else {
        assert!(
            std::env::var_os("REQUIRE_SERVICES").is_none(),
            "this machine has no address but loopback"
        );
        eprintln!("not run: this machine has no address but loopback");
        return;
    };
    let mut home = production().set("BIND", "0.0.0.0:0");
    for (proxies, status) in [("203.0.113.250".to_owned(), 403), (own.to_string(), 200)] {
        home = home.set("TRUSTED_PROXIES", &proxies);
        let server = home.start();
        let port = server.address.rsplit(':').next().unwrap();
        let from_network = Client::new(&format!("{own}:{port}"), "");
        for path in ["/health/live", "/openapi.json"] {
            let answer = from_network.get(path);
            assert_eq!(answer.status, status, "{answer:?}");
            let closes = answer.header("connection") == Some("close");
            assert_eq!(closes, status == 403, "{answer:?}");
        }
        assert_eq!(server.get("/health/live").status, 200, "from this machine");
        server.stop();
    }
}
