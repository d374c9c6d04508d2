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

/// What is left of retired secrets: the keys of their part of the audit log. They verify, and sign
/// nothing.
#[derive(Clone, Default)]
pub(crate) struct AuditKeys(Arc<RwLock<Vec<AuditKey>>>);

struct AuditKey {
    id: KeyId,
    event: hmac::Key,
    head: hmac::Key,
}

impl AuditKeys {
    /// The text of an audit key: URL-safe base64 of the keys of events and of heads.
    pub(crate) fn export(prk: &Prk) -> SecretText {
        let mut bytes = Zeroizing::new(Vec::with_capacity(BYTES));
        for purpose in PURPOSES {
            bytes.extend_from_slice(&*purpose_bytes(prk, purpose));
        }
        SecretText::new(BASE64URL_NOPAD.encode(&bytes))
    }

    pub(crate) fn add(&self, id: KeyId, key: &SecretText) -> Result<(), MalformedAuditKey> {
        let decoded = BASE64URL_NOPAD.decode(key.expose().as_bytes());
        let bytes = Zeroizing::new(decoded.map_err(|_| MalformedAuditKey)?);
        let (event, head) = bytes
            .split_at_checked(BYTES / PURPOSES.len())
            .filter(|_| bytes.len() == BYTES)
            .ok_or(MalformedAuditKey)?;
        let key = AuditKey {
            id,
            event: hmac::Key::new(hmac::HMAC_SHA256, event),
            head: hmac::Key::new(hmac::HMAC_SHA256, head),
        };
        let mut keys = self.0.write().unwrap_or_else(PoisonError::into_inner);
        keys.retain(|known| known.id != id);
        keys.push(key);
        Ok(())
    }

    pub(crate) fn holds(&self, kid: &KeyId) -> bool {
        let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
        keys.iter().any(|key| key.id == *kid)
    }

    pub(crate) fn verify(&self, purpose: MacPurpose, parts: &[&[u8]], mac: &Mac) -> bool {
        let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let key = keys.iter().find(|key| key.id == *mac.key_id());
        let key = key.and_then(|key| match purpose {
            MacPurpose::AuditEvent => Some(&key.event),
            MacPurpose::AuditHead => Some(&key.head),
            _ => None,
        });
        key.is_some_and(|key| compute(key, parts).ct_eq(mac.as_bytes()).into())
    }
}

/// The text is not what [`MacRing::audit_key`](crate::MacRing::audit_key) gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an audit key")]
pub struct MalformedAuditKey;

const PURPOSES: [MacPurpose; 2] = [MacPurpose::AuditEvent, MacPurpose::AuditHead];
const BYTES: usize = 32 * PURPOSES.len();
