use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::ClientConfig;
use rustls::crypto::ring;

use super::AllowPrivate;
use super::resolve::{Checked, LookUp};

/// What clients need to speak TLS, read once.
#[derive(Default)]
pub(super) struct Tls {
    config: OnceLock<ClientConfig>,
}

impl Tls {
    /// A client that connects to checked addresses only.
    pub(super) fn client(
        &self,
        allow: &AllowPrivate,
        names: &Arc<dyn LookUp>,
    ) -> Result<reqwest::Client, ClientError> {
        let resolver = Checked {
            names: Arc::clone(names),
            allow: allow.clone(),
        };
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(self.config()?)
            .dns_resolver(Arc::new(resolver))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .pool_idle_timeout(IDLE)
            .tcp_keepalive(KEEP_ALIVE)
            .tcp_nodelay(true)
            .build()?;
        Ok(client)
    }

    fn config(&self) -> Result<ClientConfig, ClientError> {
        if let Some(config) = self.config.get() {
            return Ok(config.clone());
        }
        let made = configured()?;
        Ok(self.config.get_or_init(|| made).clone())
    }
}

/// Trusts whom the system trusts. A system that trusts nobody can still be asked for hosts that
/// speak no TLS.
fn configured() -> Result<ClientConfig, ClientError> {
    let mut roots = rustls::RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (added, ignored) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        tracing::warn!(
            errors = found.errors.len(),
            "the system has no certificates of authorities, so no service can be trusted over \
             https; install them (ca-certificates) or name a file in SSL_CERT_FILE"
        );
    } else {
        tracing::debug!(added, ignored, "read the certificates of authorities");
    }
    let provider = Arc::new(ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// There is no client.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
    #[error("the client for other services cannot be set up")]
    Client(#[from] reqwest::Error),
}

const CONNECT: Duration = Duration::from_secs(10);
/// Between two pieces of an answer. Models can think for minutes in silence.
const SILENCE: Duration = Duration::from_mins(10);
const IDLE: Duration = Duration::from_secs(90);
const KEEP_ALIVE: Duration = Duration::from_mins(1);
