use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::Client;
use reqwest::redirect::Policy;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;

use super::resolver::{Lookup, Resolver, Rule, Scheme};

/// Why no request can be sent at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// This machine knows no certificate authority, so no service can prove who it is.
    #[error(
        "no certificate authorities were found: install the package ca-certificates, or name a \
         file of them in SSL_CERT_FILE"
    )]
    NoAuthorities(#[source] rustls::Error),
    /// TLS could not be set up.
    #[error("TLS could not be set up")]
    Tls(#[source] rustls::Error),
    /// The client could not be set up.
    #[error("the HTTP client could not be set up")]
    Client(#[source] reqwest::Error),
}

/// A client for requests of one scheme.
///
/// They differ in what addresses they connect to, so connections of one must not serve the other.
pub(super) fn build(rule: Rule, lookup: Arc<dyn Lookup>, tls: &Tls) -> Result<Client, ClientError> {
    let tls = tls.of(rule.scheme)?;
    Client::builder()
        .tls_backend_preconfigured(tls)
        .dns_resolver(Resolver { rule, lookup })
        // A redirect would carry the credential to wherever the service says.
        .redirect(Policy::none())
        .referer(false)
        // A proxy would resolve names itself, past the resolver. The environment may name one.
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        .tcp_keepalive(TCP_KEEPALIVE)
        .tcp_nodelay(true)
        .build()
        .map_err(ClientError::Client)
}

/// What clients need to know of TLS, found out once: reading all certificates takes a while.
#[derive(Default)]
pub(super) struct Tls {
    http: OnceLock<ClientConfig>,
    https: OnceLock<ClientConfig>,
}

impl Tls {
    fn of(&self, scheme: Scheme) -> Result<ClientConfig, ClientError> {
        let place = match scheme {
            Scheme::Http => &self.http,
            Scheme::Https => &self.https,
        };
        if let Some(config) = place.get() {
            return Ok(config.clone());
        }
        let config = tls(scheme)?;
        Ok(place.get_or_init(|| config).clone())
    }
}

/// TLS with ring, given explicitly: a process may have chosen another default, or none.
fn tls(scheme: Scheme) -> Result<ClientConfig, ClientError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(ClientError::Tls)?;
    let mut config = match scheme {
        Scheme::Https => builder
            .dangerous() // by the name of the method: the verifier is that of the system
            .with_custom_certificate_verifier(verifier(provider)?),
        // Nobody to trust: hosts in the clear work on machines without certificates.
        Scheme::Http => builder.with_root_certificates(RootCertStore::empty()),
    }
    .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn verifier(provider: Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, ClientError> {
    Ok(Arc::new(
        Verifier::new(provider).map_err(ClientError::NoAuthorities)?,
    ))
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(90);

const TCP_KEEPALIVE: Duration = Duration::from_mins(1);
