use std::fmt;

#[cfg(feature = "postgres")]
use crate::postgres::Server;

/// Where the database is, read from `DATABASE_URL`.
///
/// - `sqlite://relative/path`, `sqlite:///absolute/path`: a file; the path is taken literally.
/// - `postgres://user:password@host:port/database?option=value` (or `postgresql://`), with the
///   options of libpq. Without a host, the socket of this machine. Special characters in user and
///   password are percent-encoded.
///
/// May hold a password: `Debug` and [`label`](Self::label) show neither it nor the user.
#[derive(Clone)]
pub struct DatabaseUrl(pub(crate) Target);

#[derive(Clone)]
pub(crate) enum Target {
    #[cfg(feature = "sqlite")]
    Sqlite(std::path::PathBuf),
    #[cfg(feature = "postgres")]
    Postgres(Server),
}

impl DatabaseUrl {
    /// Reads the URL and checks what can be checked without the database.
    pub fn parse(url: &str) -> Result<Self, DatabaseUrlError> {
        let (scheme, rest) = url.split_once("://").ok_or(DatabaseUrlError::Scheme)?;
        match scheme {
            "sqlite" => sqlite(rest),
            "postgres" | "postgresql" => postgres(rest),
            _ => Err(DatabaseUrlError::Scheme),
        }
        .map(Self)
    }

    /// What may be shown to anybody: the kind of database, where it is and its name.
    #[must_use]
    pub fn label(&self) -> String {
        match &self.0 {
            #[cfg(feature = "sqlite")]
            Target::Sqlite(path) => format!("sqlite://{}", path.display()),
            #[cfg(feature = "postgres")]
            Target::Postgres(server) => server.label().to_owned(),
        }
    }

    /// What is allowed but should be done better.
    #[must_use]
    pub fn warning(&self) -> Option<&'static str> {
        match &self.0 {
            #[cfg(feature = "sqlite")]
            Target::Sqlite(_) => None,
            #[cfg(feature = "postgres")]
            Target::Postgres(server) => server.warning(),
        }
    }

    /// The file of a SQLite database, for backups and checks of its mode.
    #[must_use]
    pub fn sqlite_path(&self) -> Option<&std::path::Path> {
        match &self.0 {
            #[cfg(feature = "sqlite")]
            Target::Sqlite(path) => Some(path),
            #[cfg(feature = "postgres")]
            Target::Postgres(_) => None,
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({})", self.label())
    }
}

/// Why a URL is refused. No text repeats any part of the URL, because a part can be a piece of the
/// password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseUrlError {
    /// Another scheme, or none.
    #[error("expected sqlite://path or postgres://host/database")]
    Scheme,
    /// This build cannot talk to that kind of database.
    #[error("this build of Keyward has no {0}: build it with the feature `{1}`")]
    NotInThisBuild(&'static str, &'static str),
    /// The SQLite URL names no file.
    #[error("a SQLite URL names a file: sqlite://relative/path or sqlite:///absolute/path")]
    NoFile,
    /// The SQLite URL has options.
    #[error("a SQLite URL takes no options and its path has no `?` or `#`")]
    SqliteOptions,
    /// The PostgreSQL URL cannot be read.
    #[error(
        "the PostgreSQL URL cannot be read; write special characters in user, password and \
         options as %XX"
    )]
    Malformed,
    /// An option that libpq does not have or that Keyward does not allow.
    #[error("the PostgreSQL URL has an unknown option; options are those of libpq, but `service`")]
    UnknownOption,
    /// Something is said twice.
    #[error("the PostgreSQL URL says something twice, for example two hosts or two `sslmode`")]
    Repeated,
    /// The connection could be in plain text.
    #[error(
        "PostgreSQL over a network needs TLS, and {0} allows plain text: write \
         sslmode=verify-full (or sslmode=require, which does not check who answers)"
    )]
    PlainText(&'static str),
    /// The URL asks for TLS.
    #[error(
        "this build of Keyward has no TLS for PostgreSQL: use a release build or the feature \
         `pg-bundled-tls`, or connect over a socket or a TLS proxy on this host"
    )]
    BuildWithoutTls,
}

#[cfg(feature = "sqlite")]
fn sqlite(path: &str) -> Result<Target, DatabaseUrlError> {
    if path.contains(['?', '#', '\0']) {
        return Err(DatabaseUrlError::SqliteOptions);
    }
    if path.is_empty() || path.ends_with('/') || path == ":memory:" {
        return Err(DatabaseUrlError::NoFile);
    }
    Ok(Target::Sqlite(path.into()))
}

#[cfg(not(feature = "sqlite"))]
fn sqlite(_: &str) -> Result<Target, DatabaseUrlError> {
    Err(DatabaseUrlError::NotInThisBuild("SQLite", "sqlite"))
}

#[cfg(feature = "postgres")]
fn postgres(rest: &str) -> Result<Target, DatabaseUrlError> {
    Server::parse(rest).map(Target::Postgres)
}

#[cfg(not(feature = "postgres"))]
fn postgres(_: &str) -> Result<Target, DatabaseUrlError> {
    Err(DatabaseUrlError::NotInThisBuild("PostgreSQL", "pg-bundled"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "sqlite")]
    #[test]
    fn sqlite_paths_are_taken_literally() {
        for (url, path) in [
            ("sqlite://keyward.db", "keyward.db"),
            (
                "sqlite://keyward-data/keyward.db",
                "keyward-data/keyward.db",
            ),
            ("sqlite:///var/lib/keyward.db", "/var/lib/keyward.db"),
            ("sqlite://./with space%20.db", "./with space%20.db"),
        ] {
            let parsed = DatabaseUrl::parse(url).unwrap();
            assert_eq!(parsed.sqlite_path(), Some(std::path::Path::new(path)));
            assert_eq!(parsed.label(), url);
            assert_eq!(parsed.warning(), None);
        }
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn a_sqlite_url_names_a_file_and_nothing_else() {
        for (url, error) in [
            ("sqlite://", DatabaseUrlError::NoFile),
            ("sqlite:///", DatabaseUrlError::NoFile),
            ("sqlite://folder/", DatabaseUrlError::NoFile),
            ("sqlite://:memory:", DatabaseUrlError::NoFile),
            ("sqlite://a.db?mode=memory", DatabaseUrlError::SqliteOptions),
            ("sqlite://a.db#b", DatabaseUrlError::SqliteOptions),
            ("sqlite://a.db\0b", DatabaseUrlError::SqliteOptions),
        ] {
            assert_eq!(DatabaseUrl::parse(url).unwrap_err(), error, "{url}");
        }
    }

    #[test]
    fn other_databases_are_refused_without_repeating_the_url() {
        for url in [
            "",
            "keyward.db",
            "sqlite:keyward.db",
            "mysql://root:hunter2@localhost/x",
            "host=localhost password=hunter2",
            "SQLITE://keyward.db",
        ] {
            let error = DatabaseUrl::parse(url).unwrap_err();
            assert_eq!(error, DatabaseUrlError::Scheme, "{url}");
            assert_eq!(
                error.to_string(),
                "expected sqlite://path or postgres://host/database"
            );
        }
    }

    #[cfg(not(feature = "postgres"))]
    #[test]
    fn a_build_without_postgresql_says_so() {
        let error = DatabaseUrl::parse("postgres://localhost/x").unwrap_err();
        assert!(error.to_string().contains("has no PostgreSQL"), "{error}");
    }

    #[cfg(not(feature = "sqlite"))]
    #[test]
    fn a_build_without_sqlite_says_so() {
        let error = DatabaseUrl::parse("sqlite://keyward.db").unwrap_err();
        assert!(error.to_string().contains("has no SQLite"), "{error}");
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn neither_debug_nor_label_show_who_logs_in_and_how() {
        let url = "postgres://anna:hunter2@localhost:5433/keyward?sslpassword=hunter2";
        let url = DatabaseUrl::parse(url).unwrap();
        assert_eq!(url.label(), "postgres://localhost:5433/keyward");
        assert_eq!(
            format!("{url:?}"),
            "DatabaseUrl(postgres://localhost:5433/keyward)"
        );
    }
}
