//! A server that counts who comes to it.

use std::io::Write as _;
use std::sync::{Arc, Mutex};

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What it answers.
pub(crate) const TEXT: &str = "peep";

/// Listens on its address, and on `::1` at the same port where there is one.
pub(crate) struct Canary {
    port: u16,
    requests: Arc<Mutex<Vec<Vec<String>>>>,
    connections: Arc<Mutex<usize>>,
    listeners: usize,
}

impl Canary {
    pub(crate) async fn new(address: &str) -> Self {
        Self::answering(listen(address, 0).await, plain()).await
    }

    /// One on each address, at the same port.
    pub(crate) async fn pair(one: &str, other: &str) -> (Self, Self) {
        let one = listen(one, 0).await;
        let other = listen(other, one.local_addr().unwrap().port()).await;
        (
            Self::answering(one, plain()).await,
            Self::answering(other, plain()).await,
        )
    }

    pub(crate) async fn redirecting(address: &str, to: &Self) -> Self {
        let location = format!("location: http://127.0.0.1:{}/", to.port);
        let answer = answer("302 Found", &location, b"");
        Self::answering(listen(address, 0).await, answer).await
    }

    pub(crate) async fn compressing(address: &str, coding: &str) -> Self {
        let body = if coding == "gzip" {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(TEXT.as_bytes()).unwrap();
            encoder.finish().unwrap()
        } else {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(TEXT.as_bytes()).unwrap();
            encoder.finish().unwrap()
        };
        let answer = answer("200 OK", &format!("content-encoding: {coding}"), &body);
        Self::answering(listen(address, 0).await, answer).await
    }

    async fn answering(listener: TcpListener, answer: Vec<u8>) -> Self {
        let mut canary = Self {
            port: listener.local_addr().unwrap().port(),
            requests: Arc::default(),
            connections: Arc::default(),
            listeners: 0,
        };
        let same_port = TcpListener::bind(("::1", canary.port)).await;
        for listener in [Some(listener), same_port.ok()].into_iter().flatten() {
            canary.listeners += 1;
            let (requests, connections) = (canary.requests.clone(), canary.connections.clone());
            let answer = answer.clone();
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    *connections.lock().unwrap() += 1;
                    tokio::spawn(serve(stream, answer.clone(), requests.clone()));
                }
            });
        }
        canary
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Two where there is IPv6.
    pub(crate) fn listeners(&self) -> usize {
        self.listeners
    }

    pub(crate) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }

    /// The lines of the head of the last request.
    pub(crate) fn last_request(&self) -> Vec<String> {
        self.requests.lock().unwrap().last().cloned().unwrap()
    }
}

async fn listen(address: &str, port: u16) -> TcpListener {
    TcpListener::bind((address, port)).await.unwrap()
}

async fn serve(mut stream: TcpStream, answer: Vec<u8>, requests: Arc<Mutex<Vec<Vec<String>>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            // A TLS record.
            Ok(0x16) | Err(_) => return,
            Ok(byte) => head.push(byte),
        }
    }
    let head = String::from_utf8(head).unwrap();
    let lines = head.trim_end().lines().map(str::to_owned).collect();
    requests.lock().unwrap().push(lines);
    // The other side may be gone.
    let _ = stream.write_all(&answer).await;
}

fn plain() -> Vec<u8> {
    answer("200 OK", "content-type: text/plain", TEXT.as_bytes())
}

fn answer(status: &str, header: &str, body: &[u8]) -> Vec<u8> {
    let len = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\n{header}\r\ncontent-length: {len}\r\nconnection: close\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}
