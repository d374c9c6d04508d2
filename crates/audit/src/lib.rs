//! What happened, who did it, and proof that the record was not changed.
//!
//! Services write an [`Event`] in the same transaction as the change that it records, through
//! [`AuditLog::record`]. Each stored row carries a MAC over itself and the row before it, so that
//! [`VerifyAudit`] finds any row that was changed, removed, inserted or moved.

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
