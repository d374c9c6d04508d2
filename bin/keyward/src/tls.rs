//! TLS of the server's own: certificates from files, which may change while it runs.

mod identity;
mod own;
mod reload;

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;

use crate::background::Background;
use crate::exit::Failure;
use crate::settings::TlsFiles;

pub(crate) use self::identity::Identity;
pub(crate) use self::own::connect_to_own;
use self::reload::{Current, watch};

/// What connections are accepted with, and what keeps its certificate up to date.
pub(crate) struct Tls {
    pub(crate) config: ServerConfig,
    pub(crate) reloader: Background,
}

impl Tls {
    /// Reads the files; they have to be good at the start.
    pub(crate) fn start(files: &TlsFiles) -> Result<Self, Failure> {
        let identity = Identity::load(files).map_err(Failure::configuration)?;
        let current = Arc::new(Current::new(identity));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(Failure::configuration)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&current) as _);
        Ok(Self {
            config,
            reloader: watch(files.clone(), current),
        })
    }
}
