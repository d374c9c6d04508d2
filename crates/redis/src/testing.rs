//! Redis servers for tests, of this crate and of those that build on it (feature `testing`): each
//! with a port and a folder of its own, so that it can be stopped, emptied and filled with nonsense.

#![allow(
    clippy::missing_panics_doc,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails may panic"
)]

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use redis::{Connection, ConnectionLike as _, Value};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A Redis of its own for one test. It goes when this is dropped.
pub struct TestRedis {
    port: u16,
    arguments: Vec<String>,
    server: Child,
    // Dropped last.
    folder: TempDir,
}

impl TestRedis {
    /// A server without a password. `None` where there is no `redis-server`, which is said, and is a
    /// failure with `REQUIRE_SERVICES=1`.
    #[must_use]
    pub fn start() -> Option<Self> {
        Self::with::<&str>(&[])
    }

    /// [`start`](Self::start) with these arguments, too.
    #[must_use]
    pub fn with<T: AsRef<str>>(arguments: &[T]) -> Option<Self> {
        if !is_here() {
            return None;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let port = free_port();
        let arguments: Vec<_> = arguments
            .iter()
            .map(|text| text.as_ref().to_owned())
            .collect();
        let server = serve(port, &arguments, &folder);
        let redis = Self {
            port,
            arguments,
            server,
            folder,
        };
        redis.await_port();
        Some(redis)
    }

    /// Where it is, without a password.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The path of a file in its folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Stops it where it stands: connections stay open, and nothing answers (SIGSTOP).
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Ends it at once (SIGKILL).
    pub fn kill(&mut self) {
        // It may have ended already.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }

    /// Starts it again on the same port, with nothing in it.
    pub fn restart(&mut self) {
        self.kill();
        self.server = serve(self.port, &self.arguments, &self.folder);
        self.await_port();
    }

    /// Asks it, as somebody with `redis-cli` does.
    #[expect(clippy::must_use_candidate, reason = "many ask for the effect")]
    pub fn ask(&self, words: &[&str]) -> Value {
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(*word);
        }
        let answer = self.connection().req_command(&command);
        answer.unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// The names of all keys.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        redis::from_redis_value(self.ask(&["KEYS", "*"])).expect("names")
    }

    /// What stands under a key, which must be a text.
    #[must_use]
    pub fn text(&self, key: &str) -> String {
        redis::from_redis_value(self.ask(&["GET", key])).expect("a text")
    }

    /// Everything in it as text: the name of each key, its type, its value and its end.
    #[must_use]
    pub fn dump(&self) -> String {
        let keys = self.keys().into_iter();
        keys.fold(String::new(), |all, key| {
            let (kind, value) = (self.ask(&["TYPE", &key]), self.ask(&["DUMP", &key]));
            let (read, ttl) = (self.ask(&["GET", &key]), self.ask(&["TTL", &key]));
            format!("{all}{key} {kind:?} {value:?} {read:?} {ttl:?}\n")
        })
    }

    /// Everything that it is asked from now on.
    #[must_use]
    pub fn watch(&self) -> Watch {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("a connection");
        stream.write_all(b"MONITOR\r\n").expect("a request");
        let mut lines = BufReader::new(stream);
        let mut first = String::new();
        lines.read_line(&mut first).expect("an answer");
        assert_eq!(first, "+OK\r\n");
        let seen = Arc::new(Mutex::new(String::new()));
        let text = Arc::clone(&seen);
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                let mut text = text.lock().unwrap_or_else(PoisonError::into_inner);
                text.push_str(&line);
                text.push('\n');
            }
        });
        Watch(seen)
    }

    fn connection(&self) -> Connection {
        let client = redis::Client::open(self.url()).expect("a URL");
        client.get_connection().expect("a connection")
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.server), signal).expect("a server that runs");
    }

    fn await_port(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            let stream = TcpStream::connect(("127.0.0.1", self.port));
            if stream.is_ok_and(|mut stream| answers(&mut stream)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let log = std::fs::read_to_string(self.path("log")).unwrap_or_default();
        panic!("redis-server did not start:\n{log}");
    }
}

impl Drop for TestRedis {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What a Redis was asked.
pub struct Watch(Arc<Mutex<String>>);

impl Watch {
    /// So far.
    #[must_use]
    pub fn seen(&self) -> String {
        let text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        text.clone()
    }
}

/// A way to a Redis on which everything takes longer.
pub struct SlowWay {
    port: u16,
}

impl SlowWay {
    /// Each part that comes back from `redis` comes so much later.
    #[must_use]
    pub fn to(redis: &TestRedis, delay: Duration) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let target = redis.port();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let Ok(other) = TcpStream::connect(("127.0.0.1", target)) else {
                    return;
                };
                pass(&stream, &other, Duration::ZERO);
                pass(&other, &stream, delay);
            }
        });
        Self { port }
    }

    /// Where it begins.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }
}

/// Takes connections and answers everything with the same bytes, or never where there are none.
/// Returns its URL.
#[must_use]
pub fn liar(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut asked = [0; 4_096];
                while stream.read(&mut asked).is_ok_and(|read| read > 0) {
                    if stream.write_all(answer).is_err() {
                        return;
                    }
                }
            });
        }
    });
    format!("redis://127.0.0.1:{port}/0")
}

fn pass(from: &TcpStream, to: &TcpStream, delay: Duration) {
    let (mut from, mut to) = (
        from.try_clone().expect("a stream"),
        to.try_clone().expect("a stream"),
    );
    std::thread::spawn(move || {
        let mut part = [0; 4_096];
        while let Ok(read @ 1..) = from.read(&mut part) {
            std::thread::sleep(delay);
            let sent = part.get(..read).map(|part| to.write_all(part));
            if !matches!(sent, Some(Ok(()))) {
                return;
            }
        }
    });
}

fn serve(port: u16, arguments: &[String], folder: &TempDir) -> Child {
    let log = File::create(folder.path().join("log")).expect("a file");
    let port = port.to_string();
    let fixed = [
        "--port",
        &port,
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "no",
    ];
    Command::new("redis-server")
        .args(fixed)
        .args(arguments)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a file"))
        .stderr(log)
        .spawn()
        .expect("redis-server starts")
}

/// Whether a command is understood, by any answer.
fn answers(stream: &mut TcpStream) -> bool {
    let mut first = [0; 1];
    stream
        .set_read_timeout(Some(Duration::from_secs(1)))
        .is_ok()
        && stream.write_all(b"PING\r\n").is_ok()
        && stream.read_exact(&mut first).is_ok()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    listener.local_addr().expect("an address").port()
}

#[expect(
    clippy::disallowed_methods,
    reason = "there is no binary to read settings"
)]
fn is_here() -> bool {
    let asked = Command::new("redis-server")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let found = asked.is_ok_and(|status| status.success());
    if !found {
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        let notice = format!("not run: {test} (there is no redis-server)");
        let is_required = std::env::var("REQUIRE_SERVICES").is_ok_and(|value| value == "1");
        assert!(!is_required, "{notice}");
        eprintln!("{notice}");
    }
    found
}
