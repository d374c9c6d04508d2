//! Bodies that are larger than what the server may keep in memory, and events that must not wait.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::watched::{REAL, Watched};

/// Serves each connection by `serve`, for ever.
fn service(serve: impl Fn(TcpStream) + Send + Copy + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            stream.set_nodelay(true).unwrap();
            std::thread::spawn(move || serve(stream));
        }
    });
    address
}

/// A credential for the service, and the address of the broker for it.
fn keep(watched: &Watched, service: SocketAddr) -> String {
    let url = format!("http://{service}/v1");
    let detail = json!({ "provider": "openai", "api_key": REAL, "base_url": url });
    format!(
        "/broker/{}",
        watched.keep("large", "llm", &detail, &Value::Null)
    )
}

/// A connection to the server itself, with a request on its way.
fn asked(watched: &Watched, method: &str, path: &str, more: &str) -> TcpStream {
    let mut stream = TcpStream::connect(&watched.server.address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n{more}\r\n",
        watched.key
    )
    .unwrap();
    stream
}

/// The largest size that the process has had, in kilobytes.
#[cfg(target_os = "linux")]
fn peak(watched: &Watched) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", watched.server.pid())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn head(reader: &mut impl std::io::BufRead) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut head).unwrap(), 0, "{head}");
    }
    head
}

fn length(head: &str) -> usize {
    let line = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    line.unwrap_or_else(|| panic!("{head}")).parse().unwrap()
}

/// Takes a body and says how long it was, or gives one of the length that is asked for.
fn both_ways(stream: TcpStream) {
    let mut reader = BufReader::with_capacity(1 << 16, stream.try_clone().unwrap());
    let mut stream = stream;
    let head = head(&mut reader);
    if head.starts_with("POST") {
        let mut body = (&mut reader).take(length(&head) as u64);
        let got = std::io::copy(&mut body, &mut std::io::sink()).unwrap();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{got}",
            got.to_string().len()
        )
        .unwrap();
    } else {
        let size: usize = head
            .split(['/', ' '])
            .find_map(|word| word.parse().ok())
            .unwrap();
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n").unwrap();
        let chunk = vec![b's'; CHUNK];
        for _ in 0..size / CHUNK {
            stream.write_all(&chunk).unwrap();
        }
    }
}

/// 1 GiB each way with `KEYWARD_BODY_MIB=1024`.
#[cfg(target_os = "linux")]
#[test]
fn a_large_body_takes_no_more_memory_than_a_small_one() {
    let watched = Watched::start();
    let path = keep(&watched, service(both_ways));
    let (small, large) = (4 << 20, body_mib() << 20);
    for size in [small, small] {
        transfer(&watched, &path, size);
    }
    let before = peak(&watched);
    let started = Instant::now();
    transfer(&watched, &path, large);
    let after = peak(&watched);
    println!(
        "figure: {} MiB each way in {:.1} s, at most {after} kB in memory, {before} kB before",
        large >> 20,
        started.elapsed().as_secs_f64()
    );
    assert!(
        after - before < 16_384,
        "{before} kB before, {after} kB after"
    );
}

fn transfer(watched: &Watched, path: &str, size: usize) {
    let up = asked(
        watched,
        "POST",
        &format!("{path}/up"),
        &format!("content-length: {size}\r\n"),
    );
    let mut writer = up.try_clone().unwrap();
    let sending = std::thread::spawn(move || {
        let chunk = vec![b'u'; CHUNK];
        for _ in 0..size / CHUNK {
            writer.write_all(&chunk).unwrap();
        }
    });
    let mut reader = BufReader::new(up);
    let mut body = vec![0; length(&head(&mut reader))];
    reader.read_exact(&mut body).unwrap();
    sending.join().unwrap();
    assert_eq!(String::from_utf8(body).unwrap(), size.to_string());

    let down = asked(watched, "GET", &format!("{path}/{size}"), "");
    let mut reader = BufReader::with_capacity(1 << 16, down);
    let expected = length(&head(&mut reader)) as u64;
    let mut body = reader.take(expected);
    let got = std::io::copy(&mut body, &mut std::io::sink()).unwrap();
    assert_eq!((got, expected), (size as u64, size as u64));
}

/// The service never ends its answer: who waits for more than an event waits for ever. Prints how long
/// the events were on their way.
#[test]
fn an_event_does_not_wait_for_the_next_one() {
    let watched = Watched::start();
    let path = keep(&watched, service(echoes));
    let mut reader = BufReader::new(asked(&watched, "GET", &format!("{path}/events"), ""));
    assert!(head(&mut reader).starts_with("HTTP/1.1 200"));
    let mut took = Vec::new();
    for _ in 0..events() {
        let mut lines = String::new();
        while !lines.ends_with("\n\n") {
            reader.read_line(&mut lines).unwrap();
            if !lines.starts_with("data: ") {
                // The length of a chunk, or its end.
                lines.clear();
            }
        }
        let sent: u128 = lines
            .trim()
            .strip_prefix("data: ")
            .unwrap()
            .parse()
            .unwrap();
        took.push(clock().saturating_sub(sent));
    }
    took.sort_unstable();
    let micros = |share: usize| took[took.len() * share / 100];
    println!(
        "figure: {} events: p50 {} us, p99 {} us, slowest {} us",
        took.len(),
        micros(50),
        micros(99),
        took[took.len() - 1]
    );
}

/// Sends an event with the time, again and again, with a pause.
fn echoes(stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    head(&mut reader);
    let mut stream = stream;
    let start =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(start.as_bytes()).unwrap();
    loop {
        std::thread::sleep(Duration::from_millis(3));
        let event = format!("data: {}\n\n", clock());
        if write!(stream, "{:x}\r\n{event}\r\n", event.len()).is_err() {
            return;
        }
    }
}

/// Microseconds since the first call: of one clock for service and client.
fn clock() -> u128 {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_micros()
}

#[expect(
    clippy::disallowed_methods,
    reason = "there is no binary to read settings"
)]
fn number(variable: &str, otherwise: usize) -> usize {
    let given = std::env::var(variable).ok();
    given.map_or(otherwise, |text| text.parse().unwrap())
}

fn body_mib() -> usize {
    number("KEYWARD_BODY_MIB", 128)
}

fn events() -> usize {
    number("KEYWARD_EVENTS", 50)
}

const CHUNK: usize = 1 << 16;
