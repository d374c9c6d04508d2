use std::fmt;

/// What can be set. One table for the environment and `keyward.toml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    FieldEncryptionKey,
    SecretKey,
    DatabaseUrl,
    RedisUrl,
    KeywardEnv,
    Bind,
    TlsCertFile,
    TlsKeyFile,
    PublicAddress,
    Debug,
    CorsAllowAllOrigins,
    CorsOrigins,
    TrustedProxies,
    BrokerAllowPrivate,
    CredentialScope,
    AgentRequireAudience,
    TotpSkew,
    LogFormat,
    LogLevel,
    MetricsBind,
    OtlpEndpoint,
    CheckWaivers,
    DataDir,
}

impl Name {
    pub(crate) const ALL: [Self; 23] = [
        Self::FieldEncryptionKey,
        Self::SecretKey,
        Self::DatabaseUrl,
        Self::RedisUrl,
        Self::KeywardEnv,
        Self::Bind,
        Self::TlsCertFile,
        Self::TlsKeyFile,
        Self::PublicAddress,
        Self::Debug,
        Self::CorsAllowAllOrigins,
        Self::CorsOrigins,
        Self::TrustedProxies,
        Self::BrokerAllowPrivate,
        Self::CredentialScope,
        Self::AgentRequireAudience,
        Self::TotpSkew,
        Self::LogFormat,
        Self::LogLevel,
        Self::MetricsBind,
        Self::OtlpEndpoint,
        Self::CheckWaivers,
        Self::DataDir,
    ];

    /// The environment variable.
    pub(crate) fn variable(self) -> &'static str {
        match self {
            Self::FieldEncryptionKey => "FIELD_ENCRYPTION_KEY",
            Self::SecretKey => "SECRET_KEY",
            Self::DatabaseUrl => "DATABASE_URL",
            Self::RedisUrl => "REDIS_URL",
            Self::KeywardEnv => "KEYWARD_ENV",
            Self::Bind => "BIND",
            Self::TlsCertFile => "TLS_CERT_FILE",
            Self::TlsKeyFile => "TLS_KEY_FILE",
            Self::PublicAddress => "PUBLIC_ADDRESS",
            Self::Debug => "DEBUG",
            Self::CorsAllowAllOrigins => "CORS_ALLOW_ALL_ORIGINS",
            Self::CorsOrigins => "CORS_ORIGINS",
            Self::TrustedProxies => "TRUSTED_PROXIES",
            Self::BrokerAllowPrivate => "BROKER_ALLOW_PRIVATE",
            Self::CredentialScope => "CREDENTIAL_SCOPE",
            Self::AgentRequireAudience => "AGENT_REQUIRE_AUDIENCE",
            Self::TotpSkew => "TOTP_SKEW",
            Self::LogFormat => "LOG_FORMAT",
            Self::LogLevel => "LOG_LEVEL",
            Self::MetricsBind => "METRICS_BIND",
            Self::OtlpEndpoint => "OTEL_EXPORTER_OTLP_ENDPOINT",
            Self::CheckWaivers => "CHECK_WAIVERS",
            Self::DataDir => "DATA_DIR",
        }
    }

    /// The key in `keyward.toml`.
    pub(crate) fn key(self) -> String {
        self.variable().to_lowercase()
    }

    /// The variable that names a file with the value, for a secret.
    pub(crate) fn file_variable(self) -> Option<String> {
        self.is_secret().then(|| twin(self.variable()))
    }

    /// What it is for, in a sentence: for the manual and the reference.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::FieldEncryptionKey => {
                "The keys that encrypt what is stored: one Fernet key, or several, newest first, with commas between them."
            }
            Self::SecretKey => {
                "The secret that authenticates API keys, rows and the audit log; or several, newest first."
            }
            Self::DatabaseUrl => {
                "Where the database is: sqlite://relative/path, sqlite:///absolute/path or postgres://…"
            }
            Self::RedisUrl => {
                "A Redis by which several servers have less to do: redis://, rediss:// or unix://. Nothing needs it."
            }
            Self::KeywardEnv => {
                "development or production, where nothing is generated and every blocking check must pass."
            }
            Self::Bind => "The address and the port to listen on.",
            Self::TlsCertFile => "The certificate chain of the server, in PEM, for TLS of its own.",
            Self::TlsKeyFile => "The private key that belongs to it, in PEM.",
            Self::PublicAddress => {
                "The address that clients reach the server by, where it is another than BIND."
            }
            Self::Debug => "Refused in production.",
            Self::CorsAllowAllOrigins => {
                "Lets web pages of all origins read answers. Refused in production."
            }
            Self::CorsOrigins => {
                "The origins whose web pages can read answers, with commas between them."
            }
            Self::TrustedProxies => {
                "Addresses and networks of proxies that say who the client is; in production nobody else is served."
            }
            Self::BrokerAllowPrivate => {
                "Hosts and networks that the broker may reach although they are private."
            }
            Self::CredentialScope => {
                "global, or owner: then everybody but administrators sees only what they made."
            }
            Self::AgentRequireAudience => "Whether agents have to name the receiver of every code.",
            Self::TotpSkew => {
                "How many steps of 30 seconds before the current one have their codes of authenticator apps taken: 1 or 0."
            }
            Self::LogFormat => "text or json.",
            Self::LogLevel => {
                "How much is logged: error, warn, info, debug or trace, also for single modules."
            }
            Self::MetricsBind => "An address and a port of their own for metrics and health.",
            Self::OtlpEndpoint => "Where traces are sent, over OTLP.",
            Self::CheckWaivers => {
                "Checks that do not have to hold for a while: ID until YYYY-MM-DD because REASON."
            }
            Self::DataDir => "The folder for the database and the keys that development generates.",
        }
    }

    /// Whether no message may hold the value. Such a setting has a twin that names a file.
    pub(crate) fn is_secret(self) -> bool {
        matches!(
            self,
            Self::FieldEncryptionKey | Self::SecretKey | Self::DatabaseUrl | Self::RedisUrl
        )
    }

    /// Whether the value is a key, which nobody but the owner of its file may read.
    pub(crate) fn is_key(self) -> bool {
        matches!(self, Self::FieldEncryptionKey | Self::SecretKey)
    }

    /// What holds when nothing is set.
    pub(crate) fn default_value(self) -> Option<&'static str> {
        match self {
            Self::KeywardEnv => Some("development"),
            Self::Bind => Some("127.0.0.1:8080"),
            Self::Debug | Self::CorsAllowAllOrigins | Self::AgentRequireAudience => Some("false"),
            Self::CredentialScope => Some("global"),
            Self::TotpSkew => Some("1"),
            Self::LogFormat => Some("text"),
            Self::LogLevel => Some("info"),
            Self::DataDir => Some("keyward-data"),
            Self::FieldEncryptionKey
            | Self::SecretKey
            | Self::DatabaseUrl
            | Self::RedisUrl
            | Self::TlsCertFile
            | Self::TlsKeyFile
            | Self::MetricsBind
            | Self::OtlpEndpoint
            | Self::CheckWaivers
            | Self::PublicAddress
            | Self::CorsOrigins
            | Self::TrustedProxies
            | Self::BrokerAllowPrivate => None,
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.variable())
    }
}

/// Every environment variable that is read: each setting, and the `_FILE` twins.
pub(super) fn variables() -> impl Iterator<Item = String> {
    Name::ALL.into_iter().flat_map(|name| {
        let twin = name.is_secret().then(|| twin(name.variable()));
        [Some(name.variable().to_owned()), twin]
            .into_iter()
            .flatten()
    })
}

/// The variables that hold secrets themselves.
pub(crate) fn secret_variables() -> impl Iterator<Item = &'static str> {
    let secret = Name::ALL.into_iter().filter(|name| name.is_secret());
    secret.map(Name::variable)
}

/// The variable that names a file with the value of `variable`.
pub(super) fn twin(variable: &str) -> String {
    format!("{variable}_FILE")
}

/// The variable that was probably meant by `unknown`, in any case and with or without a prefix.
pub(super) fn nearest(unknown: &str) -> Option<String> {
    let unknown = unknown.to_uppercase();
    let bare = unknown.strip_prefix(PREFIX).unwrap_or(&unknown);
    variables()
        .map(|known| {
            let distance = strsim::damerau_levenshtein(&unknown, &known)
                .min(strsim::damerau_levenshtein(bare, &known));
            (distance, known)
        })
        .filter(|(distance, known)| *distance <= 1 + known.len() / 5)
        .min()
        .map(|(_, known)| known)
}

/// Variables that begin so are ours: one that is not known was misspelled.
pub(super) const PREFIX: &str = "KEYWARD_";

/// What clients keep their key in, as `keyward env` tells them to. It may well be set where this runs, and sets nothing.
pub(super) const OF_CLIENTS: &str = "KEYWARD_API_KEY";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelled_name_has_a_suggestion() {
        let cases = [
            ("KEYWARD_ENVIRONMENT", None),
            ("KEYWARD_EVN", Some("KEYWARD_ENV")),
            ("KEYWARD_DEBUG", Some("DEBUG")),
            ("KEYWARD_SECRET_KEY_FILE", Some("SECRET_KEY_FILE")),
            ("cors_origin", Some("CORS_ORIGINS")),
            ("field_encryption_keys", Some("FIELD_ENCRYPTION_KEY")),
            ("redis_urls", Some("REDIS_URL")),
        ];
        for (unknown, expected) in cases {
            assert_eq!(nearest(unknown).as_deref(), expected, "{unknown}");
        }
    }

    #[test]
    fn every_key_and_url_is_a_secret_with_a_file_twin() {
        for name in Name::ALL {
            let variable = name.variable();
            let looks_secret = variable.ends_with("_KEY") || variable.ends_with("_URL");
            assert_eq!(name.is_secret(), looks_secret, "{variable}");
            assert_eq!(
                variables().any(|known| known == twin(variable)),
                looks_secret
            );
        }
    }
}
