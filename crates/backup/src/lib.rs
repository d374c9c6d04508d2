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
//! use keyward_auth::{Environment, Setup, Username, Users as _};
//! use keyward_backup::{CreateBackup, Identities, NewIdentity, Recipients, Restore, VerifyBackup};
//! use keyward_core::Store as _;
//! use keyward_crypto::{FieldKey, KeyRing, MacRing, Password};
//! use keyward_encryption::keep;
//! use keyward_store_diesel::{DatabaseUrl, DieselStore, Options};
//!
//! # let folder = tempfile::tempdir()?;
//! # let database = |name: &str| -> Result<DieselStore, Box<dyn std::error::Error>> {
//! #     let url = format!("sqlite://{}", folder.path().join(name).display());
//! #     let store = DieselStore::connect(&DatabaseUrl::parse(&url)?, Options::default())?;
//! #     store.migrate()?;
//! #     Ok(store)
//! # };
//! # let fields = KeyRing::new(vec![FieldKey::generate()])?;
//! # let macs = MacRing::parse(MacRing::generate_secret().expose())?;
//! // `database` opens a migrated `DieselStore`; the keys are those of the settings.
//! let on = |store| Environment::new(store, fields.clone(), macs.clone());
//! let served = on(database("served.db")?);
//! served.store.write(|tx| keep(tx, &fields, &macs, served.clock.now()))?;
//! let (ada, password) = (Username::parse("ada")?, "correct horse battery".to_owned());
//! Setup::new(served.clone()).first_admin(&ada, &Password::new_secret(password.into())?)?;
//!
//! // The machine that makes backups need not be able to read them.
//! let identity = NewIdentity::generate();
//! let recipients = Recipients::parse(identity.recipient())?;
//! let (created, file) = CreateBackup::new(served).create(Vec::new(), &recipients, &mut |_, _| ())?;
//! assert_eq!(created.manifest.rows["users"], 1);
//!
//! // Whoever keeps the identity proves that the file can be restored, in a scratch store,
//! let identities = Identities::parse(identity.file().expose())?;
//! let verify = VerifyBackup::new(on(database("scratch.db")?));
//! let verified = verify.verify(&*file, &identities, None, &mut |_, _| ())?;
//! assert_eq!(verified.findings(), []);
//!
//! // and restores it where it will be served.
//! let target = on(database("target.db")?);
//! Restore::new(target.clone()).restore(&*file, &identities, &verified, false, &mut |_, _| ())?;
//! assert!(target.store.read(|tx| tx.user_by_name(&ada))?.is_some());
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

/// Runs the example of README.md.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
