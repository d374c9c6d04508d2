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
//!
//! ```
//! use std::sync::Arc;
//!
//! use keyward_auth::{Environment, Host};
//! use keyward_core::Store as _;
//! use keyward_crypto::{FieldKey, KeyRing, MacRing};
//! use keyward_encryption::{ManageEncryption, Pass, Reencrypt, ServingNode, Step, keep};
//! use keyward_store_testing::MemoryStore;
//!
//! let (old, new) = (FieldKey::generate().expose(), FieldKey::generate().expose());
//! let environment = Environment::new(
//!     Arc::new(MemoryStore::new()),
//!     KeyRing::parse(old.expose())?,
//!     MacRing::parse(MacRing::generate_secret().expose())?,
//! );
//! let start = |Environment { store, fields, macs, clock, .. }: &Environment<Arc<MemoryStore>>| {
//!     store.write(|tx| keep(tx, fields, macs, clock.now()))
//! };
//! // Before anything is served: refuses keys that are not those of the database.
//! start(&environment)?;
//! let before = environment.fields.active();
//!
//! // Every node gets the new key as well, and takes up its work again. Nothing is sealed under it yet.
//! let both = KeyRing::parse(&format!("{},{}", new.expose(), old.expose()))?;
//! let kid = both.active();
//! environment.fields.learn(&both);
//! start(&environment)?;
//! let node = ServingNode::new(environment.clone(), "127.0.0.1:8080");
//! node.join()?;
//! assert_eq!(environment.fields.active(), before);
//!
//! // It would be refused if another node lacked the key.
//! let manage = ManageEncryption::new(environment.clone());
//! manage.activate(&Host, kid)?;
//! assert_eq!(environment.fields.active(), kid);
//!
//! // Values move while everything runs.
//! manage.start(&Host)?;
//! let (worker, mut pass) = (Reencrypt::new(environment, node.id()), Pass::default());
//! let ended = loop {
//!     match worker.step(&mut pass)? {
//!         Step::Moved(_) => {}
//!         ended => break ended,
//!     }
//! };
//! assert_eq!(ended, Step::Done { unreadable: 0 });
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

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

/// Runs the example of README.md.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
