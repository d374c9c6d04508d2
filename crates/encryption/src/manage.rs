use keyward_audit::{Action, Actor, Event, Subject};
use keyward_auth::Environment;
use keyward_core::{Store, StoreError, Timestamp};
use keyward_crypto::{ApiKeyId, KeyId};

use crate::model::{active_of, signing_of};
use crate::node::{lacking, serving};
use crate::{
    EncryptionAdministrator, EncryptionError, EncryptionKeys as _, EncryptionTx, KeyRecord,
    KeyState, RotationRecord, RotationState, Status,
};

/// Moves encryption keys from state to state, and starts and pauses re-encryption.
///
/// Every change is audited. None of them makes a stored value unreadable.
///
/// ```
/// use keyward_auth::Host;
/// use keyward_encryption::{EncryptionError, KeyState, Leftovers, ManageEncryption, keep};
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
/// let manage = ManageEncryption::new(environment.clone());
/// let status = manage.status()?;
/// assert_eq!(status.keys[0].state, Some(KeyState::Active));
///
/// let active = environment.fields.active();
/// let refused = manage.retire(&Host, active, Leftovers::Keep);
/// assert!(matches!(refused, Err(EncryptionError::Active)));
/// // A key that nobody has added.
/// let stranger = *FieldKey::generate().id();
/// let refused = manage.activate(&Host, stranger);
/// assert!(matches!(refused, Err(EncryptionError::UnknownKey)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ManageEncryption<S>(Environment<S>);

impl<S: Store<Tx: EncryptionTx>> ManageEncryption<S> {
    /// Wires the service.
    pub fn new(environment: Environment<S>) -> Self {
        Self(environment)
    }

    /// Counts every sealed value, and opens one of each column and key.
    ///
    /// Reads all rows: for people, not for requests that come often.
    pub fn status(&self) -> Result<Status, StoreError> {
        let now = self.0.clock.now();
        self.0.store.read(|tx| Status::read(tx, &self.0, now))
    }

    /// Writes down that somebody has added a key to the settings. The key itself is known by
    /// [`keep`](crate::keep).
    pub fn note_added(
        &self,
        by: &impl EncryptionAdministrator,
        kid: KeyId,
    ) -> Result<(), EncryptionError> {
        let now = self.0.clock.now();
        self.0.store.write(|tx| {
            let actor = by.authorise(tx, &self.0.macs, now)?;
            find_any(&tx.encryption_keys()?, kid)?;
            self.record(tx, actor, KEY_ADD, &kid.to_string())
        })?;
        self.0.advice.keys_changed();
        Ok(())
    }

    /// From now on new values are sealed under this key, or rows signed by this secret; the one
    /// before only opens and verifies.
    ///
    /// Nodes learn it within a second or two. What they seal or sign until then is under the key
    /// before and is found by re-encryption.
    ///
    /// # Errors
    ///
    /// [`EncryptionError::NotEverywhere`] when a node that serves does not hold the key: it could
    /// not open what the others seal.
    pub fn activate(
        &self,
        by: &impl EncryptionAdministrator,
        kid: KeyId,
    ) -> Result<(), EncryptionError> {
        let now = self.0.clock.now();
        let is_field_key = self.0.store.write(|tx| {
            let actor = by.authorise(tx, &self.0.macs, now)?;
            let keys = tx.lock_encryption_keys()?;
            let key = find_any(&keys, kid)?;
            match key.state {
                KeyState::Active => return Ok(key.is_field_key()),
                KeyState::Retired => return Err(EncryptionError::Retired),
                KeyState::Added | KeyState::DecryptOnly => {}
            }
            self.require_held(key)?;
            let nodes = serving(tx, &self.0)?;
            let lacking = lacking(&nodes, kid);
            if !lacking.is_empty() {
                return Err(EncryptionError::NotEverywhere(lacking));
            }
            let before = if key.is_field_key() {
                active_of(&keys)
            } else {
                signing_of(&keys)
            };
            if let Some(before) = before {
                tx.set_key_state(&before, KeyState::DecryptOnly)?;
            }
            tx.set_key_state(&kid, KeyState::Active)?;
            if tx.rotation()?.state == RotationState::Done {
                // It was done for the key before.
                tx.set_rotation(&RotationRecord::IDLE)?;
            }
            self.record(tx, actor, KEY_ACTIVATE, &kid.to_string())?;
            Ok::<_, EncryptionError>(key.is_field_key())
        })?;
        // It is held: that was required above.
        let _ = if is_field_key {
            self.0.fields.activate(&kid)
        } else {
            self.0.macs.activate(&kid)
        };
        self.0.advice.keys_changed();
        Ok(())
    }

    /// Lets the nodes move every value to the active key. Starting it again goes on with it.
    ///
    /// # Errors
    ///
    /// [`EncryptionError::NoneActive`] on a storage that was never served.
    pub fn start(&self, by: &impl EncryptionAdministrator) -> Result<Status, EncryptionError> {
        let now = self.0.clock.now();
        // Counting reads all rows, so it is done while nobody waits for it.
        let total = self.status()?.outside_active();
        self.0.store.write(|tx| {
            let actor = by.authorise(tx, &self.0.macs, now)?;
            let keys = tx.lock_encryption_keys()?;
            let active = active_of(&keys).ok_or(EncryptionError::NoneActive)?;
            for kid in [Some(active), signing_of(&keys)].into_iter().flatten() {
                self.require_held(find_any(&keys, kid)?)?;
            }
            let before = tx.rotation()?;
            if before.state != RotationState::Running {
                tx.set_rotation(&continued(before, total, now))?;
                self.record(tx, actor, ROTATION_START, active.as_str())?;
            }
            Ok::<_, EncryptionError>(())
        })?;
        self.0.advice.keys_changed();
        Ok(self.status()?)
    }

    /// Stops moving values after the present batch. All of them open, wherever they are.
    ///
    /// # Errors
    ///
    /// [`EncryptionError::NotRunning`] when there is nothing to pause.
    pub fn pause(&self, by: &impl EncryptionAdministrator) -> Result<Status, EncryptionError> {
        let now = self.0.clock.now();
        self.0.store.write(|tx| {
            let actor = by.authorise(tx, &self.0.macs, now)?;
            let keys = tx.lock_encryption_keys()?;
            let rotation = tx.rotation()?;
            match rotation.state {
                RotationState::Running => {}
                RotationState::Paused => return Ok(()),
                RotationState::Idle | RotationState::Done => {
                    return Err(EncryptionError::NotRunning);
                }
            }
            tx.set_rotation(&RotationRecord {
                state: RotationState::Paused,
                ..rotation
            })?;
            let active = active_of(&keys).map_or_else(String::new, |kid| kid.to_string());
            self.record(tx, actor, ROTATION_PAUSE, &active)
        })?;
        self.0.advice.keys_changed();
        Ok(self.status()?)
    }

    pub(crate) fn environment(&self) -> &Environment<S> {
        &self.0
    }

    fn require_held(&self, key: &KeyRecord) -> Result<(), EncryptionError> {
        let is_held = if key.is_field_key() {
            self.0.fields.holds(&key.kid)
        } else {
            self.0.macs.holds(&key.kid)
        };
        if is_held {
            Ok(())
        } else {
            Err(EncryptionError::NotHeld)
        }
    }

    pub(crate) fn record(
        &self,
        tx: &mut S::Tx,
        actor: Actor,
        action: Action,
        kid: &str,
    ) -> Result<(), EncryptionError> {
        let event = Event::new(actor, action, subject(kid));
        Ok(self.0.audit.record(tx, &event)?)
    }
}

/// After a pause the total stays what it was, so that progress does not jump back.
fn continued(before: RotationRecord, total: u64, now: Timestamp) -> RotationRecord {
    let total = match before.state {
        RotationState::Paused => before.total.max(total),
        _ => total,
    };
    RotationRecord {
        state: RotationState::Running,
        total,
        started_at: Some(now),
    }
}

pub(crate) fn find_any(keys: &[KeyRecord], kid: KeyId) -> Result<&KeyRecord, EncryptionError> {
    keys.iter()
        .find(|key| key.kid == kid)
        .ok_or(EncryptionError::UnknownKey)
}

pub(crate) fn subject(kid: &str) -> Subject {
    Subject::new("encryption-key", kid)
}

pub(crate) fn api_key_subject(id: ApiKeyId) -> Subject {
    Subject::new("api_key", id)
}

const KEY_ADD: Action = Action("encryption-key.add");
const KEY_ACTIVATE: Action = Action("encryption-key.activate");
pub(crate) const KEY_RETIRE: Action = Action("encryption-key.retire");
pub(crate) const API_KEY_REVOKE: Action = Action("api_key.revoke");
const ROTATION_START: Action = Action("encryption-rotation.start");
const ROTATION_PAUSE: Action = Action("encryption-rotation.pause");
