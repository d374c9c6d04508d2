//! Clients that go away, and services that do not answer.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::watched::{REAL, Watched};

/// A service that answers with these bytes, and says when its caller is gone.
fn waiting(answer: &'static str) -> (SocketAddr, Receiver<()>, Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (asked, is_asked) = channel();
    let (gone, is_gone) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                reader.read_line(&mut head).unwrap();
            }
            stream.write_all(answer.as_bytes()).unwrap();
            asked.send(()).unwrap();
            // Until the other side closes.
            let _ = reader.read_to_end(&mut Vec::new());
            gone.send(()).unwrap();
        }
    });
    (address, is_asked, is_gone)
}

#[test]
fn a_client_that_hangs_up_ends_the_request_to_the_service() {
    for answer in [
        // The service still thinks.
        "",
        // It has begun to answer.
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ] {
        let (address, asked, gone) = waiting(answer);
        let watched = Watched::start();
        let url = format!("http://{address}/v1");
        let detail = json!({ "provider": "openai", "api_key": REAL, "base_url": url });
        let id = watched.keep("slow", "llm", &detail, &Value::Null);
        let mut client = TcpStream::connect(&watched.server.address).unwrap();
        let key = &watched.key;
        write!(
            client,
            "GET /broker/{id}/x HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\r\n"
        )
        .unwrap();
        asked.recv_timeout(PATIENCE).unwrap();
        assert!(
            gone.recv_timeout(Duration::from_millis(300)).is_err(),
            "gone too early"
        );
        client.shutdown(Shutdown::Both).unwrap();
        drop(client);
        gone.recv_timeout(PATIENCE)
            .expect("the service still has its caller");
        let ends = || {
            let events = watched.admin.all("/api/v1/audit");
            let ends = events
                .into_iter()
                .filter(|event| event["action"] == "credential.used");
            ends.map(|event| event["details"]["outcome"].clone())
                .collect::<Vec<_>>()
        };
        for _ in 0..100 {
            if !ends().is_empty() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(ends(), ["cancelled"]);
    }
}

#[test]
fn a_use_whose_end_was_not_seen_is_written_down_when_the_server_stops() {
    let (address, asked, _gone) = waiting("");
    let watched = Watched::start();
    let url = format!("http://{address}/v1");
    let detail = json!({ "provider": "openai", "api_key": REAL, "base_url": url });
    let id = watched.keep("slow", "llm", &detail, &Value::Null);
    let mut client = TcpStream::connect(&watched.server.address).unwrap();
    let key = &watched.key;
    write!(
        client,
        "GET /broker/{id}/x HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\r\n"
    )
    .unwrap();
    asked.recv_timeout(PATIENCE).unwrap();
    drop(client);
    let home = watched.stop();
    let sql =
        "SELECT CAST(count(*) AS TEXT) AS value FROM audit_events WHERE action = 'credential.used'";
    assert_eq!(home.sql().value(sql), "1");
}

const PATIENCE: Duration = Duration::from_secs(10);
