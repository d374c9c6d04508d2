//! The recovery kit: the encryption keys of an installation on a page of paper, whole or split into
//! shares of which some number opens it. No I/O, no clock.
//!
//! - [`RecoveryKit`] holds every key of `FIELD_ENCRYPTION_KEY` and every secret of `SECRET_KEY`, in
//!   their order, and prints itself as a page that can be typed again.
//! - [`RecoveryKit::split`] makes [`Share`]s by Shamir's secret sharing. Fewer than the threshold say
//!   nothing about the keys; [`combine()`] makes the kit of enough of them, or an error, but never
//!   wrong keys.
//! - [`read()`] reads pages back. It notices a typing error and names its line.
//!
//! ```
//! use keyward_crypto::{FieldKey, MacRing};
//! use keyward_recovery::{Page, RecoveryKit, Split, combine, read};
//!
//! let (field, secret) = (FieldKey::generate().expose(), MacRing::generate_secret());
//! let kit = RecoveryKit::new(&field, &secret, 1_800_000_000)?;
//! let pages = read(kit.page().expose())?;
//! assert!(matches!(&pages[..], [Page::Kit(read)] if read.secret_key().expose() == secret.expose()));
//!
//! let shares = kit.split(Split::new(3, 2)?);
//! let opened = combine(&shares[1..])?;
//! assert_eq!(opened.field_encryption_key().expose(), field.expose());
//! assert!(combine(&shares[..1]).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `docs/recovery-kit.md` describes the pages byte by byte, with a reader in Python.

mod base32;
mod bytes;
mod combine;
mod error;
mod frame;
mod kit;
mod line;
mod packed;
mod page;
mod public_id;
mod read;
mod shamir;
mod share;
mod split;
#[cfg(test)]
mod test_keys;

pub use combine::{CombineError, combine};
pub use error::{Mistyped, ReadError};
pub use kit::{KitError, RecoveryKit};
pub use public_id::{KitId, SplitId};
pub use read::{Page, read};
pub use share::Share;
pub use split::{Split, SplitError};

/// Runs the example of README.md.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
