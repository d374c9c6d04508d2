use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use redis::{Client, Connection, ErrorKind, RedisError, RedisResult, Value, cmd};
use rustls::crypto::ring;

use crate::command::{Command, Names};
use crate::url::RedisUrl;

/// One connection to Redis, with limits on how long anything takes.
pub(crate) struct Link(Connection);

impl Link {
    /// Connects and logs in. Takes as long as names take to resolve.
    pub(crate) fn connect(url: &RedisUrl) -> Result<Self, Unreachable> {
        // Of the process, where nobody has installed it yet.
        let _ = ring::default_provider().install_default();
        let connection = Client::open(url.info())
            .and_then(|client| client.get_connection_with_timeout(CONNECT))
            .map_err(Unreachable::from)?;
        connection.set_read_timeout(Some(ANSWER))?;
        connection.set_write_timeout(Some(ANSWER))?;
        Ok(Self(connection))
    }

    /// Whether it answers, and in time.
    pub(crate) fn probe(&mut self) -> Result<(), Unreachable> {
        let begun = Instant::now();
        let answer: Value = cmd("PING").query(&mut self.0)?;
        if begun.elapsed() > ANSWER {
            return Err(Unreachable::Late);
        }
        match answer {
            Value::SimpleString(pong) if pong == "PONG" => Ok(()),
            _ => Err(Unreachable::Strange),
        }
    }

    /// Sends all commands at once, and understands the answers.
    pub(crate) fn run(
        &mut self,
        commands: &[Command],
        names: &Names,
    ) -> Result<Vec<bool>, Unreachable> {
        let mut pipe = redis::pipe();
        pipe.ignore_errors();
        for command in commands {
            pipe.add_command(command.encoded(names));
        }
        let answers: Vec<RedisResult<Value>> = pipe.query(&mut self.0)?;
        if answers.len() != commands.len() {
            return Err(Unreachable::Strange);
        }
        let answers = answers.into_iter().zip(commands);
        answers
            .map(|(answer, command)| Ok(command.understood(&answer?)))
            .collect()
    }

    pub(crate) fn into_connection(self) -> Connection {
        self.0
    }
}

/// Connects to Redis and asks whether it answers, for who wants to know now.
///
/// # Errors
///
/// Why it does not, within about `patience`.
pub fn reach(url: &RedisUrl, patience: Duration) -> Result<(), Unreachable> {
    let (told, outcome) = sync_channel(1);
    let url = url.clone();
    // On a thread of its own, because the names of hosts take as long as they take.
    std::thread::spawn(move || {
        let outcome = Link::connect(&url).and_then(|mut link| link.probe());
        // Nobody may be waiting any more.
        let _ = told.send(outcome);
    });
    outcome
        .recv_timeout(patience)
        .unwrap_or(Err(Unreachable::Late))
}

/// Why Redis is of no use now. No text holds what Redis has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreachable {
    /// It does not answer in time.
    #[error("it does not answer in time")]
    Late,
    /// Nobody listens there, or the connection has ended.
    #[error("there is no connection to it")]
    Disconnected,
    /// It does not take the password.
    #[error("it refuses the user or the password")]
    Login,
    /// It is there but does not do what it is asked.
    #[error(
        "it refuses what it is asked (a user needs EXISTS, SET, DEL, PUBLISH, SUBSCRIBE and PING)"
    )]
    Refused,
    /// What it says cannot be meant.
    #[error("it answers what cannot be meant")]
    Strange,
    /// It could not be found, or TLS failed.
    #[error("it cannot be found, or its certificate is not trusted")]
    NotTrusted,
}

impl From<RedisError> for Unreachable {
    fn from(error: RedisError) -> Self {
        if error.is_timeout() {
            return Self::Late;
        }
        match error.kind() {
            ErrorKind::AuthenticationFailed => Self::Login,
            ErrorKind::Io if error.is_connection_refusal() || error.is_connection_dropped() => {
                Self::Disconnected
            }
            ErrorKind::Server(_) | ErrorKind::Extension => match error.code() {
                Some("NOAUTH" | "WRONGPASS") => Self::Login,
                _ => Self::Refused,
            },
            ErrorKind::Parse | ErrorKind::UnexpectedReturnType => Self::Strange,
            _ => Self::NotTrusted,
        }
    }
}

/// Nobody waits for it.
const CONNECT: Duration = Duration::from_secs(1);
/// For one answer, and for each part of many.
const ANSWER: Duration = Duration::from_millis(50);
