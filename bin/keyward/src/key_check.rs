//! Whether the configured keys are those that the database needs.

use keyward_core::StoreError;
use keyward_crypto::{KeyRing, MacRing};
use keyward_encryption::{KeyCheckError, follow_states};
use keyward_store_diesel::DieselStore;

/// Compares the keys with the database, seals and signs with its active keys from then on, and says
/// how many keys it knows. The database is not changed, whatever schema it has.
pub(crate) fn verify(
    store: &DieselStore,
    fields: &KeyRing,
    macs: &MacRing,
) -> Result<Result<usize, KeyCheckError>, StoreError> {
    let stored = store.encryption_keys_before_migration()?;
    if let Err(error) = keyward_encryption::verify(&stored, fields, macs) {
        let missing = error.missing_field_keys();
        if missing.is_empty() {
            return Ok(Err(error));
        }
        let values = store.values_under_before_migration(missing)?;
        return Ok(Err(error.with_values(values)));
    }
    // None is missing: that was verified.
    let _ = follow_states(&stored, fields, macs);
    Ok(Ok(stored.len()))
}
