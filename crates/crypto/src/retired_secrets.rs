use std::sync::{Arc, PoisonError, RwLock};

use data_encoding::BASE64URL_NOPAD;
use ring::hkdf::Prk;
use ring::hmac;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::key_id::KeyId;
use crate::mac::Mac;
use crate::mac_purpose::MacPurpose;
use crate::secret::SecretText;
use crate::secret_key::{compute, purpose_bytes};

/// Secrets that are retired. They verify the events that they have signed, and nothing else, whether
/// the setting still has them or not.
#[derive(Clone, Default)]
pub(crate) struct RetiredSecrets(Arc<RwLock<Vec<Retired>>>);

struct Retired {
    id: KeyId,
    /// What verifies its events, where that is known without the setting.
    event: Option<hmac::Key>,
}

impl RetiredSecrets {
    /// The text of an audit key: URL-safe base64 of the key of events.
    pub(crate) fn export(prk: &Prk) -> SecretText {
        SecretText::new(BASE64URL_NOPAD.encode(&*purpose_bytes(prk, MacPurpose::AuditEvent)))
    }

    pub(crate) fn add(&self, id: KeyId, key: &SecretText) -> Result<(), MalformedAuditKey> {
        let decoded = BASE64URL_NOPAD.decode(key.expose().as_bytes());
        let bytes = Zeroizing::new(decoded.map_err(|_| MalformedAuditKey)?);
        if bytes.len() != BYTES {
            return Err(MalformedAuditKey);
        }
        let event = Some(hmac::Key::new(hmac::HMAC_SHA256, &bytes));
        let mut retired = self.0.write().unwrap_or_else(PoisonError::into_inner);
        retired.retain(|known| known.id != id);
        retired.push(Retired { id, event });
        Ok(())
    }

    /// Retires a secret whose audit key is not known.
    pub(crate) fn add_without_key(&self, id: KeyId) {
        if !self.has(&id) {
            let mut retired = self.0.write().unwrap_or_else(PoisonError::into_inner);
            retired.push(Retired { id, event: None });
        }
    }

    pub(crate) fn has(&self, kid: &KeyId) -> bool {
        let retired = self.0.read().unwrap_or_else(PoisonError::into_inner);
        retired.iter().any(|secret| secret.id == *kid)
    }

    pub(crate) fn reads(&self, kid: &KeyId) -> bool {
        let retired = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut retired = retired.iter();
        retired.any(|secret| secret.id == *kid && secret.event.is_some())
    }

    pub(crate) fn verify(&self, purpose: MacPurpose, parts: &[&[u8]], mac: &Mac) -> bool {
        if purpose != MacPurpose::AuditEvent {
            return false;
        }
        let retired = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let secret = retired.iter().find(|secret| secret.id == *mac.key_id());
        let key = secret.and_then(|secret| secret.event.as_ref());
        key.is_some_and(|key| compute(key, parts).ct_eq(mac.as_bytes()).into())
    }
}

/// The text is not what [`MacRing::audit_key`](crate::MacRing::audit_key) gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an audit key")]
pub struct MalformedAuditKey;

const BYTES: usize = 32;
