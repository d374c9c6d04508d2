//! What those see who watch a server: metrics, traces, systemd, and what is in the process.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::sync::mpsc::channel;
use std::time::Duration;

use serde_json::json;

use crate::running::{Client, Home, until};

/// A port that was free a moment ago.
fn free_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

#[test]
fn requests_keys_attempts_and_events_are_counted() {
    let server = Home::new().start();
    let admin = server.admin();
    admin.get("/api/v1/auth/me").expect(200);
    let id = admin.keep(
        "GitHub",
        "generic",
        &json!({ "token": "ghp_0123456789abcdef" }),
    );
    admin.get(&format!("/api/v1/credentials/{id}")).expect(200);
    admin
        .with_key("kw_user_wrong")
        .get("/api/v1/auth/me")
        .expect(401);
    let wrong = json!({ "username": "admin", "password": "a wrong password" });
    for _ in 0..6 {
        server.client("").post("/api/v1/auth/token", &wrong);
    }
    admin.get(&format!("/secret-{id}")).expect(404);
    let metrics = server.get("/metrics").body;
    for line in [
        r#"keyward_http_requests_total{route="/api/v1/auth/me",method="GET",status="200"} 1"#,
        r#"keyward_http_requests_total{route="/api/v1/auth/me",method="GET",status="401"} 1"#,
        r#"keyward_http_requests_total{route="/api/v1/credentials/{id}",method="GET",status="200"} 1"#,
        r#"keyward_http_requests_total{route="unmatched",method="GET",status="404"} 1"#,
        r#"keyward_http_request_seconds_count{route="/api/v1/auth/me"} 2"#,
        r#"keyward_http_problems_total{problem="unauthenticated"} 1"#,
        r#"keyward_http_problems_total{problem="login-rejected"} 5"#,
        r#"keyward_authentications_total{outcome="accepted"} 3"#,
        r#"keyward_audit_events_total{action="credential.create"} 1"#,
        r#"keyward_database_connections{pool="write",state="#,
        r#"keyward_database_wait_seconds{pool="read"}"#,
        r#"keyward_database_timeouts_total{pool="write"} 0"#,
        "process_resident_memory_bytes ",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    let limited = r#"keyward_attempts_total{outcome="limited"} "#;
    assert!(metrics.contains(limited), "{metrics}");
    assert!(!metrics.contains(&id), "a path is in the metrics");
    server.stop();
}

#[test]
fn metrics_can_have_an_address_of_their_own() {
    let port = free_port();
    let server = Home::new().set("METRICS_BIND", &port).start();
    server.get("/metrics").expect(404);
    let watcher = Client::new(&port, "");
    assert_eq!(watcher.get("/metrics").status, 200);
    assert_eq!(watcher.get("/health/ready").status, 200);
    let key = server.printed("API key");
    for path in ["/api/v1/auth/me", "/openapi.json", "/mcp"] {
        let answer = watcher.with_key(&key).get(path);
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
    }
    server.stop();
    assert!(TcpStream::connect(&port).is_err(), "it goes on listening");
}

#[test]
fn traces_go_to_the_collector_without_secrets() {
    let collector = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", collector.local_addr().unwrap());
    let (sender, received) = channel();
    std::thread::spawn(move || {
        for connection in collector.incoming() {
            let mut connection = connection.unwrap();
            connection
                .set_read_timeout(Some(Duration::from_millis(300)))
                .unwrap();
            let mut all = Vec::new();
            let mut piece = [0; 16_384];
            while let Ok(read @ 1..) = connection.read(&mut piece) {
                all.extend_from_slice(&piece[..read]);
            }
            let _ = connection
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            let _ = sender.send(all);
        }
    });
    let server = Home::new()
        .set("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)
        .start();
    let admin = server.admin();
    let parent = (
        "traceparent",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    );
    admin
        .send("GET", "/api/v1/auth/me?q=MARKER", &[parent], None)
        .expect(200);
    admin.get("/api/v1/users/MARKER").expect(404);
    let key = admin.key().to_owned();
    let left = server.stop();
    let sent: Vec<u8> = received.try_iter().flatten().collect();
    let has = |text: &[u8]| sent.windows(text.len()).any(|window| window == text);
    for text in [
        "POST /v1/traces HTTP/1.1",
        "keyward",
        "/api/v1/auth/me",
        "database lookup",
        "http.response.status_code",
    ] {
        assert!(has(text.as_bytes()), "{text}\n{}", left.stderr);
    }
    let trace = [
        0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd, 0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80, 0x31,
        0x9c,
    ];
    assert!(has(&trace), "the trace of the client goes on");
    for secret in ["MARKER", &key] {
        assert!(!has(secret.as_bytes()), "{secret} is in a trace");
    }
}

#[test]
fn systemd_is_told_when_the_server_is_ready_and_when_it_stops() {
    let home = Home::new();
    let socket = UnixDatagram::bind(home.path("notify")).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let told = || {
        let mut message = [0; 256];
        let length = socket.recv(&mut message).unwrap_or(0);
        String::from_utf8_lossy(&message[..length]).into_owned()
    };
    let path = home.path("notify").to_str().unwrap().to_owned();
    let home = home.set("NOTIFY_SOCKET", &path);
    let server = home.start();
    assert_eq!(told(), "READY=1\n", "{}", server.stderr());
    let left = server.stop();
    assert_eq!(told(), "STOPPING=1\n", "{}", left.stderr);
}

#[cfg(target_os = "linux")]
#[test]
fn keys_do_not_stay_in_the_environment_of_the_process() {
    let home = Home::new().with_keys();
    let (field, secret) = (
        home.value("FIELD_ENCRYPTION_KEY").to_owned(),
        home.value("SECRET_KEY").to_owned(),
    );
    let server = home.start();
    // No other process of the same user can look into it. Root can.
    let Ok(environ) = std::fs::read(format!("/proc/{}/environ", server.pid())) else {
        assert!(
            std::env::var_os("REQUIRE_SERVICES").is_none(),
            "it takes root"
        );
        eprintln!("NOT RUN, not root: keys_do_not_stay_in_the_environment_of_the_process");
        return;
    };
    let has = |text: &str| {
        environ
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    };
    assert!(has("BIND=127.0.0.1:0"), "it is the environment");
    assert!(!has(&field) && !has(&secret), "a key is in it");
    assert!(!has("SECRET_KEY="), "its name is");
    // The file that they were handed over in is empty.
    let number = String::from_utf8_lossy(&environ);
    let number = number
        .split('\0')
        .find_map(|variable| variable.strip_prefix("KEYWARD_HANDED_OVER="))
        .expect("keys were handed over")
        .to_owned();
    let handed = std::fs::read(format!("/proc/{}/fd/{number}", server.pid())).unwrap();
    assert!(handed.is_empty());
    // And they arrived.
    let admin = server.admin();
    let id = admin.keep("x", "generic", &json!({ "token": "0123456789abcdef" }));
    admin.access(&id).expect(200);
    server.stop();
}

#[test]
fn the_checklist_of_a_running_server_is_that_of_doctor() {
    let home = Home::new().set("CHECK_WAIVERS", "database.place until 2027-01-31 because x");
    let server = home.start();
    let shown = server.admin().get("/api/v1/checklist").expect(200);
    let said = home.run(&["doctor", "--json"]);
    let said: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    let ids = |report: &serde_json::Value| -> Vec<(String, String)> {
        let checks = report["checks"].as_array().unwrap().iter();
        checks
            .map(|check| (check["id"].to_string(), check["outcome"].to_string()))
            .collect()
    };
    assert_eq!(ids(&shown), ids(&said));
    assert_eq!(shown["environment"], "development");
    server.stop();
}

#[test]
fn values_that_a_rotation_moves_are_counted() {
    let home = Home::new();
    let server = home.start();
    let admin = server.admin();
    for n in 0..5 {
        admin.keep(
            &format!("kept {n}"),
            "generic",
            &json!({ "token": "a token" }),
        );
    }
    assert_eq!(home.run(&["keys", "add"]).code, 0);
    let status: serde_json::Value =
        serde_json::from_str(&home.run(&["keys", "status", "--json"]).stdout).unwrap();
    let keys = status["keys"].as_array().unwrap();
    let added = keys.iter().find(|key| key["state"] == "added").unwrap();
    let kid = added["kid"].as_str().unwrap();
    until("a server that holds the new key", || {
        (home.run(&["keys", "activate", kid]).code == 0).then_some(())
    });
    let start = json!({ "action": "start" });
    admin
        .post("/api/v1/encryption/rotation", &start)
        .expect(200);
    let moved = until("values that were moved", || {
        let metrics = server.get("/metrics").body;
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix("keyward_rotation_values_total "))?;
        line.parse::<u64>().ok().filter(|moved| *moved >= 5)
    });
    assert!(moved >= 5);
    server.stop();
}
