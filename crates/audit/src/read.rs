use keyward_core::{Store, StoreError};

use crate::{AuditEvents, Record, Seq};

/// Reads the chain for people who review it.
///
/// ```
/// use keyward_audit::{Action, Actor, AuditLog, Event, ReadAudit, Subject};
/// # use std::sync::Arc;
/// # use keyward_core::{Store as _, SystemClock};
/// # use keyward_crypto::MacRing;
/// # let store = Arc::new(keyward_store_testing::MemoryStore::new());
/// # let macs = MacRing::parse(MacRing::generate_secret().expose())?;
/// # let log = AuditLog::new(macs.clone(), Arc::new(SystemClock));
///
/// // `store`, `macs` and `log` are as on the page of this crate.
/// for note in 1..=3 {
///     let event = Event::new(Actor::host(), Action("note.add"), Subject::new("note", note));
///     store.write(|tx| log.record(tx, &event))?;
/// }
/// let audit = ReadAudit::new(store);
/// let newest = audit.newest(None, 2)?;
/// let subjects: Vec<_> = newest.iter().map(|record| record.fields.subject_id.as_str()).collect();
/// assert_eq!(subjects, ["3", "2"]);
/// // The next page.
/// assert_eq!(audit.newest(Some(newest[1].fields.seq), 2)?.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
