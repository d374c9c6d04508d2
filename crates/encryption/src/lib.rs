//! The life of encryption keys: which one seals, what is sealed under which, and how values move
//! from an old key to a new one while everything runs.
//!
//! A key is *added* (every node holds it, nothing is sealed under it), then *active* (new values
//! are sealed under it), then *decrypt-only* (old values may still need it), then *retired*
//! (nothing needs it, and nothing can be sealed under it any more). The database says which state
//! a key is in; settings only say which keys a node holds.
//!
//! - [`ManageEncryption`] moves keys from state to state and starts and pauses re-encryption.
//! - [`Reencrypt`] moves stored values to the active key, a batch at a time.
//! - [`ServingNode`] says which keys a node holds, so that no key is activated that some node lacks.
//! - [`KitRegister`] writes down that a recovery kit leaves the installation, and [`Safekeeping`] when
//!   something was last kept outside.
//! - [`SealedColumn`] lists every column with sealed values and [`MacColumn`] every one with MACs:
//!   what is not in them is not rotated.
//!
//! The secrets of `SECRET_KEY` live the same life. Rows are signed anew by [`Reencrypt`] too; the
//! secrets of API keys when they are used.

mod administrator;
mod audit_keys;
mod check;
mod column;
mod error;
mod learn;
mod manage;
mod model;
mod node;
mod ports;
mod reencrypt;
mod retire;
mod safekeeping;
mod signed;
mod status;

pub use administrator::EncryptionAdministrator;
pub use audit_keys::learn_audit_keys;
pub use check::{KeepError, KeyCheckError, follow_states, keep, verify};
pub use column::{SealedColumn, SealedRow};
pub use error::EncryptionError;
pub use manage::ManageEncryption;
pub use model::{KeyRecord, KeyState, NodeRecord, RotationRecord, RotationState};
pub use node::ServingNode;
pub use ports::{EncryptionKeys, EncryptionTx, SealedValues};
pub use reencrypt::{Pass, Reencrypt, Step};
pub use retire::Leftovers;
pub use safekeeping::{Kept, KitFacts, KitRegister, Safekeeping, SafekeepingRecord};
pub use signed::{MacColumn, SignedRow, SignedRows};
pub use status::{ColumnStatus, KeyStatus, KeyedRows, MacStatus, Status};
