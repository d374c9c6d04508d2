//! Keys and kits for the tests.

use keyward_crypto::{FieldKey, MacRing, SecretText};

use crate::RecoveryKit;

pub(crate) const MADE_AT: u64 = 1_800_000_000;

pub(crate) fn field() -> SecretText {
    FieldKey::generate().expose()
}

pub(crate) fn secret() -> SecretText {
    MacRing::generate_secret()
}

pub(crate) fn kit() -> RecoveryKit {
    kit_of(&[field()], &[secret()])
}

pub(crate) fn kit_of(fields: &[SecretText], secrets: &[SecretText]) -> RecoveryKit {
    let joined = |keys: &[SecretText]| {
        let keys: Vec<_> = keys.iter().map(SecretText::expose).collect();
        SecretText::new(keys.join(","))
    };
    RecoveryKit::new(&joined(fields), &joined(secrets), MADE_AT).unwrap()
}
