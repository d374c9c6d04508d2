use keyward_auth::Environment;
use keyward_core::StoreError;
use keyward_crypto::KeyId;
use keyward_encryption::{EncryptionKeys, KeyState, follow_states};

/// Lets the keys that were active in what is replaced be active again where the settings have them:
/// the backup may be from before one of its keys has leaked.
///
/// Returns the keys that were retired since, and that the restored content needs again.
pub(crate) fn carry_over<S, Tx: EncryptionKeys>(
    tx: &mut Tx,
    replaced: &[(KeyId, KeyState)],
    environment: &Environment<S>,
) -> Result<Vec<KeyId>, StoreError> {
    let Environment { fields, macs, .. } = environment;
    for (kid, _) in (replaced.iter()).filter(|(_, state)| *state == KeyState::Active) {
        let stored = tx.lock_encryption_keys()?;
        let Some(key) = stored.iter().find(|key| key.kid == *kid) else {
            continue;
        };
        let is_usable = matches!(key.state, KeyState::Added | KeyState::DecryptOnly)
            && (fields.holds(kid) || macs.holds(kid));
        if !is_usable {
            continue;
        }
        let mut same_kind = stored
            .iter()
            .filter(|other| other.is_field_key() == key.is_field_key());
        if let Some(before) = same_kind.find(|other| other.state == KeyState::Active) {
            tx.set_key_state(&before.kid, KeyState::DecryptOnly)?;
        }
        tx.set_key_state(kid, KeyState::Active)?;
    }
    let stored = tx.encryption_keys()?;
    // All that are needed are there: that was verified.
    let _ = follow_states(&stored, fields, macs);
    let was_retired = |kid: &KeyId| replaced.contains(&(*kid, KeyState::Retired));
    Ok(stored
        .iter()
        .filter(|key| key.is_needed() && was_retired(&key.kid))
        .map(|key| key.kid)
        .collect())
}
