//! Settings: defaults, then `keyward.toml` or the file of `--config`, then the environment.
//!
//! Loading understands every value or refuses to go on; nothing falls back to a default because it
//! was misspelled. Secrets are located, and read only where they are needed.

mod environment;
mod error;
mod file;
mod layers;
mod name;
mod origin;
mod secret;
mod tls;
mod value;
mod waiver;
mod web_origin;

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use keyward_broker::{AllowPrivate, AllowPrivateError};
use keyward_crypto::{SecretText, TotpWindow};
use keyward_http::Network;
use keyward_redis::{RedisUrl, RedisUrlError};
use keyward_store_diesel::{DatabaseUrl, DatabaseUrlError};

use crate::logging;

use self::environment::Environment;
use self::layers::{Given, Layers};

pub(crate) use self::error::SettingsError;
pub(crate) use self::name::{Name, secret_variables};
pub(crate) use self::origin::Origin;
pub(crate) use self::secret::SecretSource;
pub(crate) use self::tls::TlsFiles;
pub(crate) use self::waiver::Waiver;

/// Everything that can be set, understood but for the secrets.
#[derive(Debug)]
pub(crate) struct Settings {
    /// `KEYWARD_ENV`
    pub(crate) mode: Mode,
    /// `BIND`
    pub(crate) bind: SocketAddr,
    /// `TLS_CERT_FILE` and `TLS_KEY_FILE`
    pub(crate) tls: Option<TlsFiles>,
    /// `METRICS_BIND`
    pub(crate) metrics_bind: Option<SocketAddr>,
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`
    pub(crate) otlp_endpoint: Option<String>,
    /// `CHECK_WAIVERS`
    pub(crate) waivers: Vec<Waiver>,
    /// `PUBLIC_ADDRESS`; see [`Settings::public_address`]
    public_address: Option<String>,
    /// `DEBUG`
    pub(crate) debug: bool,
    /// `CORS_ALLOW_ALL_ORIGINS` and `CORS_ORIGINS`
    pub(crate) cors: Cors,
    /// `TRUSTED_PROXIES`
    pub(crate) trusted_proxies: Vec<Network>,
    /// `BROKER_ALLOW_PRIVATE`
    pub(crate) broker_allow_private: AllowPrivate,
    /// `AGENT_REQUIRE_AUDIENCE`
    pub(crate) agent_require_audience: bool,
    /// `TOTP_SKEW`
    pub(crate) totp_window: TotpWindow,
    /// `CREDENTIAL_SCOPE`
    pub(crate) credential_scope: CredentialScope,
    /// `LOG_FORMAT` and `LOG_LEVEL`
    pub(crate) log: LogSettings,
    /// `DATA_DIR`
    pub(crate) data_dir: PathBuf,
    /// `FIELD_ENCRYPTION_KEY` or its file
    pub(crate) field_encryption_key: Option<SecretSource>,
    /// `SECRET_KEY` or its file
    pub(crate) secret_key: Option<SecretSource>,
    /// `DATABASE_URL` or its file; see [`Settings::database_url`]
    pub(crate) database_url: Option<SecretSource>,
    /// `REDIS_URL` or its file; see [`Settings::redis_url`]
    pub(crate) redis_url: Option<SecretSource>,
}

/// What this installation is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Missing keys are generated, and checks are advice.
    Development,
    /// Nothing is generated, and every blocking check must pass.
    Production,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Development => "development",
            Self::Production => "production",
        })
    }
}

/// Which web pages may read answers.
#[derive(Debug)]
pub(crate) struct Cors {
    pub(crate) allow_all: bool,
    /// As browsers send them, or `*`.
    pub(crate) origins: Vec<String>,
}

impl Cors {
    /// Whether every web page may, by either setting.
    pub(crate) fn is_open(&self) -> bool {
        self.allow_all || self.origins.iter().any(|origin| origin == web_origin::ANY)
    }
}

/// Who sees a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CredentialScope {
    /// Everyone with the right scope.
    Global,
    /// Its creator and administrators.
    Owner,
}

/// What is logged, and how.
#[derive(Debug)]
pub(crate) struct LogSettings {
    pub(crate) format: LogFormat,
    /// Checked filter directives.
    pub(crate) directives: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

impl Settings {
    /// Reads `keyward.toml` or `config`, and the environment of the process.
    pub(crate) fn load(config: Option<&Path>) -> Result<Self, SettingsError> {
        Self::from_layers(&mut Layers::read(config, Environment::of_process()?)?)
    }

    /// Whether peers other than this machine and `TRUSTED_PROXIES` are turned away: those cannot have
    /// come by TLS.
    pub(crate) fn takes_only_proxies(&self) -> bool {
        self.mode == Mode::Production && !self.trusted_proxies.is_empty() && self.tls.is_none()
    }

    /// Where clients reach this server.
    pub(crate) fn public_address(&self) -> String {
        self.public_address
            .clone()
            .unwrap_or_else(|| local_url(self.scheme(), self.bind))
    }

    /// Of the addresses under which this server is reached directly.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Whether clients reach this server by TLS, its own or that of a proxy.
    pub(crate) fn is_behind_tls(&self) -> bool {
        self.tls.is_some() || self.takes_only_proxies()
    }

    /// Where the database is; in development, by default in the data directory.
    pub(crate) fn database_url(&self) -> Result<DatabaseUrl, DatabaseUrlProblem> {
        let text = match &self.database_url {
            Some(source) => source.read()?,
            None => self
                .default_database_url()
                .ok_or(DatabaseUrlProblem::Missing)?,
        };
        Ok(DatabaseUrl::parse(text.expose().trim())?)
    }

    /// Where Redis is, if one is set.
    pub(crate) fn redis_url(&self) -> Result<Option<RedisUrl>, RedisUrlProblem> {
        let Some(source) = &self.redis_url else {
            return Ok(None);
        };
        Ok(Some(RedisUrl::parse(source.read()?.expose().trim())?))
    }

    fn default_database_url(&self) -> Option<SecretText> {
        let url = || format!("sqlite://{}", self.data_dir.join("keyward.db").display());
        (self.mode == Mode::Development)
            .then(url)
            .map(SecretText::new)
    }

    fn from_layers(layers: &mut Layers) -> Result<Self, SettingsError> {
        let field_encryption_key = layers.take_secret(Name::FieldEncryptionKey)?;
        let secret_key = layers.take_secret(Name::SecretKey)?;
        let database_url = layers.take_secret(Name::DatabaseUrl)?;
        let redis_url = layers.take_secret(Name::RedisUrl)?;
        let mut required = |name| {
            // Each of these has a default, so the error cannot be seen.
            layers.take(name).ok_or_else(|| SettingsError::Invalid {
                name,
                origin: Origin::Default(name),
                problem: "is not set".to_owned(),
            })
        };
        let (mode, bind) = (required(Name::KeywardEnv)?, required(Name::Bind)?);
        let (debug, allow_all) = (required(Name::Debug)?, required(Name::CorsAllowAllOrigins)?);
        let scope = required(Name::CredentialScope)?;
        let (require_audience, skew) = (
            required(Name::AgentRequireAudience)?,
            required(Name::TotpSkew)?,
        );
        let (format, level) = (required(Name::LogFormat)?, required(Name::LogLevel)?);
        let data_dir = required(Name::DataDir)?;
        let (origins, proxies) = (
            layers.take(Name::CorsOrigins),
            layers.take(Name::TrustedProxies),
        );
        let url = layers.take(Name::PublicAddress);
        let (metrics_bind, otlp) = (
            layers.take(Name::MetricsBind),
            layers.take(Name::OtlpEndpoint),
        );
        let tls = TlsFiles::take(layers)?;
        let waivers = list(layers.take(Name::CheckWaivers), Waiver::parse)?;
        let private = list(layers.take(Name::BrokerAllowPrivate), parse_private)?;

        Ok(Self {
            mode: mode.parsed(Mode::parse)?,
            bind: bind.parsed(parse_bind)?,
            tls,
            metrics_bind: metrics_bind
                .map(|given| given.parsed(parse_bind))
                .transpose()?,
            otlp_endpoint: otlp.map(|given| given.parsed(public_address)).transpose()?,
            waivers,
            public_address: url.map(|given| given.parsed(public_address)).transpose()?,
            debug: debug.boolean()?,
            cors: Cors {
                allow_all: allow_all.boolean()?,
                origins: list(origins, web_origin::parse)?,
            },
            trusted_proxies: list(proxies, parse_proxies)?,
            broker_allow_private: private.into_iter().collect(),
            agent_require_audience: require_audience.boolean()?,
            totp_window: skew.number(totp_window)?,
            credential_scope: scope.parsed(CredentialScope::parse)?,
            log: LogSettings::of(format, level)?,
            data_dir: data_dir.text()?.into(),
            field_encryption_key,
            secret_key,
            database_url,
            redis_url,
        })
    }
}

/// Why there is no database to connect to. No text repeats the URL.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DatabaseUrlProblem {
    #[error("DATABASE_URL is not set")]
    Missing,
    #[error(transparent)]
    Unreadable(#[from] SettingsError),
    #[error("DATABASE_URL cannot be used: {0}")]
    Refused(#[from] DatabaseUrlError),
}

/// Why the Redis that is set cannot be asked. No text repeats the URL.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RedisUrlProblem {
    #[error(transparent)]
    Unreadable(#[from] SettingsError),
    #[error("REDIS_URL cannot be used: {0}")]
    Refused(#[from] RedisUrlError),
}

impl Mode {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "development" => Ok(Self::Development),
            "production" => Ok(Self::Production),
            _ => Err("write development or production".to_owned()),
        }
    }
}

impl CredentialScope {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "global" => Ok(Self::Global),
            "owner" => Ok(Self::Owner),
            _ => Err("write global or owner".to_owned()),
        }
    }
}

impl LogSettings {
    fn of(format: Given, level: Given) -> Result<Self, SettingsError> {
        Ok(Self {
            format: format.parsed(LogFormat::parse)?,
            directives: level.parsed(|text| logging::filter(text).map(|_| text.to_owned()))?,
        })
    }
}

impl LogFormat {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("write text or json".to_owned()),
        }
    }
}

/// No host names: what a name resolves to would decide who can connect.
fn parse_bind(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "write an IP address and a port, such as 127.0.0.1:8080".to_owned())
}

fn totp_window(skew: i64) -> Result<TotpWindow, String> {
    match skew {
        0 => Ok(TotpWindow::Current),
        1 => Ok(TotpWindow::WithPrevious),
        _ => Err("must be 0 or 1: steps before the current one whose codes are taken".to_owned()),
    }
}

fn parse_proxies(text: &str) -> Result<Network, String> {
    let network: Network = text.parse().map_err(|error| format!("{error}"))?;
    if network.is_too_wide() {
        return Err(
            "the range is so wide that nearly anybody could pretend any address; \
                    name the addresses of your proxies only"
                .to_owned(),
        );
    }
    Ok(network)
}

/// Reads the URL under which clients reach a server, and drops a slash at its end. The error is a
/// phrase.
pub(crate) fn public_address(text: &str) -> Result<String, String> {
    let url = url::Url::parse(text).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
            // It is printed for shells.
            && !url.as_str().contains('\'')
    });
    url.map(|url| url.as_str().trim_end_matches('/').to_owned())
        .ok_or_else(|| "write a URL such as https://keyward.example.com".to_owned())
}

/// This machine, where the server listens on all of its addresses.
fn local_url(scheme: &str, bind: SocketAddr) -> String {
    let mut address = bind;
    if bind.ip().is_unspecified() {
        address.set_ip(match bind {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    format!("{scheme}://{address}")
}

fn parse_private(text: &str) -> Result<AllowPrivate, String> {
    text.parse()
        .map_err(|error: AllowPrivateError| error.to_string())
}

fn list<T>(
    given: Option<Given>,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, SettingsError> {
    given.map_or_else(|| Ok(Vec::new()), |given| given.list(parse))
}

#[cfg(test)]
pub(crate) mod tests;
