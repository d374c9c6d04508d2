use keyward_core::StoreError;

use crate::{Head, Record, Seq};

/// The audit chain, inside a unit of work.
pub trait AuditEvents {
    /// The end of the chain, `None` while it is empty, [`Head::unreadable`] where the record of it
    /// is lost.
    ///
    /// Holds every other writer of the chain back until this unit of work ends, so that of two
    /// concurrent writers the second sees what the first has appended.
    fn lock_audit_head(&mut self) -> Result<Option<Head>, StoreError>;

    /// Appends `records`, in their order, and moves the end of the chain to `head`. Only after
    /// [`lock_audit_head`](Self::lock_audit_head) in the same unit of work.
    fn append_audit_events(&mut self, records: &[Record], head: &Head) -> Result<(), StoreError>;

    /// The same without a lock.
    fn audit_head(&mut self) -> Result<Option<Head>, StoreError>;

    /// Up to `limit` rows after `after`, oldest first. A row whose MAC cannot be read is among them
    /// with [`Mac::unreadable`](keyward_crypto::Mac::unreadable).
    fn audit_events_after(&mut self, after: Seq, limit: i64) -> Result<Vec<Record>, StoreError>;

    /// Up to `limit` rows before `before` (from the end when `None`), newest first.
    fn audit_events_before(
        &mut self,
        before: Option<Seq>,
        limit: i64,
    ) -> Result<Vec<Record>, StoreError>;
}
