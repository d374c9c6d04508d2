use std::fmt;
use std::path::Path;

use redis::{ConnectionInfo, IntoConnectionInfo as _};
use url::{Host, Url};

/// Where Redis is, and how to log in there.
///
/// `Debug` shows what [`label`](Self::label) shows: no password.
#[derive(Clone)]
pub struct RedisUrl {
    label: String,
    transport: Transport,
    has_password: bool,
    info: ConnectionInfo,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Socket,
    Loopback,
    Network,
    Tls,
}

impl RedisUrl {
    /// Reads `redis://`, `rediss://` or `unix://`.
    ///
    /// # Errors
    ///
    /// [`RedisUrlError`], which says what to write and repeats nothing of `text`.
    pub fn parse(text: &str) -> Result<Self, RedisUrlError> {
        let url = Url::parse(text).map_err(|_| RedisUrlError::NotAUrl)?;
        if url.fragment().is_some() {
            // `#insecure` turns certificates off.
            return Err(RedisUrlError::Fragment);
        }
        let (label, transport, has_password) = match url.scheme() {
            "redis" | "rediss" => over_tcp(&url)?,
            "unix" => over_socket(&url)?,
            _ => return Err(RedisUrlError::Scheme),
        };
        let info = url
            .into_connection_info()
            .map_err(|_| RedisUrlError::NotAUrl)?;
        let login = info.redis_settings().clone().set_skip_set_lib_name();
        Ok(Self {
            label,
            transport,
            has_password,
            info: info.set_redis_settings(login),
        })
    }

    /// Where it is, without user and password: for logs and messages.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Whether it says how to log in.
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.has_password
    }

    /// Whether nobody on another machine can listen in or answer instead: it is a socket, or this
    /// machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        matches!(self.transport, Transport::Socket | Transport::Loopback)
    }

    /// Whether TLS checks who answers.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.transport == Transport::Tls
    }

    pub(crate) fn info(&self) -> ConnectionInfo {
        self.info.clone()
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({})", self.label)
    }
}

type Described = (String, Transport, bool);

fn over_tcp(url: &Url) -> Result<Described, RedisUrlError> {
    if url.query().is_some() {
        return Err(RedisUrlError::Query);
    }
    let host = url.host().ok_or(RedisUrlError::Host)?;
    let is_loopback = match &host {
        // Of schemes that the URL standard does not know, addresses are read as names.
        Host::Domain(name) => match name.parse::<std::net::Ipv4Addr>() {
            Ok(address) if address.is_unspecified() => return Err(RedisUrlError::Host),
            Ok(address) => address.is_loopback(),
            Err(_) => name.eq_ignore_ascii_case("localhost"),
        },
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) if address.is_unspecified() => return Err(RedisUrlError::Host),
        Host::Ipv6(address) => address.to_canonical().is_loopback(),
    };
    let database = number(url.path().trim_matches('/'))?;
    let transport = match (url.scheme(), is_loopback) {
        ("rediss", _) => Transport::Tls,
        (_, true) => Transport::Loopback,
        (_, false) => Transport::Network,
    };
    let port = url.port().unwrap_or(DEFAULT_PORT);
    let label = format!("{}://{host}:{port}/{database}", url.scheme());
    let password = url.password().is_some_and(|password| !password.is_empty());
    if !password && !url.username().is_empty() {
        return Err(RedisUrlError::UserWithoutPassword);
    }
    Ok((label, transport, password))
}

fn over_socket(url: &Url) -> Result<Described, RedisUrlError> {
    let is_file = url.host().is_none() && Path::new(url.path()).file_name().is_some();
    if !is_file || !url.username().is_empty() {
        return Err(RedisUrlError::Socket);
    }
    let (mut user, mut password, mut database) = (false, false, 0);
    for (name, value) in url.query_pairs() {
        match name.as_ref() {
            "db" => database = number(&value)?,
            "user" => user = !value.is_empty(),
            "pass" => password = !value.is_empty(),
            _ => return Err(RedisUrlError::SocketQuery),
        }
    }
    if user && !password {
        return Err(RedisUrlError::UserWithoutPassword);
    }
    let label = format!("unix://{}?db={database}", url.path());
    Ok((label, Transport::Socket, password))
}

fn number(text: &str) -> Result<u16, RedisUrlError> {
    match text {
        "" => Ok(0),
        // `parse` takes a sign too.
        text if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            text.parse().map_err(|_| RedisUrlError::Database)
        }
        _ => Err(RedisUrlError::Database),
    }
}

/// Why there is no Redis to connect to. No message repeats the URL, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedisUrlError {
    /// It cannot be read.
    #[error(
        "it is no URL; write rediss://user:password@host:6379/0, and percent-encode other \
         characters than letters and digits in the password"
    )]
    NotAUrl,
    /// It is of another kind.
    #[error("its scheme is unknown; write redis://, rediss:// (with TLS) or unix:// (a socket)")]
    Scheme,
    /// It names nobody, or everybody.
    #[error("it names no host to connect to; write redis://host:6379/0")]
    Host,
    /// It has options.
    #[error("it has options after a question mark, and there are none; remove them")]
    Query,
    /// The database is no number.
    #[error("the number of its database is not one of 0 to 65535; write redis://host:6379/0")]
    Database,
    /// It would turn certificates off, or do nothing.
    #[error("it has a part after #; remove it (the certificate of a server is always checked)")]
    Fragment,
    /// There is nobody to log in without a password.
    #[error("it names a user without a password; write redis://user:password@host:6379/0")]
    UserWithoutPassword,
    /// It names no socket.
    #[error("it names no socket; write unix:///run/redis/redis.sock?user=NAME&pass=PASSWORD&db=0")]
    Socket,
    /// An option of a socket is unknown.
    #[error("it has an option that is unknown; a socket has db, user and pass")]
    SocketQuery,
}

const DEFAULT_PORT: u16 = 6379;

#[cfg(test)]
mod tests {
    use super::*;

    /// Each with its label, and whether it is local, encrypted and with a password.
    #[rustfmt::skip]
    const GOOD: [(&str, &str, [bool; 3]); 8] = [
        ("redis://127.0.0.1", "redis://127.0.0.1:6379/0", [true, false, false]),
        ("redis://localhost/", "redis://localhost:6379/0", [true, false, false]),
        ("redis://[::1]:7000/3", "redis://[::1]:7000/3", [true, false, false]),
        ("redis://:marker@cache.example/15", "redis://cache.example:6379/15", [false, false, true]),
        ("redis://10.0.0.7", "redis://10.0.0.7:6379/0", [false, false, false]),
        ("rediss://u:marker@cache.example", "rediss://cache.example:6379/0", [false, true, true]),
        ("unix:///run/redis.sock", "unix:///run/redis.sock?db=0", [true, false, false]),
        ("unix:///run/redis.sock?db=2&user=u&pass=marker", "unix:///run/redis.sock?db=2", [true, false, true]),
    ];

    #[test]
    fn a_url_says_where_redis_is_and_never_how_to_log_in() {
        for (text, label, [is_local, is_encrypted, has_password]) in GOOD {
            let url = RedisUrl::parse(text).unwrap();
            assert_eq!(url.label(), label);
            assert_eq!(
                (url.is_local(), url.is_encrypted(), url.has_password()),
                (is_local, is_encrypted, has_password),
                "{text}"
            );
            assert!(!format!("{url:?}").contains("marker"), "{url:?}");
        }
        let url = RedisUrl::parse("redis://ada:p%40ss%2Fword@h/4")
            .unwrap()
            .info();
        assert_eq!(url.redis_settings().username(), Some("ada"));
        assert_eq!(url.redis_settings().password(), Some("p@ss/word"));
        assert_eq!(url.redis_settings().db(), 4);
        let url = RedisUrl::parse("unix:///s?user=ada&pass=p%26w&db=1").unwrap();
        assert_eq!(url.info().redis_settings().password(), Some("p&w"));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_without_being_repeated() {
        let cases = [
            ("", RedisUrlError::NotAUrl),
            ("marker", RedisUrlError::NotAUrl),
            ("127.0.0.1:6379", RedisUrlError::NotAUrl),
            ("redis://:marker@h:port", RedisUrlError::NotAUrl),
            ("redis://:marker@h:70000", RedisUrlError::NotAUrl),
            ("http://marker", RedisUrlError::Scheme),
            ("redis+unix:///marker", RedisUrlError::Scheme),
            ("redis-sentinel://marker", RedisUrlError::Scheme),
            ("redis:", RedisUrlError::Host),
            ("redis://0.0.0.0", RedisUrlError::Host),
            ("redis://[::]", RedisUrlError::Host),
            ("redis://h/marker", RedisUrlError::Database),
            ("redis://h/-1", RedisUrlError::Database),
            ("redis://h/+1", RedisUrlError::Database),
            ("redis://h/65536", RedisUrlError::Database),
            ("redis://h/1/2", RedisUrlError::Database),
            ("redis://h?marker=1", RedisUrlError::Query),
            ("rediss://h#insecure", RedisUrlError::Fragment),
            ("redis://marker@h", RedisUrlError::UserWithoutPassword),
            ("unix://", RedisUrlError::Socket),
            ("unix:///", RedisUrlError::Socket),
            ("unix://h/marker", RedisUrlError::Socket),
            ("unix:///s?marker=1", RedisUrlError::SocketQuery),
            ("unix:///s?db=marker", RedisUrlError::Database),
            ("unix:///s?user=marker", RedisUrlError::UserWithoutPassword),
        ];
        for (text, expected) in cases {
            let error = RedisUrl::parse(text).unwrap_err();
            assert_eq!(error, expected, "{text}");
            assert!(!format!("{error} {error:?}").contains("marker"));
        }
    }
}
