use std::fmt;
use std::io::Read;

use keyward_audit::{Anchor, AuditEvents, Verification, VerifyAudit};
use keyward_auth::Environment;
use keyward_core::{Store, StoreError};
use keyward_crypto::KeyId;
use keyward_encryption::{EncryptionTx, ManageEncryption, Status};

use crate::archive::Content;
use crate::load::load;
use crate::{ArchiveError, ArchiveReader, Identities, LoadError, Manifest, Rebuild};

/// All that verifying needs of a store.
///
/// Never implement it: it follows from the others.
pub trait VerifyTx: Rebuild + EncryptionTx + AuditEvents {}

impl<Tx: Rebuild + EncryptionTx + AuditEvents> VerifyTx for Tx {}

/// Proves a backup: loads it into a scratch store, as a restore would, and looks at what is there.
pub struct VerifyBackup<S>(Environment<S>);

/// A backup that can be restored, unless there are findings.
#[derive(Debug)]
pub struct Verified {
    manifest: Manifest,
    content: Content,
    findings: Vec<Finding>,
    audit: Verification,
    status: Status,
}

/// What is wrong with a backup that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// Something in the audit log does not fit.
    Audit(keyward_audit::Finding),
    /// The audit log is not the one that the given anchor is of.
    Anchor(keyward_audit::Finding),
    /// Values that are sealed under this key do not open; `None` for values that name no key.
    Sealed(Option<KeyId>),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Audit(finding) => write!(f, "audit log: {finding}"),
            Self::Anchor(finding) => write!(f, "audit log, by the given anchor: {finding}"),
            Self::Sealed(Some(kid)) => {
                write!(f, "a value sealed under the key {kid} does not open")
            }
            Self::Sealed(None) => f.write_str("a sealed value names no key"),
        }
    }
}

impl<S: Store<Tx: VerifyTx> + Clone> VerifyBackup<S> {
    /// Wires the service. Everything in the store of `scratch` is replaced.
    pub fn new(scratch: Environment<S>) -> Self {
        Self(scratch)
    }

    /// Reads a backup to its end and checks its content: schema, keys, a value of each column and
    /// key, and the whole audit log, also against `anchor`.
    ///
    /// # Errors
    ///
    /// [`VerifyError`] when it could not be restored at all.
    pub fn verify<R: Read>(
        &self,
        backup: R,
        identities: &Identities,
        anchor: Option<&Anchor>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Verified, VerifyError> {
        let Environment {
            store,
            fields,
            macs,
            clock,
            ..
        } = &self.0;
        let now = clock.now();
        let mut archive = ArchiveReader::open(backup, identities).map_err(LoadError::from)?;
        let manifest = archive.manifest().clone();
        let content = store.write(|tx| load(tx, &mut archive, (fields, macs, now), progress))?;

        let audit = VerifyAudit::new(store.clone(), macs.clone());
        let own = manifest.audit_anchor.as_deref().map(str::parse).transpose();
        let own: Option<Anchor> = own.map_err(|_| LoadError::from(ArchiveError::Damaged))?;
        let verification = audit.verify(own.as_ref())?;
        let mut findings: Vec<_> = verification
            .findings
            .iter()
            .copied()
            .map(Finding::Audit)
            .collect();
        if let Some(anchor) = anchor {
            let given = audit.verify(Some(anchor))?.findings;
            let known = &verification.findings;
            let new = given.into_iter().filter(|finding| !known.contains(finding));
            findings.extend(new.map(Finding::Anchor));
        }
        let status = ManageEncryption::new(self.0.clone()).status()?;
        findings.extend(unopened(&status));
        Ok(Verified {
            manifest,
            content,
            findings,
            audit: verification,
            status,
        })
    }
}

fn unopened(status: &Status) -> impl Iterator<Item = Finding> {
    let keyed = status.columns.iter().flat_map(|column| &column.keyed);
    keyed
        .filter(|keyed| !keyed.sample_opens)
        .map(|keyed| Finding::Sealed(keyed.kid))
}

impl Verified {
    pub(crate) fn content(&self) -> Content {
        self.content
    }

    /// What the backup says about itself.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What is wrong with it. Empty when all is well.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// How many events its audit log has.
    #[must_use]
    pub fn audit_events(&self) -> u64 {
        self.audit.events
    }

    /// How many sealed values it has.
    #[must_use]
    pub fn sealed_values(&self) -> u64 {
        let keyed = self.status.columns.iter().flat_map(|column| &column.keyed);
        keyed.map(|keyed| keyed.rows).sum()
    }
}

/// Why a backup could not be restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// It cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The scratch store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
