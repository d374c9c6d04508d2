use std::io::Read;

use keyward_agents::AgentsTx;
use keyward_audit::{Action, Actor, AuditEvents as _, Event, Subject};
use keyward_auth::Environment;
use keyward_core::{Store, StoreError};
use keyward_crypto::KeyId;
use keyward_encryption::EncryptionTx;

use crate::key_states;
use crate::load::load;
use crate::{
    ArchiveReader, CodeSteps, Comparison, Epoch, Identities, LoadError, Manifest, Rebuild,
    Replaced, Verified,
};

/// All that restoring needs of a store.
///
/// Never implement it: it follows from the others.
pub trait RestoreTx: Rebuild + Replaced + CodeSteps + EncryptionTx + AgentsTx {}

impl<Tx: Rebuild + Replaced + CodeSteps + EncryptionTx + AgentsTx> RestoreTx for Tx {}

/// Puts a verified backup where it will be served.
pub struct Restore<S>(Environment<S>);

/// What a restore did.
#[derive(Clone, Debug)]
pub struct Restored {
    /// What was restored.
    pub manifest: Manifest,
    /// What was ended so that nothing of before can be used again.
    pub epoch: Epoch,
    /// What had happened since the backup; `None` where there was nothing to compare with.
    pub since: Option<Comparison>,
    /// Keys that were retired since, and are needed again: rotate and retire them.
    pub keys_needed_again: Vec<KeyId>,
}

impl<S: Store<Tx: RestoreTx>> Restore<S> {
    /// Wires the service.
    pub fn new(environment: Environment<S>) -> Self {
        Self(environment)
    }

    /// Restores a backup that was verified before: all of it in one transaction, or nothing.
    ///
    /// Codes that could have been accepted before, tickets and sessions work no more. What was
    /// revoked, disabled or used up in the content that is replaced stays so.
    ///
    /// # Errors
    ///
    /// [`RestoreError::Occupied`] where there are users, unless `replace`.
    pub fn restore<R: Read>(
        &self,
        backup: R,
        identities: &Identities,
        verified: &Verified,
        replace: bool,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Restored, RestoreError> {
        if !verified.findings().is_empty() {
            return Err(RestoreError::Findings(verified.findings().len()));
        }
        let Environment {
            store,
            fields,
            macs,
            audit,
            clock,
            ..
        } = &self.0;
        let mut archive = ArchiveReader::open(backup, identities).map_err(LoadError::from)?;
        if archive.manifest() != verified.manifest() {
            return Err(RestoreError::OtherBackup);
        }
        let manifest = archive.manifest().clone();
        let now = clock.now();
        store.write(|tx| {
            let target = tx.target(now)?;
            if !target.nodes.is_empty() {
                return Err(RestoreError::Serving(target.nodes));
            }
            if target.occupant.is_some() && !replace {
                return Err(RestoreError::Occupied);
            }
            let content = load(tx, &mut archive, (fields, macs, now), progress)?;
            if content != verified.content() {
                return Err(RestoreError::OtherBackup);
            }
            tx.lock_audit_head()?;
            let states = target.occupant.as_ref().map(|known| &*known.key_states);
            let keys_needed_again =
                key_states::carry_over(tx, states.unwrap_or_default(), &self.0)?;
            let replaced = target.occupant.as_ref();
            let kept = replaced.map(|occupant| occupant.codes.as_slice());
            let epoch = Epoch::begin(tx, macs, &manifest, kept, now)?;
            let since = replaced
                .map(|occupant| Comparison::carry_over(tx, occupant, macs))
                .transpose()?;
            let mut event = event(&manifest, &epoch, since.as_ref());
            if !keys_needed_again.is_empty() {
                let kids: Vec<_> = keys_needed_again.iter().map(KeyId::as_str).collect();
                event = event.with("keys_needed_again", kids.join(" "));
            }
            audit.record(tx, &event)?;
            Ok(Restored {
                manifest,
                epoch,
                since,
                keys_needed_again,
            })
        })
    }
}

fn event(manifest: &Manifest, epoch: &Epoch, since: Option<&Comparison>) -> Event {
    let subject = Subject::new("backup", manifest.created_at);
    let event = Event::new(Actor::host(), BACKUP_RESTORE, subject)
        .with("made_at", manifest.created_at.to_string())
        .with("made_on", manifest.database.clone())
        .with("rows", manifest.total_rows().to_string())
        .with("replaced", since.is_some().to_string())
        .with("sessions_ended", epoch.sessions.to_string())
        .with("recovery_codes_voided", epoch.recovery_codes.to_string());
    let Some(since) = since else {
        return event;
    };
    let counts = [
        ("keys_gone", since.keys_gone.len()),
        ("keys_ended", since.keys_ended.len()),
        ("users_gone", since.users_gone.len()),
        ("users_disabled", since.users_disabled.len()),
        ("users_deleted", since.users_deleted.len()),
    ];
    counts.into_iter().fold(event, |event, (name, count)| {
        event.with(name, count.to_string())
    })
}

/// Why nothing was restored. The database is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The backup was verified, and something is wrong with it.
    #[error("the backup does not verify: {0} findings")]
    Findings(usize),
    /// The file is another one than that which was verified.
    #[error("the backup was changed after it was verified")]
    OtherBackup,
    /// There are users.
    #[error("the database has users")]
    Occupied,
    /// Nodes serve it.
    #[error("{} nodes serve the database: {}", .0.len(), .0.join(", "))]
    Serving(Vec<String>),
    /// The backup was not loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const BACKUP_RESTORE: Action = Action("backup.restore");
