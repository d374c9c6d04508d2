use std::ops::Bound;

use keyward_audit::{AuditEvents, Head, Record, Seq};
use keyward_core::StoreError;

use super::{MemoryTx, insert, limited, refused};

impl AuditEvents for MemoryTx {
    fn lock_audit_head(&mut self) -> Result<Option<Head>, StoreError> {
        // The store lets one writer in at a time, which is lock enough.
        self.audit_head_locked = true;
        Ok(self.tables_mut()?.audit_head.clone())
    }

    fn append_audit_events(&mut self, records: &[Record], head: &Head) -> Result<(), StoreError> {
        if !self.audit_head_locked {
            return Err(refused("an event was appended without lock_audit_head"));
        }
        self.refuse_retired_secrets(records.iter().map(|record| &record.mac))?;
        let tables = self.tables_mut()?;
        for record in records {
            insert(&mut tables.audit, record.fields.seq, record.clone())?;
        }
        tables.audit_head = Some(head.clone());
        Ok(())
    }

    fn audit_head(&mut self) -> Result<Option<Head>, StoreError> {
        Ok(self.tables.audit_head.clone())
    }

    fn audit_events_after(&mut self, after: Seq, limit: i64) -> Result<Vec<Record>, StoreError> {
        let rows = (self.tables.audit)
            .range((Bound::Excluded(after), Bound::Unbounded))
            .map(|(_, row)| (**row).clone());
        Ok(limited(rows, limit))
    }

    fn audit_events_before(
        &mut self,
        before: Option<Seq>,
        limit: i64,
    ) -> Result<Vec<Record>, StoreError> {
        let to = before.map_or(Bound::Unbounded, Bound::Excluded);
        let rows = (self.tables.audit)
            .range((Bound::Unbounded, to))
            .rev()
            .map(|(_, row)| (**row).clone());
        Ok(limited(rows, limit))
    }
}
