use keyward_audit::{Action, Actor, AuditEvents as _, Event};
use keyward_auth::Environment;
use keyward_core::{Store, StoreError, Timestamp};
use keyward_crypto::{EncryptedString, KeyId, Mac, OpenError};

use crate::manage::subject;
use crate::model::{active_of, signing_of};
use crate::status::left;
use crate::{
    EncryptionKeys as _, EncryptionTx, KeyRecord, MacColumn, RotationRecord, RotationState,
    SealedColumn, SealedRow, SealedValues, SignedRow, SignedRows,
};

/// Moves sealed values to the active key and signs rows anew by the active secret, a batch at a
/// time, while everything else runs.
///
/// A value is written only over what was read, so a change that comes between stays. Whatever is
/// left when the process dies is done by the next one: what is under the active key is done, the
/// rest is not, and nothing else is remembered.
///
/// ```
/// use keyward_encryption::{Pass, Reencrypt, Step, keep};
/// # use std::sync::Arc;
/// # use keyward_auth::Environment;
/// # use keyward_core::Store as _;
/// # use keyward_crypto::{FieldKey, KeyRing, MacRing};
/// # use keyward_store_testing::MemoryStore;
/// # let key = FieldKey::generate();
/// # let store = Arc::new(MemoryStore::new());
/// # let macs = MacRing::parse(MacRing::generate_secret().expose())?;
/// # let environment = Environment::new(store, KeyRing::new(vec![key])?, macs);
/// # let Environment { store, fields, macs, clock, .. } = &environment;
/// # store.write(|tx| keep(tx, fields, macs, clock.now()))?;
///
/// // `environment` is as on the page of this crate, and its keys are kept.
/// let worker = Reencrypt::new(environment, "worker 1");
/// // Nobody has started it. See the page of this crate for one that runs.
/// assert_eq!(worker.step(&mut Pass::default())?, Step::NotRunning);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Reencrypt<S> {
    environment: Environment<S>,
    worker: String,
}

/// How far one walk through all columns is. A new one begins at the beginning.
#[derive(Debug, Default)]
pub struct Pass {
    stage: usize,
    after: Option<Place>,
    unreadable: u64,
}

/// The last row that was looked at.
#[derive(Clone, Debug)]
enum Place {
    Sealed(Box<SealedRow>),
    Signed(String),
}

impl Place {
    fn sealed(&self) -> Option<&SealedRow> {
        match self {
            Self::Sealed(row) => Some(row),
            Self::Signed(_) => None,
        }
    }

    fn signed(&self) -> Option<&str> {
        match self {
            Self::Signed(id) => Some(id),
            Self::Sealed(_) => None,
        }
    }
}

/// Where a pass is: in a column with sealed values first, in one with MACs of rows after that.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Sealed(SealedColumn),
    Signed(MacColumn),
}

impl Stage {
    fn number(number: usize) -> Option<Self> {
        let sealed = SealedColumn::ALL.into_iter().map(Self::Sealed);
        let signed = MacColumn::ROWS.into_iter().map(Self::Signed);
        sealed.chain(signed).nth(number)
    }

    fn is_in_key_checks(self) -> bool {
        matches!(
            self,
            Self::Sealed(SealedColumn::SecretKeyCheck | SealedColumn::AuditKey)
        )
    }
}

/// What there is to do of one column.
enum Batch {
    Sealed(KeyId, Vec<SealedRow>),
    Signed(Vec<SignedRow>),
}

/// What is to be written of it.
enum Done {
    Sealed(Vec<(SealedRow, EncryptedString)>),
    Signed(Vec<(SignedRow, Mac)>),
}

/// What became of one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// So many values were looked at, and are under the active key now or cannot be opened.
    Moved(usize),
    /// Another node works on it, or has to: this one lacks a key.
    Elsewhere,
    /// It was not started, or somebody has paused it.
    NotRunning,
    /// It is done. So many values cannot be opened and were left as they are.
    Done {
        /// Each of them is in the log.
        unreadable: u64,
    },
}

impl<S: Store<Tx: EncryptionTx>> Reencrypt<S> {
    /// Wires the service. `worker` names this process among the others.
    pub fn new(environment: Environment<S>, worker: &str) -> Self {
        Self {
            environment,
            worker: worker.to_owned(),
        }
    }

    /// Does one batch. Call it until it says that there is nothing to do.
    pub fn step(&self, pass: &mut Pass) -> Result<Step, StoreError> {
        let Some(stage) = Stage::number(pass.stage) else {
            return self.finish(pass);
        };
        let batch = match self.next(stage, pass)? {
            Ok(batch) => batch,
            Err(step) => return Ok(step),
        };
        let (read, last) = (batch.len(), batch.last());
        let Some(last) = last else {
            pass.stage += 1;
            pass.after = None;
            return Ok(Step::Moved(0));
        };
        let now = self.environment.clock.now();
        let done = self.make(batch, now);
        let unreadable = read.saturating_sub(done.len());
        let is_written = self.environment.store.write(|tx| {
            if stage.is_in_key_checks() {
                // Before the rotation, as everybody who locks both does.
                tx.lock_encryption_keys()?;
            }
            let is_mine = tx.claim_rotation(&self.worker, now, now.plus(LEASE_SECONDS))?;
            if is_mine {
                done.write(tx)?;
            }
            Ok::<_, StoreError>(is_mine)
        })?;
        if !is_written {
            return Ok(Step::Elsewhere);
        }
        pass.after = Some(last);
        pass.unreadable = pass
            .unreadable
            .saturating_add(u64::try_from(unreadable).unwrap_or(u64::MAX));
        Ok(Step::Moved(read))
    }

    /// What is to be done next, or why nothing is to be done here.
    fn next(&self, stage: Stage, pass: &Pass) -> Result<Result<Batch, Step>, StoreError> {
        self.environment.store.read(|tx| {
            let keys = tx.encryption_keys()?;
            let active = active_of(&keys);
            let is_running = tx.rotation()?.state == RotationState::Running;
            let Some(active) = active.filter(|_| is_running) else {
                return Ok(Err(Step::NotRunning));
            };
            if !self.has_all(&keys) {
                return Ok(Err(Step::Elsewhere));
            }
            Ok(Ok(match stage {
                Stage::Sealed(column) => {
                    let after = pass.after.as_ref().and_then(Place::sealed);
                    let rows = tx.sealed_not_under(column, &active, after, BATCH)?;
                    Batch::Sealed(active, rows)
                }
                Stage::Signed(column) => {
                    let after = pass.after.as_ref().and_then(Place::signed);
                    let signing = self.environment.macs.active();
                    Batch::Signed(tx.signed_not_under(column, &signing, after, BATCH)?)
                }
            }))
        })
    }

    /// A node that lacks a key would take for unreadable what others can read, and one that has not
    /// noticed yet which secret is active would sign with the one before.
    fn has_all(&self, keys: &[KeyRecord]) -> bool {
        let Environment { fields, macs, .. } = &self.environment;
        let holds = |key: &KeyRecord| {
            if key.is_field_key() {
                fields.holds(&key.kid)
            } else {
                macs.holds(&key.kid)
            }
        };
        keys.iter().filter(|key| key.is_needed()).all(holds)
            && signing_of(keys).is_none_or(|signing| macs.active() == signing)
    }

    fn make(&self, batch: Batch, now: Timestamp) -> Done {
        match batch {
            Batch::Sealed(active, rows) => Done::Sealed(self.seal(rows, &active, now)),
            Batch::Signed(rows) => Done::Signed(self.sign(rows)),
        }
    }

    fn sign(&self, rows: Vec<SignedRow>) -> Vec<(SignedRow, Mac)> {
        rows.into_iter()
            .filter_map(|row| {
                let new = row.signed_anew(&self.environment.macs);
                if new.is_none() {
                    tracing::error!(
                        table = row.column().table(),
                        row = row.id(),
                        "a stored row is not genuine, and is not signed anew"
                    );
                }
                Some((row, new?))
            })
            .collect()
    }

    fn seal(
        &self,
        rows: Vec<SealedRow>,
        active: &KeyId,
        now: Timestamp,
    ) -> Vec<(SealedRow, EncryptedString)> {
        rows.into_iter()
            .filter_map(|row| match self.seal_one(&row, active, now) {
                Ok(new) => Some((row, new)),
                Err(error) => {
                    tracing::error!(
                        table = row.column.table(),
                        row = row.row,
                        field = row.field,
                        %error,
                        "a stored secret cannot be opened, and keeps its key"
                    );
                    None
                }
            })
            .collect()
    }

    fn seal_one(
        &self,
        row: &SealedRow,
        active: &KeyId,
        now: Timestamp,
    ) -> Result<EncryptedString, OpenError> {
        let fields = &self.environment.fields;
        let context = row.context().ok_or(OpenError::Malformed)?;
        let text = fields.open(&row.sealed, &context)?;
        fields
            .seal_with(active, text.expose(), &context, now.unix())
            .ok_or(OpenError::UnknownKey { kid: *active })
    }

    /// Done, unless values were sealed under an older key behind the place where the walk was.
    fn finish(&self, pass: &mut Pass) -> Result<Step, StoreError> {
        let Environment {
            store,
            clock,
            audit,
            ..
        } = &self.environment;
        let now = clock.now();
        let unreadable = pass.unreadable;
        *pass = Pass::default();
        // Counting reads all rows, so it is done while nobody waits for it.
        let (counted_for, left) = store.read(|tx| {
            let keys = tx.encryption_keys()?;
            let counted_for = (active_of(&keys), signing_of(&keys));
            Ok::<_, StoreError>((counted_for, left(tx, &keys, now)?))
        })?;
        if left > unreadable {
            return Ok(Step::Moved(0));
        }
        store.write(|tx| {
            tx.lock_audit_head()?;
            let keys = tx.lock_encryption_keys()?;
            let active = active_of(&keys);
            if (active, signing_of(&keys)) != counted_for {
                return Ok(Step::Moved(0));
            }
            if !tx.claim_rotation(&self.worker, now, now.plus(LEASE_SECONDS))? {
                return Ok(Step::Elsewhere);
            }
            let rotation = tx.rotation()?;
            tx.set_rotation(&RotationRecord {
                state: RotationState::Done,
                ..rotation
            })?;
            let kid = active.map_or_else(String::new, |kid| kid.to_string());
            let event = Event::new(Actor::system(), ROTATION_FINISH, subject(&kid))
                .with("unreadable", unreadable.to_string());
            audit.record(tx, &event)?;
            Ok(Step::Done { unreadable })
        })
    }
}

impl Batch {
    fn len(&self) -> usize {
        match self {
            Self::Sealed(_, rows) => rows.len(),
            Self::Signed(rows) => rows.len(),
        }
    }

    fn last(&self) -> Option<Place> {
        match self {
            Self::Sealed(_, rows) => rows.last().cloned().map(Box::new).map(Place::Sealed),
            Self::Signed(rows) => rows.last().map(|row| Place::Signed(row.id())),
        }
    }
}

impl Done {
    fn len(&self) -> usize {
        match self {
            Self::Sealed(rows) => rows.len(),
            Self::Signed(rows) => rows.len(),
        }
    }

    fn write<Tx: SealedValues + SignedRows>(&self, tx: &mut Tx) -> Result<(), StoreError> {
        match self {
            Self::Sealed(rows) => {
                for (row, new) in rows {
                    tx.reseal(row, new)?;
                }
            }
            Self::Signed(rows) => {
                for (row, new) in rows {
                    tx.sign_anew(row, new)?;
                }
            }
        }
        Ok(())
    }
}

/// Values in one transaction. Others wait for no longer than that takes.
const BATCH: i64 = 200;
/// After this, others go on with what a worker that died has begun.
const LEASE_SECONDS: i64 = 3;
const ROTATION_FINISH: Action = Action("encryption-rotation.finish");
