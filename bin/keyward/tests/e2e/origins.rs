//! Web pages of other origins.

use crate::running::{Answer, Home, Server};

fn asked_by(server: &Server, origin: &str) -> Answer {
    let headers = [("Origin", origin)];
    server
        .client("")
        .send("GET", "/health/live", &headers, None)
}

/// What a browser asks before it sends a key.
fn asked_beforehand_by(server: &Server, origin: &str) -> Answer {
    let headers = [
        ("Origin", origin),
        ("Access-Control-Request-Method", "GET"),
        ("Access-Control-Request-Headers", "authorization"),
    ];
    let anybody = server.client("");
    anybody.send("OPTIONS", "/api/v1/auth/me", &headers, None)
}

const FRIEND: &str = "https://console.example";
const STRANGER: &str = "https://console.example.evil.example";

#[test]
fn pages_of_other_origins_read_answers_only_where_that_was_decided() {
    let allowed = |answer: &Answer| {
        let origin = answer.header("access-control-allow-origin");
        let with_cookies = answer.header("access-control-allow-credentials");
        assert_eq!(with_cookies, None, "{answer:?}");
        origin.map(str::to_owned)
    };
    let closed = Home::new().start();
    for origin in [FRIEND, STRANGER, "null"] {
        assert_eq!(allowed(&asked_by(&closed, origin)), None);
        assert_eq!(allowed(&asked_beforehand_by(&closed, origin)), None);
    }
    closed.stop();

    let open = Home::new().set("CORS_ORIGINS", FRIEND).start();
    for ask in [asked_by, asked_beforehand_by] {
        assert_eq!(allowed(&ask(&open, FRIEND)).as_deref(), Some(FRIEND));
        for origin in [STRANGER, "http://console.example", "null"] {
            assert_eq!(allowed(&ask(&open, origin)), None, "{origin}");
        }
    }
    open.stop();
}
