use keyward_audit::{Action, Actor, AuditEvents as _, Event};
use keyward_auth::Environment;
use keyward_core::{Store, StoreError, Timestamp};
use keyward_crypto::{EncryptedString, KeyId, OpenError};

use crate::manage::subject;
use crate::model::active_of;
use crate::status::rows_where;
use crate::{
    EncryptionKeys as _, EncryptionTx, KeyRecord, RotationRecord, RotationState, SealedColumn,
    SealedRow, SealedValues as _,
};

/// Moves sealed values to the active key, a batch at a time, while everything else runs.
///
/// A value is written only over what was read, so a change that comes between stays. Whatever is
/// left when the process dies is done by the next one: what is under the active key is done, the
/// rest is not, and nothing else is remembered.
pub struct Reencrypt<S> {
    environment: Environment<S>,
    worker: String,
}

/// How far one walk through all columns is. A new one begins at the beginning.
#[derive(Debug, Default)]
pub struct Pass {
    column: usize,
    after: Option<SealedRow>,
    unreadable: u64,
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
        let Some(column) = SealedColumn::ALL.get(pass.column).copied() else {
            return self.finish(pass);
        };
        let (active, rows) = match self.next(column, pass)? {
            Ok(next) => next,
            Err(step) => return Ok(step),
        };
        let Some(last) = rows.last().cloned() else {
            pass.column += 1;
            pass.after = None;
            return Ok(Step::Moved(0));
        };
        let now = self.environment.clock.now();
        let read = rows.len();
        let sealed = self.seal(rows, &active, now);
        let unreadable = read.saturating_sub(sealed.len());
        let done = self.environment.store.write(|tx| {
            if column == SealedColumn::SecretKeyCheck {
                // Before the rotation, as everybody who locks both does.
                tx.lock_encryption_keys()?;
            }
            let is_mine = tx.claim_rotation(&self.worker, now, now.plus(LEASE_SECONDS))?;
            if is_mine {
                for (row, new) in &sealed {
                    tx.reseal(row, new)?;
                }
            }
            Ok::<_, StoreError>(is_mine)
        })?;
        if !done {
            return Ok(Step::Elsewhere);
        }
        pass.after = Some(last);
        pass.unreadable = pass
            .unreadable
            .saturating_add(u64::try_from(unreadable).unwrap_or(u64::MAX));
        Ok(Step::Moved(read))
    }

    /// The active key and values to move to it, or why nothing is to be done here.
    fn next(
        &self,
        column: SealedColumn,
        pass: &Pass,
    ) -> Result<Result<(KeyId, Vec<SealedRow>), Step>, StoreError> {
        self.environment.store.read(|tx| {
            let keys = tx.encryption_keys()?;
            let active = active_of(&keys);
            let is_running = tx.rotation()?.state == RotationState::Running;
            let Some(active) = active.filter(|_| is_running) else {
                return Ok(Err(Step::NotRunning));
            };
            if !self.can_open_all(&keys) {
                return Ok(Err(Step::Elsewhere));
            }
            let rows = tx.sealed_not_under(column, &active, pass.after.as_ref(), BATCH)?;
            Ok(Ok((active, rows)))
        })
    }

    /// A node that lacks a key would take for unreadable what others can read.
    fn can_open_all(&self, keys: &[KeyRecord]) -> bool {
        let held: Vec<_> = self.environment.fields.ids().collect();
        keys.iter()
            .filter(|key| key.is_field_key() && key.is_needed())
            .all(|key| held.contains(&key.kid))
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
            let active = active_of(&tx.encryption_keys()?);
            Ok::<_, StoreError>((active, rows_where(tx, |under| under != active)?))
        })?;
        if left > unreadable {
            return Ok(Step::Moved(0));
        }
        store.write(|tx| {
            tx.lock_audit_head()?;
            let active = active_of(&tx.lock_encryption_keys()?);
            if active != counted_for {
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

/// Values in one transaction. Others wait for no longer than that takes.
const BATCH: i64 = 200;
/// After this, others go on with what a worker that died has begun.
const LEASE_SECONDS: i64 = 3;
const ROTATION_FINISH: Action = Action("encryption-rotation.finish");
