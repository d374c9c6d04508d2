use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use keyward_crypto::SecretText;

use crate::DatabaseUrlError as Error;

/// Which PostgreSQL server, and how to reach it.
#[derive(Clone)]
pub(crate) struct Server {
    /// In libpq's `keyword='value'` form. It is put together from what was parsed and checked
    /// here, so that libpq cannot read another host out of the URL than the one that was checked.
    conninfo: Arc<SecretText>,
    label: String,
    warning: Option<&'static str>,
}

impl Server {
    /// Reads what follows `postgres://`.
    pub(crate) fn parse(rest: &str) -> Result<Self, Error> {
        let mut options = parts(rest)?;
        let warning = check_encryption(&options, BUILT_WITH_TLS)?;
        let label = label(&options);
        add_defaults(&mut options);
        Ok(Self {
            conninfo: Arc::new(conninfo(&options)),
            label,
            warning,
        })
    }

    pub(crate) fn conninfo(&self) -> &str {
        self.conninfo.expose()
    }

    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    pub(crate) fn warning(&self) -> Option<&'static str> {
        self.warning
    }
}

/// By libpq's keywords.
type Options = BTreeMap<&'static str, String>;

/// Takes the URL apart by the rules of libpq (PostgreSQL manual, 34.1.1.2), several hosts included.
fn parts(rest: &str) -> Result<Options, Error> {
    if rest.contains(['#', '\0']) {
        return Err(Error::Malformed);
    }
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    let (login, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    if login.contains('@') || database.contains('/') {
        return Err(Error::Malformed);
    }

    let mut options = Options::new();
    add(&mut options, "user", user)?;
    add(&mut options, "password", password)?;
    add(&mut options, "dbname", database)?;
    add_hosts(&mut options, hosts)?;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or(Error::Malformed)?;
        let known = KEYWORDS.iter().find(|known| **known == name);
        add(&mut options, known.ok_or(Error::UnknownOption)?, value)?;
    }
    Ok(options)
}

fn add_hosts(options: &mut Options, hosts: &str) -> Result<(), Error> {
    let split = |host| split_port(host).ok_or(Error::Malformed);
    let hosts: Vec<(&str, &str)> = hosts.split(',').map(split).collect::<Result<_, _>>()?;
    let (names, ports): (Vec<_>, Vec<_>) = hosts.into_iter().unzip();
    add(options, "host", &names.join(","))?;
    // "," is two default ports, which libpq takes; but without any port the keyword is left out.
    if ports.iter().any(|port| !port.is_empty()) {
        add(options, "port", &ports.join(","))?;
    }
    Ok(())
}

/// `host`, `host:port`, `[address]` or `[address]:port`.
fn split_port(text: &str) -> Option<(&str, &str)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(bracketed) => {
            let (host, rest) = bracketed.split_once(']')?;
            let port = if rest.is_empty() {
                ""
            } else {
                rest.strip_prefix(':')?
            };
            (host, port)
        }
        None => text.split_once(':').unwrap_or((text, "")),
    };
    port.bytes()
        .all(|b| b.is_ascii_digit())
        .then_some((host, port))
}

fn add(options: &mut Options, name: &'static str, value: &str) -> Result<(), Error> {
    if value.is_empty() {
        return Ok(());
    }
    let value = percent_decoded(value).ok_or(Error::Malformed)?;
    match options.insert(name, value) {
        None => Ok(()),
        Some(_) => Err(Error::Repeated),
    }
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let value = digit()? * 16 + digit()?;
        bytes.push(u8::try_from(value).ok().filter(|byte| *byte != 0)?);
    }
    String::from_utf8(bytes).ok()
}

/// Refuses what could send passwords and rows in plain text over a network.
fn check_encryption(options: &Options, has_tls: bool) -> Result<Option<&'static str>, Error> {
    let mode = options.get("sslmode").map(String::as_str);
    let encrypts = matches!(mode, Some("require" | "verify-ca" | "verify-full"));
    if encrypts && !has_tls {
        return Err(Error::BuildWithoutTls);
    }
    if is_local(options) {
        return Ok(None);
    }
    match mode {
        Some("verify-full") => Ok(None),
        Some("require" | "verify-ca") => Ok(Some(UNVERIFIED)),
        None => Err(Error::PlainText("the default of sslmode")),
        Some("disable") => Err(Error::PlainText("sslmode=disable")),
        Some("allow") => Err(Error::PlainText("sslmode=allow")),
        Some("prefer") => Err(Error::PlainText("sslmode=prefer")),
        Some(_) => Err(Error::UnknownOption),
    }
}

/// Whether nothing leaves this machine. `hostaddr`, where given, is what libpq connects to.
fn is_local(options: &Options) -> bool {
    let hosts = options.get("hostaddr").or_else(|| options.get("host"));
    hosts.is_none_or(|hosts| hosts.split(',').all(is_local_host))
}

fn is_local_host(host: &str) -> bool {
    // A socket directory, an abstract socket, or the default.
    host.is_empty()
        || host.starts_with(['/', '@'])
        || host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn label(options: &Options) -> String {
    let said = |name| options.get(name).map_or("", String::as_str);
    let (host, port, database) = (said("host"), said("port"), said("dbname"));
    let colon = if port.is_empty() { "" } else { ":" };
    format!("postgres://{host}{colon}{port}/{database}")
}

/// Says everything that libpq would otherwise take from the environment of the process, where it
/// could point to another machine, and bounds the time that a dead network can take.
fn add_defaults(options: &mut Options) {
    let socket_folder = || {
        let known = SOCKET_FOLDERS
            .iter()
            .find(|folder| Path::new(folder).is_dir());
        (*known.unwrap_or(&"/tmp")).to_owned()
    };
    options.entry("host").or_insert_with(socket_folder);
    for (name, value) in DEFAULTS {
        options.entry(name).or_insert_with(|| (*value).to_owned());
    }
}

fn conninfo(options: &Options) -> SecretText {
    let mut text = String::new();
    for (name, value) in options {
        let value = value.replace('\\', r"\\").replace('\'', r"\'");
        // Writing to a string cannot fail.
        let _ = write!(text, "{name}='{value}' ");
    }
    SecretText::new(text)
}

/// What libpq knows, without `service`, which would take the host from a file, and without what
/// Keyward sets itself.
const KEYWORDS: &[&str] = &[
    "application_name",
    "channel_binding",
    "connect_timeout",
    "dbname",
    "gssencmode",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "krbsrvname",
    "load_balance_hosts",
    "options",
    "passfile",
    "password",
    "port",
    "require_auth",
    "requirepeer",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "sslcert",
    "sslcrl",
    "sslcrldir",
    "sslkey",
    "sslmode",
    "sslnegotiation",
    "sslpassword",
    "sslrootcert",
    "target_session_attrs",
    "tcp_user_timeout",
    "user",
];

const DEFAULTS: &[(&str, &str)] = &[
    ("connect_timeout", "2"),
    ("fallback_application_name", "keyward"),
    // Empty counts as given, so that PGHOSTADDR is not asked.
    ("hostaddr", ""),
    // A machine that is gone is noticed within some seconds, also while its answer is awaited.
    ("keepalives_count", "2"),
    ("keepalives_idle", "2"),
    ("keepalives_interval", "1"),
    ("tcp_user_timeout", "4000"),
];

/// Debian's, then the one of PostgreSQL itself.
const SOCKET_FOLDERS: &[&str] = &["/var/run/postgresql", "/run/postgresql", "/tmp"];

const BUILT_WITH_TLS: bool = cfg!(any(feature = "pg-bundled-tls", feature = "pg-system"));

const UNVERIFIED: &str = "the connection to PostgreSQL is encrypted, but nothing checks who \
                          answers; use sslmode=verify-full";

#[cfg(test)]
mod tests {
    use super::*;

    fn encryption(rest: &str, has_tls: bool) -> Result<Option<&'static str>, Error> {
        parts(rest).and_then(|options| check_encryption(&options, has_tls))
    }

    #[test]
    fn what_stays_on_this_machine_needs_no_encryption() {
        for rest in [
            "localhost/x",
            "LOCALHOST/x",
            "127.0.0.1/x",
            "127.8.9.10:5433/x",
            "[::1]/x",
            "[::1]:5433/x",
            "/x",
            "user@/x",
            "%2Fvar%2Frun%2Fpostgresql/x",
            "/x?host=/var/run/postgresql",
            "/x?host=@abstract",
            "localhost,127.0.0.1:5433/x",
            "db.example/x?hostaddr=127.0.0.1",
            "localhost/x?sslmode=disable",
        ] {
            assert_eq!(encryption(rest, false), Ok(None), "{rest}");
        }
    }

    #[test]
    fn plain_text_over_a_network_is_refused_by_name() {
        for host in [
            "db.example",
            "10.0.0.1",
            "0.0.0.0",
            "[fe80::1]",
            "[::ffff:127.0.0.1]",
            "localhost.example",
            "127.0.0.1.example",
            "2130706433",
            "localhost,db.example",
            "localhost:5432,10.0.0.1:5432",
        ] {
            for (query, said) in [
                ("", "the default of sslmode"),
                ("?sslmode=disable", "sslmode=disable"),
                ("?sslmode=allow", "sslmode=allow"),
                ("?sslmode=prefer", "sslmode=prefer"),
            ] {
                let rest = format!("user:hunter2@{host}/x{query}");
                let error = encryption(&rest, true).unwrap_err();
                assert_eq!(error, Error::PlainText(said), "{rest}");
                assert!(error.to_string().contains("sslmode=verify-full"), "{error}");
            }
        }
        let by_option = "/x?host=db.example";
        assert!(encryption(by_option, true).is_err());
        let by_address = "localhost/x?hostaddr=10.0.0.1";
        assert!(encryption(by_address, true).is_err());
    }

    #[test]
    fn encryption_over_a_network_is_taken() {
        assert_eq!(
            encryption("db.example/x?sslmode=verify-full", true),
            Ok(None)
        );
        for mode in ["require", "verify-ca"] {
            let rest = format!("db.example/x?sslmode={mode}");
            let warning = encryption(&rest, true).unwrap().unwrap();
            assert!(warning.contains("nothing checks who answers"), "{warning}");
        }
        assert_eq!(
            encryption("db.example/x?sslmode=VERIFY-FULL", true),
            Err(Error::UnknownOption)
        );
    }

    #[test]
    fn a_build_without_tls_says_what_to_do() {
        for mode in ["require", "verify-ca", "verify-full"] {
            for host in ["db.example", "localhost"] {
                let error = encryption(&format!("{host}/x?sslmode={mode}"), false).unwrap_err();
                assert_eq!(error, Error::BuildWithoutTls);
                assert!(error.to_string().contains("pg-bundled-tls"), "{error}");
            }
        }
    }

    #[test]
    fn libpq_is_told_what_was_checked_and_nothing_is_left_to_its_environment() {
        let server = Server::parse(
            "o%27neil:p%40ss%5C%20w%2Frd@127.0.0.1:5433/key%20ward?connect_timeout=9",
        );
        assert_eq!(
            server.unwrap().conninfo(),
            "connect_timeout='9' dbname='key ward' fallback_application_name='keyward' \
             host='127.0.0.1' hostaddr='' keepalives_count='2' keepalives_idle='2' \
             keepalives_interval='1' password='p@ss\\\\ w/rd' port='5433' \
             tcp_user_timeout='4000' user='o\\'neil' "
        );
        let server = Server::parse("/test").unwrap();
        assert!(
            server.conninfo().contains(" host='/"),
            "{}",
            server.conninfo()
        );
    }

    #[test]
    fn several_hosts_keep_their_ports() {
        let options = parts("a:1,b,[::1]:3/x").unwrap();
        assert_eq!(options["host"], "a,b,::1");
        assert_eq!(options["port"], "1,,3");
        assert!(!parts("a,b/x").unwrap().contains_key("port"));
    }

    #[test]
    fn what_libpq_could_read_otherwise_is_refused() {
        for (rest, error) in [
            ("127.0.0.1#@db.example/x", Error::Malformed),
            ("127.0.0.1@db.example@localhost/x", Error::Malformed),
            ("localhost/x/y", Error::Malformed),
            ("localhost:port/x", Error::Malformed),
            ("user:pa/ss@localhost/x", Error::Malformed),
            ("[::1/x", Error::Malformed),
            ("[::1]5432/x", Error::Malformed),
            ("localhost/x?sslmode", Error::Malformed),
            ("localhost/x?dbname=%ZZ", Error::Malformed),
            ("localhost/?dbname=%4", Error::Malformed),
            ("localhost/?dbname=%00", Error::Malformed),
            ("localhost/?dbname=%FF", Error::Malformed),
            ("localhost/x?service=other", Error::UnknownOption),
            ("localhost/x?hunter2=1", Error::UnknownOption),
            ("localhost/x?dbname=y", Error::Repeated),
            ("localhost/x?host=db.example", Error::Repeated),
            (
                "localhost/x?sslmode=disable&sslmode=require",
                Error::Repeated,
            ),
        ] {
            let refused = Server::parse(rest).err();
            assert_eq!(refused, Some(error), "{rest}");
            assert!(!error.to_string().contains("hunter2"));
        }
    }
}
