use keyward_encryption::EncryptionError;

use crate::exit::Failure;
use crate::wiring::broken;

/// Why a key was not moved on, and what to do.
pub(super) fn no_change(error: &EncryptionError) -> Failure {
    Failure::refused(match error {
        EncryptionError::UnknownKey => {
            "there is no key of this id; `keyward keys status` shows those there are, and `keyward \
             keys add` makes one"
                .to_owned()
        }
        EncryptionError::NotHeld => {
            "this key is not in the settings here; put it there first".to_owned()
        }
        EncryptionError::NotEverywhere(nodes) => format!(
            "these nodes do not hold the key yet and could not open or verify what it makes: {}. \
             Put it into their settings first (one that was killed is forgotten after \
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
            "{values} stored {} sealed under this key or signed by it, and would be lost; run \
             `keyward keys rotate` first",
            if *values == 1 {
                "value is"
            } else {
                "values are"
            }
        ),
        EncryptionError::StillSigning(nodes) => format!(
            "these nodes still sign with this secret and learn within seconds that another one is \
             active: {}. Try again then",
            nodes.join(", ")
        ),
        EncryptionError::Unused { keys, codes } => format!(
            "{keys} API keys that work and {codes} recovery codes were not used since another \
             secret is active, and would end. API keys are renewed when they are used, recovery \
             codes when people make new ones; wait for that, or end them with --end-unused"
        ),
        EncryptionError::NotRunning => "re-encryption does not run".to_owned(),
        _ => return broken(error),
    })
}
