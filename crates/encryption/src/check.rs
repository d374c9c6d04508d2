//! A known text under every key that was ever used with a storage. By it a wrong or missing key is
//! noticed before anything is written.

use keyward_core::{StoreError, Timestamp};
use keyward_crypto::{Context, EncryptedString, KeyId, KeyRing, MacRing, OpenError};

use crate::model::{active_of, signing_of};
use crate::{EncryptionKeys, KeyRecord, KeyState};

/// Whether the configured keys are those that the storage needs.
///
/// Every key that a value may be sealed or signed with must be there: one that is missing may be
/// the one that some row needs. Keys that were only added, or are retired, may be missing.
///
/// # Errors
///
/// [`KeyCheckError`] names the keys that are missing, by their ids.
pub fn verify(stored: &[KeyRecord], fields: &KeyRing, macs: &MacRing) -> Result<(), KeyCheckError> {
    let (mut fields_missing, mut macs_missing) = (Vec::new(), Vec::new());
    for key in stored.iter().filter(|key| key.is_needed()) {
        if !key.is_field_key() {
            if !macs.holds(&key.kid) {
                macs_missing.push(key.kid);
            }
            continue;
        }
        match fields.open(&key.sealed, &context(&key.kid)) {
            Ok(text) if text.expose() == TEXT => {}
            Err(OpenError::UnknownKey { .. }) => fields_missing.push(key.kid),
            _ => return Err(KeyCheckError::Damaged { kid: key.kid }),
        }
    }
    let refused = |name, missing: Vec<KeyId>, given| {
        Err(KeyCheckError::Missing {
            name,
            missing,
            given,
            values: None,
        })
    };
    if !fields_missing.is_empty() {
        return refused(FIELD_KEY, fields_missing, fields.ids().collect());
    }
    if !macs_missing.is_empty() {
        return refused("SECRET_KEY", macs_missing, macs.ids().collect());
    }
    Ok(())
}

/// Verifies once more, keeps a check for each configured key that has none yet, and lets `fields`
/// seal and `macs` sign with the keys that are active in the storage.
///
/// All in one unit of work: another process may have started with other keys on a storage that was
/// still empty when this one has looked. On a storage without an active key the newest one of the
/// setting becomes active; later ones are only added, until they are activated.
///
/// # Errors
///
/// [`KeepError::Refused`] when the keys are not those that the storage needs.
///
/// ```
/// use keyward_encryption::{KeepError, keep};
/// # use std::sync::Arc;
/// # use keyward_auth::Environment;
/// # use keyward_core::Store as _;
/// # use keyward_crypto::{FieldKey, KeyRing, MacRing};
/// # use keyward_store_testing::MemoryStore;
/// # let key = FieldKey::generate();
/// # let store = Arc::new(MemoryStore::new());
/// # let macs = MacRing::parse(MacRing::generate_secret().expose())?;
/// # let environment = Environment::new(store, KeyRing::new(vec![key])?, macs);
///
/// // `environment` is as on the page of this crate.
/// let Environment { store, fields, macs, clock, .. } = &environment;
/// store.write(|tx| keep(tx, fields, macs, clock.now()))?;
/// // Any number of times.
/// store.write(|tx| keep(tx, fields, macs, clock.now()))?;
///
/// // Somebody has mixed up the settings of two installations.
/// let wrong = KeyRing::new(vec![FieldKey::generate()])?;
/// let refused = store.write(|tx| keep(tx, &wrong, macs, clock.now()));
/// let Err(KeepError::Refused(why)) = refused else { panic!("it is another key") };
/// assert_eq!(why.missing_field_keys(), [fields.active()]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn keep<Tx: EncryptionKeys>(
    tx: &mut Tx,
    fields: &KeyRing,
    macs: &MacRing,
    now: Timestamp,
) -> Result<(), KeepError> {
    let stored = tx.lock_encryption_keys()?;
    verify(&stored, fields, macs)?;
    let seal = |kid: &KeyId| fields.seal_with(kid, TEXT, &context(kid), now.unix());
    let active = Newcomers {
        known: &stored,
        active: active_of(&stored),
        now,
    }
    .keep(tx, &fields.ids().collect::<Vec<_>>(), seal)?;
    // The rings have them: that was verified, or they came from there.
    let _ = active.is_some_and(|kid| fields.activate(&kid));
    // Under the key that is active now.
    let seal = |kid: &KeyId| Some(fields.seal(TEXT, &context(kid), now.unix()));
    let signing = Newcomers {
        known: &stored,
        active: signing_of(&stored),
        now,
    }
    .keep(tx, &macs.ids().collect::<Vec<_>>(), seal)?;
    let _ = signing.is_some_and(|kid| macs.activate(&kid));
    // None is missing: that was verified.
    let _ = follow_states(&stored, fields, macs);
    Ok(())
}

/// Has the rings do what a storage says of their keys: seal and sign with the active ones, and take
/// those that are retired out of use, though the settings may still have them.
///
/// Returns the active keys that a ring does not have.
#[must_use = "a key that is missing has to be said"]
pub fn follow_states(stored: &[KeyRecord], fields: &KeyRing, macs: &MacRing) -> Vec<KeyId> {
    let active = stored.iter().filter(|key| key.state == KeyState::Active);
    let missing = active
        .filter(|key| {
            let is_followed = if key.is_field_key() {
                fields.active() == key.kid || fields.activate(&key.kid)
            } else {
                macs.active() == key.kid || macs.activate(&key.kid)
            };
            !is_followed
        })
        .map(|key| key.kid)
        .collect();
    for key in stored.iter().filter(|key| key.state == KeyState::Retired) {
        if !key.is_field_key() {
            macs.retire(&key.kid);
        }
    }
    missing
}

/// Keys of one kind that a storage may not know yet.
struct Newcomers<'a> {
    known: &'a [KeyRecord],
    active: Option<KeyId>,
    now: Timestamp,
}

impl Newcomers<'_> {
    /// Keeps them, newest first, and returns the one that is active afterwards.
    fn keep<Tx: EncryptionKeys>(
        &self,
        tx: &mut Tx,
        ids: &[KeyId],
        seal: impl Fn(&KeyId) -> Option<EncryptedString>,
    ) -> Result<Option<KeyId>, StoreError> {
        let is_first = self.active.is_none();
        let newest = ids.iter().find(|kid| !self.is_retired(kid));
        let active = self.active.or(newest.copied());
        for kid in ids.iter().copied() {
            let state = match (Some(kid) == active, is_first) {
                (true, _) => KeyState::Active,
                (false, true) => KeyState::DecryptOnly,
                (false, false) => KeyState::Added,
            };
            let Some(sealed) = seal(&kid) else { continue };
            let key = KeyRecord {
                kid,
                state,
                sealed,
                created_at: self.now,
            };
            if !tx.add_encryption_key(&key)? && state == KeyState::Active && is_first {
                tx.set_key_state(&kid, state)?;
            }
        }
        Ok(active)
    }

    fn is_retired(&self, kid: &KeyId) -> bool {
        let known = self.known.iter().find(|key| key.kid == *kid);
        known.is_some_and(|key| key.state == KeyState::Retired)
    }
}

pub(crate) fn context(kid: &KeyId) -> Context {
    Context::new("key_checks", "sealed", kid.as_str(), "")
}

fn list(ids: &[KeyId]) -> String {
    ids.iter()
        .map(|id| id.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

fn needed_for(values: Option<u64>) -> String {
    match values {
        Some(1) => ", and one stored value opens with nothing else".to_owned(),
        Some(values) => format!(", and {values} stored values open with nothing else"),
        None => String::new(),
    }
}

/// Why the configured keys cannot be used with this storage.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyCheckError {
    /// Keys that values may need are not configured.
    #[error(
        "the database was written with a {name} that is not configured: it needs the key with the \
         id {}{}; the configured key has the id {}. Set {name} to the right key (several are \
         separated by commas, newest first), or restore it from your backup. The database was not \
         changed",
        list(missing), needed_for(*values), list(given)
    )]
    Missing {
        /// The setting.
        name: &'static str,
        /// The keys that are missing.
        missing: Vec<KeyId>,
        /// The keys that are there.
        given: Vec<KeyId>,
        /// How many values are sealed under the missing ones, where that was counted.
        values: Option<u64>,
    },
    /// The known text of a key is not what was written.
    #[error(
        "the check of the key with the id {kid} does not open although the key is there: somebody \
         changed the table key_checks. Restore the database from a backup. The database was not \
         changed"
    )]
    Damaged {
        /// The key.
        kid: KeyId,
    },
}

impl KeyCheckError {
    /// The encryption keys that are missing.
    #[must_use]
    pub fn missing_field_keys(&self) -> &[KeyId] {
        match self {
            Self::Missing { name, missing, .. } if *name == FIELD_KEY => missing,
            _ => &[],
        }
    }

    /// Says how many values the missing keys would open.
    #[must_use]
    pub fn with_values(mut self, counted: u64) -> Self {
        if let Self::Missing { values, .. } = &mut self {
            *values = Some(counted);
        }
        self
    }
}

/// Why the configured keys were not kept with the storage.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// They are not those that it needs.
    #[error(transparent)]
    Refused(#[from] KeyCheckError),
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const FIELD_KEY: &str = "FIELD_ENCRYPTION_KEY";

/// Changing it makes every database look as if its keys were wrong.
const TEXT: &str = "keyward key check 1";

#[cfg(test)]
mod tests {
    use keyward_crypto::FieldKey;

    use super::*;
    use crate::{NodeRecord, RotationRecord};

    const NOW: Timestamp = Timestamp(1_800_000_000);

    #[derive(Default)]
    struct Kept(Vec<KeyRecord>);

    impl EncryptionKeys for Kept {
        fn encryption_keys(&mut self) -> Result<Vec<KeyRecord>, StoreError> {
            Ok(self.0.clone())
        }

        fn lock_encryption_keys(&mut self) -> Result<Vec<KeyRecord>, StoreError> {
            self.encryption_keys()
        }

        fn add_encryption_key(&mut self, key: &KeyRecord) -> Result<bool, StoreError> {
            let new = self.0.iter().all(|known| known.kid != key.kid);
            if new {
                self.0.push(key.clone());
            }
            Ok(new)
        }

        fn set_key_state(&mut self, kid: &KeyId, state: KeyState) -> Result<(), StoreError> {
            for key in self.0.iter_mut().filter(|key| key.kid == *kid) {
                key.state = state;
            }
            Ok(())
        }

        fn rotation(&mut self) -> Result<RotationRecord, StoreError> {
            unreachable!()
        }

        fn set_rotation(&mut self, _: &RotationRecord) -> Result<(), StoreError> {
            unreachable!()
        }

        fn claim_rotation(
            &mut self,
            _: &str,
            _: Timestamp,
            _: Timestamp,
        ) -> Result<bool, StoreError> {
            unreachable!()
        }

        fn note_node(&mut self, _: &NodeRecord) -> Result<(), StoreError> {
            unreachable!()
        }

        fn forget_nodes(&mut self, _: &str, _: Timestamp) -> Result<(), StoreError> {
            unreachable!()
        }

        fn nodes_since(&mut self, _: Timestamp) -> Result<Vec<NodeRecord>, StoreError> {
            unreachable!()
        }
    }

    impl Kept {
        fn with(fields: &KeyRing, macs: &MacRing) -> Self {
            let mut kept = Self::default();
            keep(&mut kept, fields, macs, NOW).unwrap();
            kept
        }

        fn state(&self, kid: &KeyId) -> Option<KeyState> {
            let key = self.0.iter().find(|key| key.kid == *kid);
            key.map(|key| key.state)
        }
    }

    fn fields(keys: &[&FieldKey]) -> KeyRing {
        let list: Vec<_> = keys.iter().map(|key| key.expose()).collect();
        let list: Vec<_> = list.iter().map(|key| key.expose()).collect();
        KeyRing::parse(&list.join(",")).unwrap()
    }

    fn macs() -> MacRing {
        MacRing::parse(MacRing::generate_secret().expose()).unwrap()
    }

    #[test]
    fn the_keys_that_wrote_the_database_are_accepted_and_a_newer_one_in_front_too() {
        let (old, new) = (FieldKey::generate(), FieldKey::generate());
        let secret = macs();
        let stored = Kept::with(&fields(&[&old]), &secret).0;
        assert_eq!(verify(&stored, &fields(&[&old]), &secret), Ok(()));
        assert_eq!(verify(&stored, &fields(&[&new, &old]), &secret), Ok(()));
    }

    #[test]
    fn a_missing_key_is_named_by_its_id() {
        let (old, new) = (FieldKey::generate(), FieldKey::generate());
        let secret = macs();
        let stored = Kept::with(&fields(&[&new, &old]), &secret).0;
        let error = verify(&stored, &fields(&[&new]), &secret).unwrap_err();
        assert_eq!(error.missing_field_keys(), [*old.id()]);
        let text = error.with_values(12).to_string();
        assert!(text.contains(old.id().as_str()), "{text}");
        assert!(text.contains("12 stored values"), "{text}");
        let error = verify(&stored, &fields(&[&new, &old]), &macs()).unwrap_err();
        assert!(error.to_string().contains("SECRET_KEY"), "{error}");
        assert_eq!(error.missing_field_keys(), []);
    }

    #[test]
    fn the_first_key_of_a_new_storage_is_active_and_later_ones_are_added() {
        let (old, new) = (FieldKey::generate(), FieldKey::generate());
        let secret = macs();
        let mut kept = Kept::with(&fields(&[&old]), &secret);
        assert_eq!(kept.state(old.id()), Some(KeyState::Active));

        let both = fields(&[&new, &old]);
        assert_eq!(both.active(), *new.id());
        keep(&mut kept, &both, &secret, NOW).unwrap();
        assert_eq!(kept.state(new.id()), Some(KeyState::Added));
        assert_eq!(kept.state(old.id()), Some(KeyState::Active));
        assert_eq!(both.active(), *old.id(), "the storage says which is active");
    }

    #[test]
    fn a_storage_from_before_states_gets_the_newest_key_as_active() {
        let (old, new) = (FieldKey::generate(), FieldKey::generate());
        let (both, secret) = (fields(&[&new, &old]), macs());
        let mut kept = Kept::with(&both, &secret);
        for key in &mut kept.0 {
            key.state = KeyState::DecryptOnly;
        }
        keep(&mut kept, &both, &secret, NOW).unwrap();
        assert_eq!(kept.state(new.id()), Some(KeyState::Active));
        assert_eq!(kept.state(old.id()), Some(KeyState::DecryptOnly));
    }

    #[test]
    fn added_and_retired_keys_may_be_missing_and_retired_ones_stay_retired() {
        let (old, new) = (FieldKey::generate(), FieldKey::generate());
        let (both, secret) = (fields(&[&new, &old]), macs());
        for (state, needed) in [
            (KeyState::Added, false),
            (KeyState::Retired, false),
            (KeyState::DecryptOnly, true),
        ] {
            let mut kept = Kept::with(&fields(&[&new]), &secret);
            keep(&mut kept, &both, &secret, NOW).unwrap();
            kept.set_key_state(old.id(), state).unwrap();
            let verified = verify(&kept.0, &fields(&[&new]), &secret);
            assert_eq!(verified.is_err(), needed, "{state:?}");
            keep(&mut kept, &both, &secret, NOW).unwrap();
            assert_eq!(kept.state(old.id()), Some(state));
        }
    }

    #[test]
    fn the_first_secret_is_active_and_later_ones_are_added() {
        let key = FieldKey::generate();
        let (old, new) = (MacRing::generate_secret(), MacRing::generate_secret());
        let older = MacRing::parse(old.expose()).unwrap();
        let mut kept = Kept::with(&fields(&[&key]), &older);
        assert_eq!(kept.state(&older.active()), Some(KeyState::Active));

        let both = MacRing::parse(&format!("{},{}", new.expose(), old.expose())).unwrap();
        let newer = both.active();
        keep(&mut kept, &fields(&[&key]), &both, NOW).unwrap();
        assert_eq!(kept.state(&newer), Some(KeyState::Added));
        assert_eq!(
            both.active(),
            older.active(),
            "the storage says which signs"
        );

        kept.set_key_state(&older.active(), KeyState::Retired)
            .unwrap();
        kept.set_key_state(&newer, KeyState::Active).unwrap();
        keep(&mut kept, &fields(&[&key]), &both, NOW).unwrap();
        assert_eq!(both.active(), newer);
    }

    #[test]
    fn nothing_is_kept_beside_the_check_of_another_key() {
        let (first, second) = (FieldKey::generate(), FieldKey::generate());
        let secret = macs();
        let mut kept = Kept::with(&fields(&[&first]), &secret);
        let refused = keep(&mut kept, &fields(&[&second]), &secret, NOW).unwrap_err();
        assert!(matches!(refused, KeepError::Refused(_)), "{refused}");
        assert_eq!(kept.0.len(), 2);
    }

    #[test]
    fn a_check_that_was_changed_is_not_taken_for_a_missing_key() {
        let key = FieldKey::generate();
        let secret = macs();
        let mut stored = Kept::with(&fields(&[&key]), &secret).0;
        let flipped = stored[0].sealed.as_stored().replace("gAAA", "gAAB");
        stored[0].sealed = EncryptedString::from_stored(flipped);
        let error = verify(&stored, &fields(&[&key]), &secret).unwrap_err();
        assert!(matches!(error, KeyCheckError::Damaged { .. }), "{error}");
    }
}
