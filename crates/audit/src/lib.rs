//! What happened, who did it, and proof that the record was not changed.
//!
//! Services write an [`Event`] in the same transaction as the change that it records, through
//! [`AuditLog::record`]. Each stored row carries a MAC over itself and the row before it, so that
//! [`VerifyAudit`] finds any row that was changed, removed, inserted or moved.
//!
//! ```
//! use std::sync::Arc;
//!
//! use keyward_audit::{Action, Actor, AuditLog, Event, Finding, Subject, VerifyAudit};
//! use keyward_core::{Store as _, SystemClock};
//! use keyward_crypto::MacRing;
//! use keyward_store_testing::MemoryStore;
//!
//! let store = Arc::new(MemoryStore::new());
//! let macs = MacRing::parse(MacRing::generate_secret().expose())?;
//! let log = AuditLog::new(macs.clone(), Arc::new(SystemClock));
//!
//! let paid = Event::new(Actor::system(), Action("invoice.pay"), Subject::new("invoice", 7))
//!     .with("amount", "12.50");
//! // With the change itself in the same unit of work: either both are kept or neither.
//! store.write(|tx| log.record(tx, &paid))?;
//!
//! let audit = VerifyAudit::new(Arc::clone(&store), macs);
//! assert_eq!(audit.verify(None)?.findings, []);
//!
//! // Somebody who can write to the database:
//! store.tamper(|rows| {
//!     rows.edit_audit_event(1, |event| event.details = r#"{"amount":"0.50"}"#.to_owned())
//! });
//! assert_eq!(audit.verify(None)?.findings, [Finding::Changed(1)]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod event;
mod log;
mod measure;
mod ports;
mod read;
mod verify;

pub use event::{Action, Actor, ActorKind, Event, Record, RecordFields, Seq, Subject};
pub use log::{AuditLog, Head};
pub use measure::describe_metrics;
pub use ports::AuditEvents;
pub use read::ReadAudit;
pub use verify::{Anchor, Finding, MalformedAnchor, Verification, VerifyAudit};

/// Runs the example of README.md.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
