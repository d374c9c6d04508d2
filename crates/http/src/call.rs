use keyward_auth::{Idempotency, IdempotencyKey, Visitor};
use keyward_crypto::{ApiKey, MacRing};
use zeroize::Zeroizing;

use crate::{Problem, Source};

/// A request whose key is well-formed but not checked yet, with everything that a handler may
/// read, so that the rest happens on the blocking pool in one go.
pub(crate) struct Call {
    /// `None` only where none is asked for.
    pub(crate) key: Option<ApiKey>,
    /// Method and path, for fingerprints.
    pub(crate) operation: String,
    /// The values of the path's parameters, in order.
    pub(crate) path: Vec<String>,
    pub(crate) query: String,
    pub(crate) body: Zeroizing<Vec<u8>>,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) source: Source,
}

impl Call {
    /// From where the request comes, for what is counted by that.
    pub(crate) fn visitor(&self) -> Visitor {
        Visitor {
            source: self.source.to_string(),
            request: self.request_id.clone(),
        }
    }

    /// The attempt that the client named, if it did.
    pub(crate) fn attempt(&self, macs: &MacRing) -> Result<Option<Idempotency>, Problem> {
        let Some(text) = &self.idempotency_key else {
            return Ok(None);
        };
        let key = IdempotencyKey::parse(text)
            .map_err(|error| Problem::malformed(format!("Idempotency-Key: {error}")))?;
        Ok(Some(Idempotency::new(
            key,
            &self.operation,
            &self.body,
            macs,
        )))
    }
}
