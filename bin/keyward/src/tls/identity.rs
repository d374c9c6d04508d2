use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use keyward_core::Timestamp;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::parse_x509_certificate;
use zeroize::Zeroizing;

use crate::private_path;
use crate::settings::TlsFiles;

/// A certificate chain with the private key that belongs to it.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) key: CertifiedKey,
    /// When the certificate of the server ends to be valid.
    pub(crate) not_after: Timestamp,
}

impl Identity {
    /// Reads both files, and checks that they belong together.
    pub(crate) fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        let chain = certificates(&files.certificates)?;
        let not_after = chain
            .first()
            .and_then(|leaf| parse_x509_certificate(leaf).ok())
            .map(|(_, leaf)| Timestamp(leaf.validity().not_after.timestamp()))
            .ok_or_else(|| TlsError::NoCertificate(files.certificates.clone()))?;
        let key = private_key(&files.key)?;
        // Compares the key with the certificate, too.
        let key = CertifiedKey::from_der(chain, key, &ring::default_provider())
            .map_err(|error| TlsError::of_key(&error, files))?;
        Ok(Self { key, not_after })
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = fs::read(path).map_err(|source| TlsError::unreadable(path, source))?;
    CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .ok()
        .filter(|chain| !chain.is_empty())
        .ok_or_else(|| TlsError::NoCertificate(path.to_owned()))
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let unreadable = |source| TlsError::unreadable(path, source);
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if private_path::is_open_to_others(&metadata) {
        return Err(TlsError::Exposed {
            path: path.to_owned(),
            mode: private_path::permission_bits(&metadata),
        });
    }
    let pem = Zeroizing::new(fs::read(path).map_err(unreadable)?);
    PrivateKeyDer::from_pem_slice(&pem).map_err(|_| TlsError::NoKey(path.to_owned()))
}

/// Why the files cannot be used. Nothing of their content is in it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{} holds no certificate; TLS_CERT_FILE has to name one in PEM", .0.display())]
    NoCertificate(PathBuf),
    #[error("{} holds no private key; TLS_KEY_FILE has to name one in PEM, without a passphrase", .0.display())]
    NoKey(PathBuf),
    #[error("everybody on this machine can access {} (mode {mode:04o}); run `chmod 600 {}`", path.display(), path.display())]
    Exposed { path: PathBuf, mode: u32 },
    #[error("the private key in {} does not belong to the certificate in {}", key.display(), certificates.display())]
    Mismatch { key: PathBuf, certificates: PathBuf },
    #[error("the private key in {} is of no kind that is supported here; use RSA of 2048 bits or more, ECDSA with P-256 or P-384, or Ed25519", .0.display())]
    UnsupportedKey(PathBuf),
}

impl TlsError {
    fn unreadable(path: &Path, source: io::Error) -> Self {
        Self::Unreadable {
            path: path.to_owned(),
            source,
        }
    }

    fn of_key(error: &rustls::Error, files: &TlsFiles) -> Self {
        if matches!(error, rustls::Error::InconsistentKeys(_)) {
            return Self::Mismatch {
                key: files.key.clone(),
                certificates: files.certificates.clone(),
            };
        }
        Self::UnsupportedKey(files.key.clone())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use rcgen::{CertificateParams, KeyPair};
    use tempfile::TempDir;

    use super::*;

    /// Writes a certificate for `localhost` that ends in 2030, and its key.
    pub(crate) fn files(folder: &TempDir) -> TlsFiles {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2030, 1, 31);
        let certificate = params.self_signed(&key).unwrap();
        let files = TlsFiles {
            certificates: folder.path().join("certificate.pem"),
            key: folder.path().join("key.pem"),
        };
        fs::write(&files.certificates, certificate.pem()).unwrap();
        fs::write(&files.key, key.serialize_pem()).unwrap();
        mode(&files.key, 0o600);
        files
    }

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_certificate_with_its_key_is_loaded() {
        let folder = TempDir::new().unwrap();
        let identity = Identity::load(&files(&folder)).unwrap();
        assert_eq!(identity.not_after.to_string(), "2030-01-31T00:00:00Z");
        assert_eq!(identity.key.cert.len(), 1);
    }

    #[test]
    fn files_that_do_not_belong_together_are_refused() {
        let (folder, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let mixed = TlsFiles {
            key: files(&other).key,
            ..files(&folder)
        };
        assert!(matches!(
            Identity::load(&mixed),
            Err(TlsError::Mismatch { .. })
        ));
    }

    #[test]
    fn a_key_that_everybody_can_read_is_refused_and_one_for_a_group_is_not() {
        let folder = TempDir::new().unwrap();
        let files = files(&folder);
        for (bits, refused) in [(0o600, false), (0o640, false), (0o644, true), (0o660, true)] {
            mode(&files.key, bits);
            let exposed = matches!(Identity::load(&files), Err(TlsError::Exposed { .. }));
            assert_eq!(exposed, refused, "{bits:o}");
        }
    }

    #[test]
    fn what_is_no_certificate_and_no_key_is_told_apart() {
        let folder = TempDir::new().unwrap();
        let files = files(&folder);
        let swapped = TlsFiles {
            certificates: files.key.clone(),
            key: files.certificates.clone(),
        };
        assert!(matches!(
            Identity::load(&swapped),
            Err(TlsError::NoCertificate(_))
        ));
        fs::write(&files.key, "-----BEGIN PRIVATE KEY-----\nAAAA").unwrap();
        assert!(matches!(Identity::load(&files), Err(TlsError::NoKey(_))));
        fs::remove_file(&files.key).unwrap();
        assert!(matches!(
            Identity::load(&files),
            Err(TlsError::Unreadable { .. })
        ));
    }
}
