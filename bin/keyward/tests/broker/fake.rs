//! A service that writes down every byte that it gets.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

/// A request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// Method, target and version, then the header fields.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// What the service says to it.
pub(crate) enum Reply {
    Json(u16, &'static [(&'static str, &'static str)], Value),
    /// Server-sent events, with a pause before each.
    Events(Duration, Vec<String>),
    Bytes(Vec<u8>),
    /// These bytes as they are, in these pieces.
    Raw(Vec<Vec<u8>>),
}

pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Received {
    pub(crate) fn method(&self) -> &str {
        self.head.split(' ').next().unwrap()
    }

    /// The path without the query.
    pub(crate) fn path(&self) -> &str {
        let target = self.head.split(' ').nth(1).unwrap();
        target.split('?').next().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1);
        lines.find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Fake {
    pub(crate) fn start(answer: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let (answer, seen) = (Arc::new(answer), Arc::clone(&received));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (answer, seen) = (Arc::clone(&answer), Arc::clone(&seen));
                let stream = stream.unwrap();
                stream.set_nodelay(true).unwrap();
                std::thread::spawn(move || {
                    let mut reader = BufReader::new(stream.try_clone().unwrap());
                    let mut stream = stream;
                    while let Some(request) = read(&mut reader) {
                        seen.lock().unwrap().push(request.clone());
                        if send(&mut stream, answer(&request)).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { address, received }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// Every byte of every request.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let all = self.received();
        all.iter().fold(Vec::new(), |mut bytes, one| {
            bytes.extend_from_slice(one.head.as_bytes());
            bytes.extend_from_slice(&one.body);
            bytes
        })
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Received> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let mut received = Received {
        head,
        body: Vec::new(),
    };
    if let Some(length) = received.header("content-length") {
        let mut body = vec![0; length.parse().unwrap()];
        reader.read_exact(&mut body).ok()?;
        received.body = body;
    } else if received.header("transfer-encoding").is_some() {
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let length = usize::from_str_radix(line.trim(), 16).ok()?;
            let mut chunk = vec![0; length + 2];
            reader.read_exact(&mut chunk).ok()?;
            if length == 0 {
                break;
            }
            received.body.extend_from_slice(&chunk[..length]);
        }
    }
    Some(received)
}

fn send(stream: &mut TcpStream, reply: Reply) -> std::io::Result<()> {
    match reply {
        Reply::Json(status, headers, body) => {
            let body = body.to_string();
            let fields = headers
                .iter()
                .map(|(name, value)| [name, ": ", value, "\r\n"].concat());
            let fields = fields.collect::<String>();
            write!(
                stream,
                "HTTP/1.1 {status} Status\r\ncontent-type: application/json\r\n{fields}content-length: {}\r\n\r\n{body}",
                body.len()
            )
        }
        Reply::Bytes(bytes) => {
            write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ncontent-length: {}\r\n\r\n",
                bytes.len()
            )?;
            stream.write_all(&bytes)
        }
        Reply::Events(pause, events) => {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
            stream.write_all(head.as_bytes())?;
            for event in events {
                std::thread::sleep(pause);
                write!(stream, "{:x}\r\n{event}\r\n", event.len())?;
            }
            stream.write_all(b"0\r\n\r\n")
        }
        Reply::Raw(pieces) => {
            for piece in pieces {
                stream.write_all(&piece)?;
                std::thread::sleep(Duration::from_millis(5));
            }
            Ok(())
        }
    }
}
