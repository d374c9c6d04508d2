//! Backups that are proven by restoring them.
//!
//! A backup is one file for every kind of database: encrypted to [`Recipients`], compressed, and
//! inside lines of JSON. What a store writes there as one moment saw it ([`Snapshot`]), any other
//! can load again ([`Rebuild`]).
//!
//! - [`CreateBackup`] writes one while everything runs.
//! - [`VerifyBackup`] loads it into a scratch store, opens what is sealed and checks the audit log.
//! - [`Restore`] loads a verified one where it will be served, and ends what must not live twice:
//!   sessions, codes and tickets from before.
//!
//! ```
//! use keyward_backup::{Identities, NewIdentity, Recipients};
//!
//! let identity = NewIdentity::generate();
//! let recipients = Recipients::parse(identity.recipient())?;
//! assert_eq!(recipients.names(), [identity.recipient()]);
//! assert!(Identities::parse(identity.file().expose()).is_ok());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod archive;
mod compare;
mod create;
mod epoch;
mod identity;
mod key_states;
mod line;
mod load;
mod manifest;
mod ports;
mod recipient;
mod restore;
mod verify;

pub use archive::{ArchiveError, ArchiveReader, ArchiveWriter, Item};
pub use compare::{Comparison, LostKey, LostUser};
pub use create::{CreateBackup, CreateError, Created};
pub use epoch::Epoch;
pub use identity::{Identities, MalformedIdentity, NewIdentity};
pub use load::LoadError;
pub use manifest::{FieldKeyEntry, Manifest};
pub use ports::{
    CodeSteps, Contents, FrozenAgent, KeptCode, Occupant, Rebuild, RebuildError, Replaced,
    Snapshot, StandingKey, StandingUser, Table, Target,
};
pub use recipient::{MalformedRecipient, Recipients};
pub use restore::{Restore, RestoreError, RestoreTx, Restored};
pub use verify::{Finding, Verified, VerifyBackup, VerifyError, VerifyTx};
