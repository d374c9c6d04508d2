//! What went wrong with encryption keys.

use keyward_encryption::EncryptionError;

use super::Problem;

impl From<EncryptionError> for Problem {
    fn from(error: EncryptionError) -> Self {
        match error {
            EncryptionError::NotRunning => {
                Self::conflict("rotation-not-running", "re-encryption does not run")
                    .with_detail("there is nothing to pause")
            }
            EncryptionError::NoneActive => {
                Self::conflict("no-active-key", "no encryption key is active")
                    .with_detail("run `keyward keys activate` on the host")
            }
            EncryptionError::NotHeld => Self::conflict(
                "key-not-held",
                "this node does not hold the active encryption key",
            )
            .with_detail(
                "add it to FIELD_ENCRYPTION_KEY of this node; `keyward keys status` names it",
            ),
            EncryptionError::Denied(denied) => denied.into(),
            EncryptionError::Store(error) => error.into(),
            _ => Self::internal(),
        }
    }
}
