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
    pub(crate) fn env_file(&self) -> String {
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

/// Nothing is wrong with any row, although some have to be repaired.
pub(crate) fn healthy(made: Made) -> Pipelit {
    let mut pipelit = Pipelit::new(made);
    healthy_users(&mut pipelit, made);
    healthy_keys(&mut pipelit);
    healthy_credentials(&mut pipelit);
    pipelit
}

fn healthy_users(pipelit: &mut Pipelit, made: Made) {
    pipelit.user(
        1,
        "Ada",
        &[
            ("password_hash", &bcrypt(ADA_PASSWORD)),
            ("role", "'admin'"),
            ("first_name", "'Ada'"),
            ("last_name", "'Lovelace'"),
        ],
    );
    pipelit.user(
        2,
        "bob",
        &[
            ("password_hash", &bcrypt(BOB_PASSWORD)),
            ("totp_secret", &encrypted(TOTP)),
            ("mfa_enabled", "TRUE"),
            ("totp_last_used_at", "58000000"),
        ],
    );
    // An enrolment that was never finished, and no active key.
    pipelit.user(3, "carol", &[("totp_secret", "'not even a token'")]);
    let external = match made {
        Made::ByMigrations => ("telegram_user_id", "12345"),
        Made::ByStart => ("external_user_id", "'12345'"),
    };
    pipelit.user(4, "gw_12345", &[external, ("role", "'admin'")]);
    pipelit.user(5, "gateway_anonymous", &[]);
    pipelit.user(
        7,
        "agent_flow_node",
        &[
            ("role", "'admin'"),
            ("first_name", "'writes reports'"),
            ("totp_secret", &encrypted(TOTP)),
            ("mfa_enabled", "TRUE"),
        ],
    );
    // Its maker comes later in the table.
    pipelit.user(6, "agent_flow_child", &[("created_by_agent_id", "7")]);
}

fn healthy_keys(pipelit: &mut Pipelit) {
    let used = [("last_used_at", "'2025-05-05 05:05:05'")];
    pipelit.key(1, 1, ADA_KEY, &used);
    pipelit.key(2, 2, BOB_KEY, &[("expires_at", "'2099-01-01 00:00:00'")]);
    let second = "11111111-2222-3333-4444-555555555555";
    pipelit.key(3, 2, second, &[("name", "'laptop'")]);
    let revoked = "66666666-7777-8888-9999-000000000000";
    pipelit.key(4, 3, revoked, &[("is_active", "FALSE")]);
    pipelit.key(5, 7, AGENT_KEY, &[]);
    let session = "c2Vzc2lvbnMtYXJlLWxlZnQtb3V0LW9mLXRoZS1pbXA";
    pipelit.key(6, 1, session, &[("name", "'session'")]);
}

fn healthy_credentials(pipelit: &mut Pipelit) {
    pipelit.credential(
        1,
        1,
        "llm",
        &[
            ("provider_type", "'openai'"),
            ("api_key", &encrypted("sk-proj-0123456789abcdefwxyz")),
            ("base_url", "'https://api.example.com/v1'"),
            ("organization_id", "''"),
            ("custom_headers", r#"'{"X-Team": "secret-of-the-team"}'"#),
        ],
    );
    let twice = encrypted(&token(OLD_KEY, "sk-encrypted-twice-0001"));
    let llm = |key| {
        [
            ("provider_type", "'anthropic'"),
            ("api_key", key),
            ("base_url", "''"),
        ]
    };
    pipelit.credential(2, 2, "llm", &llm(&twice));
    pipelit.credential(3, 2, "llm", &llm("'sk-in-the-clear-0002'"));
    pipelit.credential(
        4,
        2,
        "git",
        &[
            ("provider", "'github'"),
            ("credential_type", "'token'"),
            ("access_token", &encrypted("ghp_0123456789abcdef")),
            ("ssh_private_key", "''"),
            ("username", "'bob'"),
            ("webhook_secret", "'hook-secret-0003'"),
        ],
    );
    pipelit.credential(
        5,
        2,
        "gateway",
        &[
            ("gateway_credential_id", "'tg-main'"),
            ("adapter_type", "'telegram'"),
        ],
    );
    pipelit.credential(
        6,
        7,
        "tool",
        &[
            ("tool_type", "'search'"),
            (
                "config",
                r#"'{"api_key": "brave-0004", "max_results": 5, "none": null}'"#,
            ),
            ("is_preferred", "TRUE"),
        ],
    );
    pipelit.insert(
        "workspaces",
        &[
            ("id", "1"),
            ("name", "'lab'"),
            ("user_profile_id", "2"),
            (
                "env_vars",
                r#"'[{"key": "TOKEN", "value": "raw-secret-0005", "source": "raw"},
                     {"key": "LINK", "credential_id": 1, "credential_field": "api_key",
                      "source": "credential"}]'"#,
            ),
        ],
    );
    pipelit.insert(
        "workspaces",
        &[("id", "2"), ("name", "'empty'"), ("env_vars", "'[]'")],
    );
}

/// Every secret that the healthy rows hold, and that nothing may print.
pub(crate) const SECRETS: [&str; 14] = [
    "sk-proj-0123456789abcdefwxyz",
    "secret-of-the-team",
    "sk-encrypted-twice-0001",
    "sk-in-the-clear-0002",
    "ghp_0123456789abcdef",
    "hook-secret-0003",
    "brave-0004",
    "raw-secret-0005",
    "gAAAAA",
    "$2b$",
    TOTP,
    ADA_KEY,
    BOB_KEY,
    KEY,
];

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
    format!(
        "{version}
        CREATE TABLE user_profiles (
            id INTEGER NOT NULL PRIMARY KEY,
            username VARCHAR(150) NOT NULL UNIQUE,
            password_hash VARCHAR(255) NOT NULL,
            first_name VARCHAR(150) NOT NULL,
            last_name VARCHAR(150) NOT NULL,
            {external}
            github_username VARCHAR(255) NOT NULL,
            gitlab_username VARCHAR(255) NOT NULL,
            created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
            role VARCHAR(10) NOT NULL,
            created_by_agent_id INTEGER,
            totp_secret VARCHAR(500),
            mfa_enabled BOOLEAN NOT NULL,
            totp_last_used_at INTEGER
        );
        CREATE TABLE api_keys (
            id INTEGER NOT NULL PRIMARY KEY,
            user_id INTEGER NOT NULL,
            key {key} NOT NULL UNIQUE,
            name VARCHAR(100) NOT NULL,
            prefix VARCHAR(8) NOT NULL,
            created_at DATETIME,
            last_used_at DATETIME,
            expires_at DATETIME,
            is_active BOOLEAN NOT NULL
        );
        CREATE TABLE credentials (
            id INTEGER NOT NULL PRIMARY KEY,
            user_profile_id INTEGER NOT NULL,
            name VARCHAR(255) NOT NULL,
            credential_type VARCHAR(20) NOT NULL,
            created_at DATETIME,
            updated_at DATETIME
        );
        CREATE TABLE llm_credentials (
            id INTEGER NOT NULL PRIMARY KEY,
            base_credentials_id INTEGER NOT NULL UNIQUE,
            provider_type VARCHAR(30) NOT NULL,
            api_key {text},
            base_url VARCHAR(500),
            organization_id VARCHAR(255),
            custom_headers JSON
        );
        CREATE TABLE git_credentials (
            id INTEGER NOT NULL PRIMARY KEY,
            base_credentials_id INTEGER NOT NULL UNIQUE,
            provider VARCHAR(20) NOT NULL,
            credential_type VARCHAR(20) NOT NULL,
            ssh_private_key {text},
            access_token {text},
            username VARCHAR(255),
            webhook_secret VARCHAR(255)
        );
        CREATE TABLE gateway_credentials (
            id INTEGER NOT NULL PRIMARY KEY,
            base_credentials_id INTEGER NOT NULL UNIQUE,
            gateway_credential_id VARCHAR(255) NOT NULL,
            adapter_type VARCHAR(50) NOT NULL
        );
        CREATE TABLE tool_credentials (
            id INTEGER NOT NULL PRIMARY KEY,
            base_credentials_id INTEGER NOT NULL UNIQUE,
            tool_type VARCHAR(20) NOT NULL,
            config JSON,
            is_preferred BOOLEAN
        );
        CREATE TABLE workspaces (
            id INTEGER NOT NULL PRIMARY KEY,
            name VARCHAR(255) NOT NULL,
            user_profile_id INTEGER,
            env_vars JSON
        );"
    )
}
