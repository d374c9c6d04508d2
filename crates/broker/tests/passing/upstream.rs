//! A service to be called, which writes down all that it gets.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// A request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    /// The values of a header field.
    pub(crate) fn header(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().skip(1);
        lines
            .filter_map(|line| line.split_once(": "))
            .filter(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .collect()
    }
}

pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    connections: Arc<AtomicUsize>,
}

impl Upstream {
    /// Answers each request, body included, with the bytes that `answer` gives.
    pub(crate) fn answering(answer: impl Fn(&Received) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::serving(move |received, stream| {
            stream.write_all(&answer(received)).unwrap();
        })
    }

    /// Hands each request, body included, to `serve`, which writes the answer.
    pub(crate) fn serving(
        serve: impl Fn(&Received, &mut TcpStream) + Send + Sync + 'static,
    ) -> Self {
        let serve = Arc::new(serve);
        let received = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&received);
        let made = Self::accepting(move |stream| {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            while let Some(request) = read(&mut reader) {
                seen.lock().unwrap().push(request.clone());
                serve(&request, &mut stream.try_clone().unwrap());
            }
        });
        Self { received, ..made }
    }

    /// Hands each connection to `handle`.
    pub(crate) fn accepting(handle: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let (handle, count) = (Arc::new(handle), Arc::clone(&connections));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                count.fetch_add(1, Ordering::SeqCst);
                let handle = Arc::clone(&handle);
                let stream = stream.unwrap();
                stream.set_nodelay(true).unwrap();
                std::thread::spawn(move || handle(stream));
            }
        });
        Self {
            address,
            received: Arc::default(),
            connections,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// The next request of a connection, `None` at its end.
pub(crate) fn read(reader: &mut BufReader<TcpStream>) -> Option<Received> {
    let head = read_head(reader)?;
    let mut received = Received {
        head,
        body: Vec::new(),
    };
    if let Some(length) = received.header("content-length").first() {
        received.body = vec![0; length.parse().unwrap()];
        let mut body = std::mem::take(&mut received.body);
        reader.read_exact(&mut body).ok()?;
        received.body = body;
    } else if !received.header("transfer-encoding").is_empty() {
        loop {
            let chunk = read_chunk(reader)?;
            if chunk.is_empty() {
                break;
            }
            received.body.extend(chunk);
        }
    }
    Some(received)
}

pub(crate) fn read_head(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    Some(head)
}

/// The next chunk of a body; the last is empty.
pub(crate) fn read_chunk(reader: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let length = usize::from_str_radix(line.trim(), 16).unwrap();
    let mut chunk = vec![0; length + 2];
    reader.read_exact(&mut chunk).ok()?;
    chunk.truncate(length);
    Some(chunk)
}

/// An answer with a body.
pub(crate) fn ok(body: &[u8]) -> Vec<u8> {
    with_headers("200 OK", "", body)
}

/// An answer with a status, lines of header fields, and a body.
pub(crate) fn with_headers(status: &str, lines: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\n{lines}\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}
