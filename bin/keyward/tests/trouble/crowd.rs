//! Clients that mean harm, or that are only very slow.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::running::{Client, Home, Server};

/// `KEYWARD_CROWD=2000 cargo test --release -p keyward --test trouble -- crowd --nocapture` for figures.
#[test]
fn a_crowd_of_slow_clients_leaves_the_others_their_answers() {
    let crowd = std::env::var_os("KEYWARD_CROWD")
        .map_or(300, |size| size.to_str().unwrap().parse().unwrap());
    let home = Home::new();
    let server = home.start();
    let admin = server.admin();
    let alone = percentiles(&admin, 1_000);
    let memory_alone = resident_mib(&server);
    let is_over = AtomicBool::new(false);
    let answered = AtomicUsize::new(0);
    let (beside, memory) = thread::scope(|scope| {
        scope.spawn(|| dawdle(&server, crowd, &is_over, &answered));
        thread::sleep(Duration::from_secs(2));
        let beside = percentiles(&admin, 1_000);
        let memory = resident_mib(&server);
        is_over.store(true, Ordering::SeqCst);
        (beside, memory)
    });
    println!(
        "figure: {crowd} slow clients: p50 {:?} alone, {:?} beside them; p99 {:?} alone, {:?} beside them; \
         {memory_alone} MiB alone, {memory} MiB with them; {} were given up",
        alone.0,
        beside.0,
        alone.1,
        beside.1,
        answered.load(Ordering::SeqCst),
    );
    assert!(memory < memory_alone + 200, "{memory} MiB");
    assert!(beside.1 < Duration::from_secs(1), "{:?}", beside.1);
    admin.get("/api/v1/auth/me").expect(200);
    server.stop();
}

#[test]
fn a_body_without_end_is_refused_and_not_kept() {
    let server = Home::new().start();
    let key = server.printed("API key");
    let memory = resident_mib(&server);
    let size = 100_usize * 1024 * 1024 * 1024;
    for framing in [
        format!("Content-Length: {size}\r\n\r\n"),
        "Transfer-Encoding: chunked\r\n\r\n1900000000\r\n".to_owned(),
    ] {
        let mut stream = TcpStream::connect(&server.address).unwrap();
        let head = format!(
            "POST /api/v1/credentials HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\
             Content-Type: application/json\r\n{framing}"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let piece = vec![b' '; 64 * 1024];
        let started = Instant::now();
        // The server ends the connection when it has seen enough, but not so soon that its answer is lost.
        while stream.write_all(&piece).is_ok() {
            assert!(started.elapsed() < Duration::from_secs(10), "it goes on");
        }
        let mut answer = Vec::new();
        // A reset can overtake the answer.
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 413 "),
            "{answer}"
        );
    }
    let more = resident_mib(&server).saturating_sub(memory);
    assert!(more < 20, "{more} MiB more");
    server.stop();
}

#[test]
fn floods_of_header_fields_and_bombs_of_brackets_are_refused() {
    let server = Home::new().start();
    let admin = server.admin();
    let ask = |head: &str| {
        let mut stream = TcpStream::connect(&server.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        // The server may have seen enough before all is sent.
        let _ = stream.write_all(head.as_bytes());
        let mut answer = [0; 64];
        let read = stream.read(&mut answer).unwrap_or(0);
        String::from_utf8_lossy(&answer[..read]).into_owned()
    };
    let many = "X-Again: y\r\n".repeat(10_000);
    let long = format!("X-Long: {}\r\n", "y".repeat(10_000_000));
    for fields in [many, long] {
        let answer = ask(&format!(
            "GET /health/live HTTP/1.1\r\nHost: x\r\n{fields}\r\n"
        ));
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{answer}"
        );
    }
    let target = "a".repeat(200_000);
    let answer = ask(&format!("GET /{target} HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
        "{answer}"
    );
    for bomb in ["[".repeat(60_000), "{\"a\":".repeat(12_000)] {
        let answer = admin.send("POST", "/api/v1/credentials", &[], Some(&bomb));
        assert_eq!(answer.status, 400, "{answer:?}");
    }
    admin.get("/api/v1/auth/me").expect(200);
    server.stop();
}

/// Keeps `crowd` connections busy with requests that never become complete; who is given up comes
/// again.
fn dawdle(server: &Server, crowd: usize, is_over: &AtomicBool, answered: &AtomicUsize) {
    let key = server.printed("API key");
    let beginnings = [
        "GET /health/live HTTP/1.1\r\nHost: x\r\nX-Slow: ".to_owned(),
        format!(
            "POST /api/v1/credentials HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\
             Content-Type: application/json\r\nContent-Length: 60000\r\n\r\n{{"
        ),
    ];
    let begin = |n: usize| {
        let mut stream = TcpStream::connect(&server.address).unwrap();
        stream
            .write_all(beginnings[n % beginnings.len()].as_bytes())
            .unwrap();
        stream.set_nonblocking(true).unwrap();
        stream
    };
    let mut streams: Vec<TcpStream> = (0..crowd).map(begin).collect();
    while !is_over.load(Ordering::SeqCst) {
        let round = Instant::now();
        for (n, stream) in streams.iter_mut().enumerate() {
            let mut answer = [0; 1024];
            let is_waiting = matches!(stream.read(&mut answer), Err(error) if error.kind() == ErrorKind::WouldBlock);
            if !is_waiting || stream.write_all(b" ").is_err() {
                answered.fetch_add(1, Ordering::SeqCst);
                *stream = begin(n);
            }
        }
        // Each sends a byte a second.
        thread::sleep(Duration::from_secs(1).saturating_sub(round.elapsed()));
    }
    for stream in streams {
        let _ = stream.shutdown(Shutdown::Both);
    }
}

/// The median and the 99th percentile of so many answers.
fn percentiles(client: &Client, requests: usize) -> (Duration, Duration) {
    let mut took: Vec<Duration> = (0..requests)
        .map(|_| {
            let asked = Instant::now();
            client.get("/api/v1/auth/me").expect(200);
            asked.elapsed()
        })
        .collect();
    took.sort_unstable();
    (took[requests / 2], took[requests * 99 / 100])
}

fn resident_mib(server: &Server) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse::<usize>().unwrap() / 1024
}
