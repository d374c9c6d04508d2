//! Clients that take their time.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::running::Home;

/// Sends a byte now and then until there is an answer; returns it, and after how long it came.
fn drip(address: &str, beginning: &str) -> (String, Duration) {
    let mut stream = TcpStream::connect(address).unwrap();
    let pause = Some(Duration::from_millis(100));
    stream.set_read_timeout(pause).unwrap();
    let started = Instant::now();
    stream.write_all(beginning.as_bytes()).unwrap();
    while started.elapsed() < Duration::from_secs(20) {
        let mut answer = [0; 4_096];
        match stream.read(&mut answer) {
            Ok(read) => {
                let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
                return (answer, started.elapsed());
            }
            Err(_) => stream.write_all(b" ").unwrap(),
        }
    }
    panic!("no answer");
}

#[test]
fn a_request_that_arrives_too_slowly_is_given_up() {
    let server = Home::new().start();
    let key = server.printed("API key");
    let body = format!(
        "POST /api/v1/credentials HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\
         Content-Type: application/json\r\nContent-Length: 4000\r\n\r\n{{"
    );
    let chunks = body
        .replace("Content-Length: 4000", "Transfer-Encoding: chunked")
        .replace("\r\n\r\n", "\r\n\r\nfff\r\n");
    let head = "GET /health/live HTTP/1.1\r\nHost: x\r\nX-Slow: ";
    thread::scope(|scope| {
        for beginning in [head, &body, &chunks] {
            let address = &server.address;
            scope.spawn(move || {
                let (answer, after) = drip(address, beginning);
                assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
                let expected = Duration::from_secs(4)..Duration::from_secs(8);
                assert!(expected.contains(&after), "{after:?}: {answer}");
            });
        }
    });
    server.stop();
}
