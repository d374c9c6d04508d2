use keyward_encryption::EncryptionError;

use crate::exit::Failure;
use crate::wiring::broken;

/// Why a key was not moved on, and what to do.
pub(super) fn no_change(error: &EncryptionError) -> Failure {
    Failure::refused(match error {
        EncryptionError::UnknownKey => {
            "there is no encryption key of this id; put it into FIELD_ENCRYPTION_KEY first \
             (`keyward keys generate` makes one, `keyward keys status` shows those there are)"
                .to_owned()
        }
        EncryptionError::NotHeld => {
            "this key is not in FIELD_ENCRYPTION_KEY here; put it there first".to_owned()
        }
        EncryptionError::NotEverywhere(nodes) => format!(
            "these nodes do not hold the key yet and could not open what is sealed under it: {}. \
             Put it into their FIELD_ENCRYPTION_KEY first (one that was killed is forgotten after \
             30 seconds)",
            nodes.join(", ")
        ),
        EncryptionError::Retired => {
            "this key is retired and never comes back; generate a new one".to_owned()
        }
        EncryptionError::Active => {
            "this key is active; activate another one and run `keyward keys rotate` first"
                .to_owned()
        }
        EncryptionError::InUse(values) => format!(
            "{values} stored {} sealed under this key and would be lost; run `keyward keys rotate` \
             first",
            if *values == 1 {
                "value is"
            } else {
                "values are"
            }
        ),
        EncryptionError::NotRunning => "re-encryption does not run".to_owned(),
        _ => return broken(error),
    })
}
