//! What Keyward's domain crates share: ids, time, the unit of work and storage errors.
//!
//! ```
//! use keyward_core::{Id, Timestamp};
//!
//! struct Invoice;
//! let id: Id<Invoice> = Id::generate();
//! assert_eq!(Id::parse(&id.to_string()).ok(), Some(id));
//! assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00Z");
//! ```

mod id;
mod legacy_id;
mod steady;
mod storage_wait;
mod store;
mod time;

pub use id::{Id, MalformedId};
pub use legacy_id::LegacyId;
pub use steady::SteadyClock;
pub use storage_wait::{StorageWatch, storage_wait};
pub use store::{Source, Store, StoreError, with_causes};
pub use time::{Clock, MalformedTimestamp, ManualClock, SystemClock, Timestamp};

/// The target of all spans. They are for traces and not for logs, and switched on where traces are
/// collected. What they hold may leave the machine: names and numbers of ours, nothing of a request.
pub const SPANS: &str = "keyward_spans";

/// Runs the example of README.md.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
