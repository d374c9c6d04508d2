use keyward_core::{Store, StoreError};

use crate::{AuditEvents, Record, Seq};

/// Reads the chain for people who review it.
pub struct ReadAudit<S> {
    store: S,
}

impl<S: Store<Tx: AuditEvents>> ReadAudit<S> {
    /// Wires the service.
    pub fn new(store: S) -> Self {
        Self { store }
    }

    /// Up to `limit` events before `before`, newest first.
    pub fn newest(&self, before: Option<Seq>, limit: i64) -> Result<Vec<Record>, StoreError> {
        self.store
            .lookup(|tx| tx.audit_events_before(before, limit))
    }

    /// Up to `limit` events after `after`, oldest first; 0 is before all.
    pub fn oldest(&self, after: Seq, limit: i64) -> Result<Vec<Record>, StoreError> {
        self.store.lookup(|tx| tx.audit_events_after(after, limit))
    }
}
