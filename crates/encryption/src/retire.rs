use keyward_audit::{Action, Actor, Event};
use keyward_auth::{ApiKeys as _, Environment};
use keyward_core::{Store, StoreError, Timestamp};
use keyward_crypto::{KeyId, MacRing, Signed};

use crate::audit_keys::keep_audit_key;
use crate::manage::{API_KEY_REVOKE, KEY_RETIRE, api_key_subject, find_any, subject};
use crate::node::{serving, signing_with};
use crate::status::{macs_where, rows_where};
use crate::{
    EncryptionAdministrator, EncryptionError, EncryptionKeys as _, EncryptionTx, KeyState,
    MacColumn, ManageEncryption, SealedValues as _, SignedRows,
};

/// What becomes of API keys and recovery codes that were not used since a secret was replaced, when
/// that secret is retired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leftovers {
    /// The secret is not retired while there are any.
    Keep,
    /// They end: API keys are revoked, recovery codes dropped.
    End,
}

impl<S: Store<Tx: EncryptionTx>> ManageEncryption<S> {
    /// Ends the life of a key under which nothing is sealed any more, or of a secret that nothing
    /// is signed by. It can then be removed from the settings of all nodes.
    ///
    /// Nobody can seal or sign anything with it at the same moment or later: the store refuses it.
    /// The audit log keeps what the secret has signed, and what is needed to verify that.
    ///
    /// # Errors
    ///
    /// [`EncryptionError::InUse`] with the number of values that still need it,
    /// [`EncryptionError::Unused`] for a secret that API keys or recovery codes still need.
    pub fn retire(
        &self,
        by: &impl EncryptionAdministrator,
        kid: KeyId,
        leftovers: Leftovers,
    ) -> Result<(), EncryptionError> {
        let environment = self.environment();
        let now = environment.clock.now();
        let is_field_key = environment.store.write(|tx| {
            let actor = by.authorise(tx, &environment.macs, now)?;
            let keys = tx.lock_encryption_keys()?;
            let key = find_any(&keys, kid)?;
            match key.state {
                KeyState::Retired => return Ok(key.is_field_key()),
                KeyState::Active => return Err(EncryptionError::Active),
                KeyState::Added | KeyState::DecryptOnly => {}
            }
            let is_field_key = key.is_field_key();
            tx.hold_sealed_values()?;
            if is_field_key {
                require_none(rows_where(tx, |under| under == Some(kid))?)?;
            } else {
                retire_secret(tx, kid, &actor, leftovers, environment, now)?;
            }
            tx.set_key_state(&kid, KeyState::Retired)?;
            self.record(tx, actor, KEY_RETIRE, &kid.to_string())?;
            Ok::<_, EncryptionError>(is_field_key)
        })?;
        if !is_field_key {
            environment.macs.retire(&kid);
        }
        environment.advice.keys_changed();
        Ok(())
    }
}

/// Nobody writes anything that the secret has signed meanwhile: sealed values and MACs are held.
fn retire_secret<S: Store<Tx: EncryptionTx>>(
    tx: &mut S::Tx,
    kid: KeyId,
    actor: &Actor,
    leftovers: Leftovers,
    environment: &Environment<S>,
    now: Timestamp,
) -> Result<(), EncryptionError> {
    let Environment { fields, macs, .. } = environment;
    if !macs.holds(&kid) {
        // What verifies its events could not be kept.
        return Err(EncryptionError::NotHeld);
    }
    let nodes = serving(tx, environment)?;
    let signing = signing_with(&nodes, kid);
    if !signing.is_empty() {
        return Err(EncryptionError::StillSigning(signing));
    }
    require_none(genuine_rows_by(tx, kid, macs, now)?)?;
    let mut count = |column| macs_where(tx, now, &[column], |by| by == Some(kid));
    let (keys, codes) = (
        count(MacColumn::ApiKeySecret)?,
        count(MacColumn::RecoveryCode)?,
    );
    match leftovers {
        Leftovers::Keep if keys > 0 || codes > 0 => {
            return Err(EncryptionError::Unused { keys, codes });
        }
        Leftovers::Keep => {}
        Leftovers::End => end(tx, kid, actor, environment, now)?,
    }
    Ok(keep_audit_key(tx, &kid, fields, macs, now)?)
}

/// How many rows would be lost. A row that is not genuine opens nothing already, and somebody who
/// can write to the database must not keep a secret in use by one.
fn genuine_rows_by<Tx: SignedRows>(
    tx: &mut Tx,
    kid: KeyId,
    macs: &MacRing,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let mut genuine: u64 = 0;
    for column in MacColumn::ROWS {
        if macs_where(tx, now, &[column], |by| by == Some(kid))? == 0 {
            continue;
        }
        let mut after = None;
        loop {
            let page = tx.signed_not_under(column, &macs.active(), after.as_deref(), BATCH)?;
            let Some(last) = page.last() else { break };
            after = Some(last.id());
            for row in page.iter().filter(|row| *row.mac().key_id() == kid) {
                if row.signed_anew(macs).is_some() {
                    genuine = genuine.saturating_add(1);
                } else {
                    tracing::error!(
                        table = column.table(),
                        row = row.id(),
                        "a stored row is not genuine, and its secret is retired all the same"
                    );
                }
            }
        }
    }
    Ok(genuine)
}

fn end<S: Store<Tx: EncryptionTx>>(
    tx: &mut S::Tx,
    kid: KeyId,
    actor: &Actor,
    environment: &Environment<S>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Environment { macs, audit, .. } = environment;
    let mut after = None;
    loop {
        let page = tx.api_keys_by_secret(&kid, now, after, BATCH)?;
        let Some(last) = page.last() else { break };
        after = Some(last.unverified().id);
        // A row that is not genuine opens nothing; signing it would make it so.
        for key in page.iter().filter(|key| key.is_genuine(macs)) {
            let mut ended = key.unverified().clone();
            ended.revoked_at = Some(now);
            let event = Event::new(actor.clone(), API_KEY_REVOKE, api_key_subject(ended.id))
                .with("retired_secret", kid.to_string());
            if tx.replace_api_key(key.mac(), &Signed::sign(ended, macs))? {
                audit.record(tx, &event)?;
            }
        }
    }
    let dropped = tx.drop_recovery_codes_by(&kid)?;
    if dropped > 0 {
        let event = Event::new(actor.clone(), CODES_DROP, subject(kid.as_str()))
            .with("recovery_codes", dropped.to_string());
        audit.record(tx, &event)?;
    }
    Ok(())
}

fn require_none(rows: u64) -> Result<(), EncryptionError> {
    if rows == 0 {
        Ok(())
    } else {
        Err(EncryptionError::InUse(rows))
    }
}

const BATCH: i64 = 500;
const CODES_DROP: Action = Action("recovery-codes.drop");
