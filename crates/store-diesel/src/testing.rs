//! Fresh databases for tests, of this crate and of those that build on it (feature `testing`).
//!
//! ```
//! # #[cfg(all(feature = "sqlite", feature = "postgres"))]
//! # {
//! use keyward_core::Store as _;
//! use keyward_store_diesel::testing::TestDatabase;
//!
//! let databases = [Some(TestDatabase::sqlite()), TestDatabase::postgres()];
//! for database in databases.into_iter().flatten() {
//!     assert!(database.store().health().is_ok());
//! }
//! # }
//! ```

use std::sync::OnceLock;

use crate::{DatabaseUrl, DieselStore, Options};

/// A database of its own for one test. It goes when this is dropped.
pub struct TestDatabase {
    // Dropped in this order: first the connections, then the database.
    store: OnceLock<DieselStore>,
    url: String,
    _place: Place,
}

enum Place {
    #[cfg(feature = "sqlite")]
    Folder(#[expect(dead_code, reason = "goes when this is dropped")] tempfile::TempDir),
    #[cfg(feature = "postgres")]
    Server(#[expect(dead_code, reason = "goes when this is dropped")] server::Database),
}

impl TestDatabase {
    /// A SQLite database in a folder of its own, not created yet.
    ///
    /// # Panics
    ///
    /// There is no place for temporary files.
    #[cfg(feature = "sqlite")]
    #[must_use]
    #[expect(clippy::expect_used, reason = "for tests only")]
    pub fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = format!("sqlite://{}", folder.path().join("keyward.db").display());
        Self {
            store: OnceLock::new(),
            url,
            _place: Place::Folder(folder),
        }
    }

    /// An empty database on the PostgreSQL server that `TEST_POSTGRES_URL` names, or on the one
    /// that runs on this machine. The role must be allowed to create databases.
    ///
    /// `None`, and a line about it on standard error, when no server runs here.
    ///
    /// # Panics
    ///
    /// The server that is named does not answer, or none does and `REQUIRE_SERVICES` is `1`.
    #[cfg(feature = "postgres")]
    #[must_use]
    pub fn postgres() -> Option<Self> {
        let database = server::Database::create()?;
        Some(Self {
            store: OnceLock::new(),
            url: database.url().to_owned(),
            _place: Place::Server(database),
        })
    }

    /// The URL, as in `DATABASE_URL`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The parsed URL.
    ///
    /// # Panics
    ///
    /// `TEST_POSTGRES_URL` is refused by [`DatabaseUrl::parse`].
    #[must_use]
    #[expect(clippy::expect_used, reason = "for tests only")]
    pub fn database_url(&self) -> DatabaseUrl {
        DatabaseUrl::parse(&self.url).expect("the URL of a database")
    }

    /// The store on this database, migrated. Always the same one.
    ///
    /// # Panics
    ///
    /// The database cannot be reached or migrated.
    #[must_use]
    #[expect(clippy::expect_used, reason = "for tests only")]
    pub fn store(&self) -> DieselStore {
        let store = self.store.get_or_init(|| {
            let store = DieselStore::connect(&self.database_url(), Options::default())
                .expect("connect to the database");
            store.migrate().expect("migrate the database");
            store
        });
        store.clone()
    }
}

#[cfg(feature = "postgres")]
mod server {
    use diesel::connection::SimpleConnection;
    use keyward_core::Id;

    use crate::connection::{Access, AnyConnection};
    use crate::{ConnectError, DatabaseUrl};

    /// A database on a server, dropped with this value.
    pub(super) struct Database {
        url: String,
        name: String,
        server: DatabaseUrl,
    }

    impl Database {
        #[expect(
            clippy::disallowed_methods,
            reason = "there is no binary to read settings"
        )]
        #[expect(clippy::panic, reason = "for tests only")]
        pub(super) fn create() -> Option<Self> {
            if let Ok(named) = std::env::var("TEST_POSTGRES_URL") {
                return match Self::create_on(&named) {
                    Ok(database) => Some(database),
                    Err(error) => panic!("TEST_POSTGRES_URL: {error:?}"),
                };
            }
            let here = LOCAL_SERVERS
                .iter()
                .find_map(|url| Self::create_on(url).ok());
            if here.is_none() {
                let thread = std::thread::current();
                let test = thread.name().unwrap_or("a test");
                let notice =
                    format!("not run: {test} (no PostgreSQL; name one in TEST_POSTGRES_URL)");
                assert!(
                    std::env::var("REQUIRE_SERVICES").as_deref() != Ok("1"),
                    "{notice}"
                );
                eprintln!("{notice}");
            }
            here
        }

        fn create_on(server: &str) -> Result<Self, Failure> {
            let name = format!("keyward_test_{}", Id::<Self>::generate()).replace('-', "_");
            let database = Self {
                url: with_database(server, &name),
                server: DatabaseUrl::parse(server)?,
                name,
            };
            database.run(&format!("CREATE DATABASE {}", database.name))?;
            Ok(database)
        }

        pub(super) fn url(&self) -> &str {
            &self.url
        }

        fn run(&self, sql: &str) -> Result<(), Failure> {
            let mut connection = AnyConnection::open(&self.server, Access::Write)?;
            // Creating a database can take its time on a busy machine.
            connection.batch_execute("SET statement_timeout = '60s'")?;
            Ok(connection.batch_execute(sql)?)
        }
    }

    impl Drop for Database {
        fn drop(&mut self) {
            // Nothing to do about it but to leave the database behind.
            let _ = self.run(&format!(
                "DROP DATABASE IF EXISTS {} WITH (FORCE)",
                self.name
            ));
        }
    }

    fn with_database(server: &str, name: &str) -> String {
        let (address, query) = server.split_once('?').unwrap_or((server, ""));
        let (scheme, address) = address.split_once("://").unwrap_or(("postgres", address));
        let authority = address.split('/').next().unwrap_or_default();
        format!("{scheme}://{authority}/{name}?{query}")
    }

    #[derive(Debug, thiserror::Error)]
    enum Failure {
        #[error("{0}")]
        Url(#[from] crate::DatabaseUrlError),
        #[error("{0}")]
        Connect(#[from] ConnectError),
        #[error("{0}")]
        Query(#[from] diesel::result::Error),
    }

    /// As packages install them, and as containers of CI systems offer them.
    const LOCAL_SERVERS: &[&str] = &[
        "postgres://postgres@127.0.0.1:5432/postgres?connect_timeout=2",
        "postgres:///postgres?host=/var/run/postgresql",
        "postgres://postgres@/postgres?host=/var/run/postgresql",
        "postgres:///test?host=/var/run/postgresql",
    ];
}
