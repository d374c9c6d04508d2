use std::path::PathBuf;

use super::error::SettingsError;
use super::layers::Layers;
use super::name::Name;

/// Where the certificate chain and its private key are, as PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    /// `TLS_CERT_FILE`: the certificate of the server first, then those between it and the root.
    pub(crate) certificates: PathBuf,
    /// `TLS_KEY_FILE`
    pub(crate) key: PathBuf,
}

impl TlsFiles {
    /// Both or neither: with one of them alone a server would listen without TLS, against what was
    /// meant.
    pub(super) fn take(layers: &mut Layers) -> Result<Option<Self>, SettingsError> {
        let certificates = layers.take(Name::TlsCertFile);
        let key = layers.take(Name::TlsKeyFile);
        let (given, other) = match (certificates, key) {
            (None, None) => return Ok(None),
            (Some(certificates), Some(key)) => {
                return Ok(Some(Self {
                    certificates: certificates.text()?.into(),
                    key: key.text()?.into(),
                }));
            }
            (Some(given), None) => (given, Name::TlsKeyFile),
            (None, Some(given)) => (given, Name::TlsCertFile),
        };
        Err(SettingsError::Invalid {
            name: given.name,
            origin: given.origin,
            problem: format!("is set without {other}; set both or neither"),
        })
    }
}
