//! Text of clients that wants to be a line of the log.

use serde_json::json;

use crate::running::Home;

const FORGED: &str = "a\r\n2001-01-01T00:00:00Z ERROR forged\u{1b}[31m";
const IN_A_PATH: &str = "a%0d%0a2001-01-01T00:00:00Z%20ERROR%20forged%1b%5b31m";

/// What of a log could be taken for something else than it is.
fn forged(log: &str) -> Vec<String> {
    let forged = |line: &&str| {
        line.contains(['\r', '\u{1b}', '\u{7f}']) || line.starts_with("2001-01-01T00:00:00Z")
    };
    log.split('\n').filter(forged).map(str::to_owned).collect()
}

#[test]
fn no_text_of_a_client_becomes_a_line_of_the_log() {
    for format in ["text", "json"] {
        let home = Home::new().set("LOG_FORMAT", format);
        let server = home.set("LOG_LEVEL", "trace").start();
        let (anybody, admin) = (server.client(""), server.admin());
        let login = json!({ "username": FORGED, "password": FORGED });
        assert_eq!(anybody.post("/api/v1/auth/token", &login).status, 400);
        let login = json!({ "username": "nobody", "password": FORGED });
        assert_eq!(anybody.post("/api/v1/auth/token", &login).status, 401);
        let detail = json!({ "provider": "openai", "api_key": "sk-0123456789abcdef" });
        for (path, body) in [
            (
                "/api/v1/users",
                json!({ "username": FORGED, "password": FORGED }),
            ),
            ("/api/v1/users/me/keys", json!({ "name": FORGED })),
            (
                "/api/v1/agents",
                json!({ "name": FORGED, "purpose": FORGED }),
            ),
            (
                "/api/v1/credentials",
                json!({ "name": FORGED, "credential_type": "llm", "detail": detail }),
            ),
            ("/api/v1/credentials", json!({ FORGED: FORGED })),
        ] {
            let answer = admin.post(path, &body);
            assert_eq!(answer.status, 422, "{path}: {answer:?}");
        }
        for path in [
            format!("/api/v1/users/{IN_A_PATH}"),
            format!("/api/v1/users?limit={IN_A_PATH}"),
            format!("/{IN_A_PATH}"),
            format!("/broker/{IN_A_PATH}/x"),
        ] {
            assert!(admin.get(&path).status >= 400, "{path}");
        }
        let log = server.stop().stderr;
        assert!(log.matches("answered").count() > 8, "{log}");
        assert_eq!(forged(&log), [""; 0], "{format}");
    }
}

#[test]
fn a_line_that_was_forged_is_noticed() {
    let log =
        |text: &str| format!("2027-01-31T12:00:00Z  INFO answered name={text}\nthe next line\n");
    assert_eq!(forged(&log("harmless")), [""; 0]);
    assert_eq!(forged(&log(FORGED)).len(), 2);
    assert_eq!(forged(&log(&FORGED.escape_debug().to_string())), [""; 0]);
}
