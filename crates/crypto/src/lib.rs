//! Field encryption in Fernet, API keys, passwords and one-time codes. No I/O, no clock, no async,
//! no globals.
//!
//! Four questions, four types:
//!
//! - [`KeyRing`] (`FIELD_ENCRYPTION_KEY`) encrypts columns. A value opens only in its own table,
//!   column, row and owner, and names the key it was sealed under. [`PlainFernet`] is what other
//!   systems call Fernet, for importing from them.
//! - [`MacRing`] (`SECRET_KEY`) authenticates what is stored in the clear: the rows of users and
//!   keys, the audit log. [`ApiKey`] is a bearer key that is stored as such a MAC.
//! - [`Passwords`] hashes passwords with Argon2id and upgrades what an import brings.
//! - [`TotpSecret`] makes and matches the codes of authenticator apps, and [`ProvisioningUri`]
//!   enrols them. [`RecoveryCode`] stands in for an app that is lost, and [`LoginTicket`] for the
//!   password while a code is asked for; both are stored as MACs. [`ProofKey`] makes and matches
//!   the codes by which an agent proves to one receiver who it is.
//!
//! A secret, its stored form and its id are different types. Secrets are overwritten when dropped
//! and cannot be printed, cloned or compared. `docs/formats.md` describes every stored form byte by
//! byte, with test vectors and a reader in Python.
//!
//! ```
//! use keyward_crypto::{ApiKey, ApiKeyKind, Context, FieldKey, KeyRing, MacRing};
//!
//! let keys = KeyRing::new(vec![FieldKey::generate()])?;
//! let place = Context::new("credentials", "secret", "row-7", "user-1");
//! let sealed = keys.seal("sk-live-1", &place, 1_800_000_000);
//! assert_eq!(keys.open(&sealed, &place)?.expose(), "sk-live-1");
//! assert!(keys.open(&sealed, &Context::new("credentials", "secret", "row-8", "user-1")).is_err());
//!
//! let macs = MacRing::parse(MacRing::generate_secret().expose())?;
//! let stored = ApiKey::generate(ApiKeyKind::User).mac(&macs);
//! assert!(!ApiKey::generate(ApiKeyKind::User).matches(&macs, &stored));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! ring and fernet keep working copies of keys that they do not overwrite. The binary's allocator
//! clears memory when it is freed; embedders who want the same need such an allocator too.

mod api_key;
mod api_key_id;
mod base62;
mod context;
mod derive;
mod encrypted_string;
mod field_key;
mod foreign_key;
mod guessable;
mod key_id;
mod key_ring;
mod live_ring;
mod login_ticket;
mod mac;
mod mac_purpose;
mod newest_first;
mod parts;
mod password;
mod password_hash;
mod passwords;
mod placeholder;
mod plain_fernet;
mod proof_key;
mod provisioning_uri;
mod public_id;
#[cfg(feature = "qr")]
mod qr;
mod random;
mod recovery_code;
mod retired_secrets;
mod secret;
mod secret_key;
mod signed;
mod tagged_secret;
mod ticket_id;
mod token;
mod totp_code;
mod totp_secret;
mod totp_step;

pub use api_key::{ApiKey, ApiKeyKind, MalformedKey};
pub use api_key_id::ApiKeyId;
pub use context::Context;
pub use encrypted_string::EncryptedString;
pub use field_key::{FieldKey, FieldKeyError};
pub use key_id::KeyId;
pub use key_ring::{KeyRing, KeyRingError, OpenError};
pub use login_ticket::LoginTicket;
pub use mac::Mac;
pub use mac_purpose::MacPurpose;
pub use password::{Password, PasswordError, TooLong};
pub use password_hash::PasswordHash;
pub use passwords::{Passwords, Verdict};
pub use plain_fernet::{PlainFernet, PlainFernetError};
pub use proof_key::{ProofBinding, ProofKey};
pub use provisioning_uri::ProvisioningUri;
#[cfg(feature = "qr")]
pub use qr::QrError;
pub use random::random_bytes;
pub use recovery_code::RecoveryCode;
pub use retired_secrets::MalformedAuditKey;
pub use secret::SecretText;
pub use secret_key::{MacRing, SecretKeyError};
pub use signed::{ForgedRow, Signable, Signed};
pub use ticket_id::TicketId;
pub use totp_code::{MalformedCode, OneTimeCode, ProofCode, TotpCode};
pub use totp_secret::{MalformedTotpSecret, TotpSecret, TotpWindow};
pub use totp_step::TotpStep;

/// Runs the example of README.md.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
