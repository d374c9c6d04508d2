use std::path::PathBuf;

use keyward_crypto::{PlainFernet, TotpSecret};
use keyward_store_diesel::testing::TestDatabase;
use tempfile::TempDir;

use crate::running::Sql;

/// Which program has made the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Made {
    /// Its migrations, to the last one.
    ByMigrations,
    /// Its start on an empty database.
    ByStart,
}

/// A database of Pipelit. It goes when this is dropped.
pub(crate) struct Pipelit {
    sql: Sql,
    place: Place,
}

enum Place {
    File(TempDir),
    Server(TestDatabase),
}

impl Pipelit {
    pub(crate) fn new(made: Made) -> Self {
        let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut sql = Sql::sqlite(&dir.path().join("pipelit.db"));
        sql.run("PRAGMA journal_mode = WAL");
        sql.run(&schema(made));
        Self {
            sql,
            place: Place::File(dir),
        }
    }

    /// With tables of the test's own.
    pub(crate) fn with_schema(schema: &str) -> Self {
        let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut sql = Sql::sqlite(&dir.path().join("pipelit.db"));
        sql.run(schema);
        Self {
            sql,
            place: Place::File(dir),
        }
    }

    pub(crate) fn on_postgres() -> Option<Self> {
        let database = TestDatabase::postgres()?;
        let mut sql = Sql::postgres(database.url());
        sql.run(&schema(Made::ByStart).replace("DATETIME", "TIMESTAMP"));
        Some(Self {
            sql,
            place: Place::Server(database),
        })
    }

    pub(crate) fn url(&self) -> String {
        match &self.place {
            Place::File(_) => format!("sqlite://{}", self.path().display()),
            Place::Server(database) => database.url().to_owned(),
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        match &self.place {
            Place::File(dir) => dir.path().join("pipelit.db"),
            Place::Server(_) => panic!("no file"),
        }
    }

    pub(crate) fn sql(&mut self) -> &mut Sql {
        &mut self.sql
    }

    /// The `.env` of Pipelit: the key was changed once, and rows are under either.
    pub(crate) fn env_file() -> String {
        format!("DEBUG=1\nFIELD_ENCRYPTION_KEY={OLD_KEY}\nFIELD_ENCRYPTION_KEY=\"{KEY}\" # new\n")
    }

    /// Inserts one row; values are SQL.
    pub(crate) fn insert(&mut self, table: &str, values: &[(&str, &str)]) {
        let names: Vec<_> = values.iter().map(|(name, _)| *name).collect();
        let values: Vec<_> = values.iter().map(|(_, value)| *value).collect();
        self.sql.run(&format!(
            "INSERT INTO {table} ({}) VALUES ({})",
            names.join(", "),
            values.join(", ")
        ));
    }

    pub(crate) fn user(&mut self, id: i64, username: &str, more: &[(&str, &str)]) {
        let defaults = [
            ("id", id.to_string()),
            ("username", quoted(username)),
            ("password_hash", "''".to_owned()),
            ("first_name", "''".to_owned()),
            ("last_name", "''".to_owned()),
            ("github_username", "''".to_owned()),
            ("gitlab_username", "''".to_owned()),
            ("created_at", "'2025-03-04 05:06:07.123456'".to_owned()),
            ("role", "'normal'".to_owned()),
            ("mfa_enabled", "FALSE".to_owned()),
        ];
        self.with_defaults("user_profiles", &defaults, more);
    }

    pub(crate) fn key(&mut self, id: i64, user: i64, key: &str, more: &[(&str, &str)]) {
        let defaults = [
            ("id", id.to_string()),
            ("user_id", user.to_string()),
            ("key", quoted(key)),
            ("name", "'default'".to_owned()),
            ("prefix", quoted(&key.chars().take(8).collect::<String>())),
            ("created_at", "'2025-04-05 06:07:08'".to_owned()),
            ("is_active", "TRUE".to_owned()),
        ];
        self.with_defaults("api_keys", &defaults, more);
    }

    /// A credential with the row of its type, which has the number of the credential and 100.
    pub(crate) fn credential(&mut self, id: i64, user: i64, kind: &str, detail: &[(&str, &str)]) {
        let defaults = [
            ("id", id.to_string()),
            ("user_profile_id", user.to_string()),
            ("name", quoted(&format!("{kind} {id}"))),
            ("credential_type", quoted(kind)),
            ("created_at", "'2025-05-06 07:08:09'".to_owned()),
            ("updated_at", "'2025-06-07 08:09:10'".to_owned()),
        ];
        self.with_defaults("credentials", &defaults, &[]);
        let base = [
            ("id", (id + 100).to_string()),
            ("base_credentials_id", id.to_string()),
        ];
        self.with_defaults(&format!("{kind}_credentials"), &base, detail);
    }

    pub(crate) fn with_defaults(
        &mut self,
        table: &str,
        defaults: &[(&str, String)],
        more: &[(&str, &str)],
    ) {
        let given = |name: &str| more.iter().any(|(other, _)| *other == name);
        let defaults = defaults.iter().filter(|(name, _)| !given(name));
        let mut values: Vec<_> = defaults
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        values.extend(more);
        self.insert(table, &values);
    }
}

/// A text as SQL.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A value as Pipelit encrypts it, as SQL.
pub(crate) fn encrypted(text: &str) -> String {
    quoted(&token(KEY, text))
}

/// A token under one key.
pub(crate) fn token(key: &str, text: &str) -> String {
    PlainFernet::parse(key)
        .unwrap()
        .encrypt(text.as_bytes(), 1_750_000_000)
}

/// A hash of bcrypt as SQL. Cheap: what it costs is not what these tests are about.
pub(crate) fn bcrypt(password: &str) -> String {
    let hash = bcrypt::hash_with_salt(password, 4, *b"sixteen bytes ..").unwrap();
    quoted(&hash.format_for_version(bcrypt::Version::TwoB))
}

pub(crate) fn totp() -> TotpSecret {
    TotpSecret::from_base32(TOTP).unwrap()
}

pub(crate) const KEY: &str = "3v9QpZ7tLwXr2NfBhGmCs5DjUa8eKo4iTyVx6RlWzQ4=";
pub(crate) const OLD_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
pub(crate) const LOST_KEY: &str = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";
pub(crate) const TOTP: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
pub(crate) const ADA_KEY: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";
pub(crate) const BOB_KEY: &str = "V2hhdF9hX2xvdmVseS1rZXktaXQtaXMtZm9yLXRlc3Q";
pub(crate) const AGENT_KEY: &str = "YW5fYWdlbnRfaGFzX2Ffa2V5X29mX2l0c19vd25fLV8";
pub(crate) const ADA_PASSWORD: &str = "short-pw";
pub(crate) const BOB_PASSWORD: &str = "correct horse battery staple";

/// The two schemas differ in types, and in columns that were or were not dropped.
fn schema(made: Made) -> String {
    let (text, key, external, version) = match made {
        Made::ByMigrations => (
            "TEXT",
            "VARCHAR(36)",
            "external_user_id VARCHAR(255), telegram_user_id BIGINT UNIQUE,",
            "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
             INSERT INTO alembic_version VALUES ('c5d6e7f8a9b0');",
        ),
        Made::ByStart => (
            "VARCHAR(2000)",
            "VARCHAR(64)",
            "external_user_id VARCHAR(255) UNIQUE,",
            "",
        ),
    };
    let tables = include_str!("schema.sql")
        .replace("EXTERNAL", external)
        .replace("KEY_TYPE", key)
        .replace("TEXT_TYPE", text);
    format!("{version}\n{tables}")
}
