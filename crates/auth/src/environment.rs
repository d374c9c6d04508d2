use std::sync::Arc;

use keyward_audit::AuditLog;
use keyward_core::Clock;
use keyward_crypto::{KeyRing, MacRing};

use crate::{Advice, Hashing};

/// What the services work with. Cheap to clone where `S` is.
#[derive(Clone)]
pub struct Environment<S> {
    /// Where everything is kept.
    pub store: S,
    /// Seals second factors.
    pub fields: KeyRing,
    /// Signs rows, keys and tickets.
    pub macs: MacRing,
    /// Hashes passwords, a few at a time.
    pub hashing: Hashing,
    /// Where changes are recorded.
    pub audit: AuditLog,
    /// What other nodes say; [`NoAdvice`](crate::NoAdvice) where there are none.
    pub advice: Arc<dyn Advice>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
}
