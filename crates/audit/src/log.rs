use std::sync::Arc;

use keyward_core::{Clock, StoreError};
use keyward_crypto::{Mac, MacPurpose, MacRing};

use crate::measure;
use crate::{AuditEvents, Event, Record, RecordFields, Seq};

/// Writes events at the end of the chain.
///
/// ```
/// use keyward_audit::{Action, Actor, AuditEvents as _, AuditLog, Event, Subject};
/// use keyward_core::StoreError;
/// # use std::sync::Arc;
/// # use keyward_core::{Store as _, SystemClock};
/// # use keyward_crypto::MacRing;
/// # let store = Arc::new(keyward_store_testing::MemoryStore::new());
/// # let macs = MacRing::parse(MacRing::generate_secret().expose())?;
/// # let log = AuditLog::new(macs.clone(), Arc::new(SystemClock));
///
/// // `store`, `macs` and `log` are as on the page of this crate.
/// let event = |number| Event::new(Actor::host(), Action("note.add"), Subject::new("note", number));
/// store.write(|tx| log.record_all(tx, &[event(1), event(2)]))?;
///
/// // What fails leaves no event behind either.
/// let failed: Result<(), StoreError> = store.write(|tx| {
///     log.record(tx, &event(3))?;
///     Err(StoreError::Backend("the change itself has failed".into()))
/// });
/// assert!(failed.is_err());
/// assert_eq!(store.read(|tx| tx.audit_events_after(0, 10))?.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct AuditLog {
    macs: MacRing,
    clock: Arc<dyn Clock>,
}

impl AuditLog {
    /// A log that signs with `macs`.
    #[must_use]
    pub fn new(macs: MacRing, clock: Arc<dyn Clock>) -> Self {
        Self { macs, clock }
    }

    /// Appends `event` inside the unit of work that makes the change, so that either both are
    /// kept or neither.
    ///
    /// Call it last: from here to the commit every other writer waits.
    ///
    /// # Errors
    ///
    /// Besides what the store reports, [`StoreError::Corrupt`] when the end of the chain is not
    /// the one that was written last. Nothing is recorded behind a chain that was cut off.
    pub fn record(&self, tx: &mut impl AuditEvents, event: &Event) -> Result<(), StoreError> {
        self.record_all(tx, std::slice::from_ref(event))
    }

    /// Appends all of these events, in their order. See [`record`](Self::record).
    pub fn record_all(
        &self,
        tx: &mut impl AuditEvents,
        events: &[Event],
    ) -> Result<(), StoreError> {
        if events.is_empty() {
            return Ok(());
        }
        let mut head = tx.lock_audit_head()?;
        if let Some(head) = &head
            && !head.is_genuine(&self.macs)
        {
            return Err(not_genuine());
        }
        let mut records = Vec::with_capacity(events.len());
        for event in events {
            let record = self.next(head.as_ref(), event)?;
            head = Some(Head::of(&record, &self.macs));
            records.push(record);
        }
        if let Some(head) = head {
            tx.append_audit_events(&records, &head)?;
            measure::recorded(events);
        }
        Ok(())
    }

    fn next(&self, head: Option<&Head>, event: &Event) -> Result<Record, StoreError> {
        let details = serde_json::to_string(&event.details)
            .map_err(|error| StoreError::Backend(error.into()))?;
        let fields = RecordFields {
            seq: head.map_or(1, |head| head.seq.saturating_add(1)),
            // What the machine took the time to be; the order is that of the chain.
            at: self.clock.shown(),
            actor_kind: event.actor.kind.as_str().to_owned(),
            actor_id: event.actor.id.clone(),
            actor_key: event.actor.key.clone(),
            request: event.actor.request.clone(),
            action: event.action.0.to_owned(),
            subject_kind: event.subject.kind.to_owned(),
            subject_id: event.subject.id.clone(),
            details,
        };
        Ok(fields.sign(head.map(|head| &head.last), &self.macs))
    }
}

/// The end of the chain, kept beside it so that rows missing from the end are noticed.
#[derive(Clone, Debug)]
pub struct Head {
    /// The last row.
    pub seq: Seq,
    /// The MAC of the last row.
    pub last: Mac,
    /// Over the two.
    pub mac: Mac,
}

impl Head {
    /// Stands for a record of the end that is missing or that is none. It is not genuine, so
    /// verification reports it and nothing is recorded behind it.
    #[must_use]
    pub fn unreadable() -> Self {
        Self {
            seq: 0,
            last: Mac::unreadable(),
            mac: Mac::unreadable(),
        }
    }

    pub(crate) fn of(record: &Record, macs: &MacRing) -> Self {
        let seq = record.fields.seq;
        let parts: [&[u8]; 2] = [&seq.to_be_bytes(), record.mac.as_bytes()];
        Self {
            seq,
            last: record.mac.clone(),
            mac: macs.mac(MacPurpose::AuditHead, &parts),
        }
    }

    pub(crate) fn is_genuine(&self, macs: &MacRing) -> bool {
        let parts: [&[u8]; 2] = [&self.seq.to_be_bytes(), self.last.as_bytes()];
        macs.verify(MacPurpose::AuditHead, &parts, &self.mac)
    }
}

pub(crate) fn not_genuine() -> StoreError {
    StoreError::corrupt("audit_head", "it is missing or its MAC does not fit")
}
