//! A known text under every key that was ever used with a database. By it a wrong or missing key
//! is noticed before anything is written.

use keyward_core::{StoreError, Timestamp};
use keyward_crypto::{Context, EncryptedString, KeyId, KeyRing, MacRing, OpenError};
use keyward_store_diesel::KeyChecks;

/// What [`KeyChecks`] keeps: ids of keys, each with a text sealed by an encryption key.
pub(crate) type StoredChecks = Vec<(KeyId, EncryptedString)>;

/// Whether the configured keys are those that the database was written with.
///
/// Every key that the database knows must be there: one that is missing may be the one that some
/// row needs.
pub(crate) fn verify(
    stored: &StoredChecks,
    fields: &KeyRing,
    macs: &MacRing,
) -> Result<(), KeyCheckError> {
    let mut missing = Missing::default();
    for (kid, sealed) in stored {
        if !is_of_field_key(kid, sealed) {
            if !macs.ids().any(|known| known == kid) {
                missing.secret.push(kid.to_string());
            }
            continue;
        }
        match fields.open(sealed, &context(kid)) {
            Ok(text) if text.expose() == TEXT => {}
            Err(OpenError::UnknownKey { .. }) => missing.field.push(kid.to_string()),
            _ => return Err(KeyCheckError::Damaged { kid: *kid }),
        }
    }
    missing.refuse(fields, macs)
}

/// Verifies once more, and keeps a check for each configured key that has none yet.
///
/// Both in one unit of work: another process may have started with other keys on a database that
/// was still empty when this one has looked.
pub(crate) fn keep<Tx: KeyChecks>(
    tx: &mut Tx,
    fields: &KeyRing,
    macs: &MacRing,
    now: Timestamp,
) -> Result<(), KeepError> {
    verify(&tx.lock_key_checks()?, fields, macs)?;
    for kid in fields.ids() {
        if let Some(sealed) = fields.seal_with(kid, TEXT, &context(kid), now.unix()) {
            tx.add_key_check(kid, &sealed, now)?;
        }
    }
    for kid in macs.ids() {
        let sealed = fields.seal(TEXT, &context(kid), now.unix());
        tx.add_key_check(kid, &sealed, now)?;
    }
    Ok(())
}

/// The check of an encryption key is sealed by that key itself, that of a `SECRET_KEY` by the
/// encryption key of the day.
fn is_of_field_key(kid: &KeyId, sealed: &EncryptedString) -> bool {
    sealed.key_id().as_ref() == Some(kid)
}

fn context(kid: &KeyId) -> Context {
    Context::new("key_checks", "sealed", kid.as_str(), "")
}

#[derive(Default)]
struct Missing {
    field: Vec<String>,
    secret: Vec<String>,
}

impl Missing {
    fn refuse(self, fields: &KeyRing, macs: &MacRing) -> Result<(), KeyCheckError> {
        if !self.field.is_empty() {
            return Err(KeyCheckError::Missing {
                name: "FIELD_ENCRYPTION_KEY",
                missing: self.field.join(", "),
                given: ids(fields.ids()),
            });
        }
        if !self.secret.is_empty() {
            return Err(KeyCheckError::Missing {
                name: "SECRET_KEY",
                missing: self.secret.join(", "),
                given: ids(macs.ids()),
            });
        }
        Ok(())
    }
}

fn ids<'a>(ids: impl Iterator<Item = &'a KeyId>) -> String {
    ids.map(KeyId::as_str).collect::<Vec<_>>().join(", ")
}

/// Why the configured keys cannot be used with this database.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeyCheckError {
    #[error(
        "the database was written with a {name} that is not configured: it needs the key with the \
         id {missing}, and the configured key has the id {given}. Set {name} to the right key \
         (several are separated by commas, newest first), or restore it from your backup. The \
         database was not changed"
    )]
    Missing {
        name: &'static str,
        missing: String,
        given: String,
    },
    #[error(
        "the check of the key with the id {kid} does not open although the key is there: somebody \
         changed the table key_checks. Restore the database from a backup. The database was not \
         changed"
    )]
    Damaged { kid: KeyId },
}

/// Why the configured keys were not kept with the database.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeepError {
    #[error(transparent)]
    Refused(#[from] KeyCheckError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Changing it makes every database look as if its keys were wrong.
const TEXT: &str = "keyward key check 1";

#[cfg(test)]
mod tests {
    use keyward_crypto::FieldKey;

    use super::*;

    struct Kept(StoredChecks);

    impl KeyChecks for Kept {
        fn key_checks(&mut self) -> Result<StoredChecks, StoreError> {
            Ok(self.0.clone())
        }

        fn lock_key_checks(&mut self) -> Result<StoredChecks, StoreError> {
            self.key_checks()
        }

        fn add_key_check(
            &mut self,
            key: &KeyId,
            sealed: &EncryptedString,
            _: Timestamp,
        ) -> Result<bool, StoreError> {
            let new = self.0.iter().all(|(kid, _)| kid != key);
            if new {
                self.0.push((*key, sealed.clone()));
            }
            Ok(new)
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

    fn kept(fields: &KeyRing, macs: &MacRing) -> StoredChecks {
        let mut kept = Kept(Vec::new());
        keep(&mut kept, fields, macs, Timestamp(1_800_000_000)).unwrap();
        kept.0
    }

    #[test]
    fn the_keys_that_wrote_the_database_are_accepted_and_a_newer_one_in_front_too() {
        let (old, new) = (FieldKey::generate(), FieldKey::generate());
        let secret = macs();
        let stored = kept(&fields(&[&old]), &secret);
        assert_eq!(verify(&stored, &fields(&[&old]), &secret), Ok(()));
        assert_eq!(verify(&stored, &fields(&[&new, &old]), &secret), Ok(()));
    }

    #[test]
    fn a_missing_key_is_named_by_its_id() {
        let (old, new) = (FieldKey::generate(), FieldKey::generate());
        let secret = macs();
        let stored = kept(&fields(&[&new, &old]), &secret);
        let error = verify(&stored, &fields(&[&new]), &secret).unwrap_err();
        assert!(error.to_string().contains(old.id().as_str()), "{error}");
        let error = verify(&stored, &fields(&[&new, &old]), &macs()).unwrap_err();
        assert!(error.to_string().contains("SECRET_KEY"), "{error}");
    }

    #[test]
    fn nothing_is_kept_beside_the_check_of_another_key() {
        let (first, second) = (FieldKey::generate(), FieldKey::generate());
        let secret = macs();
        let mut tx = Kept(kept(&fields(&[&first]), &secret));
        let now = Timestamp(1_800_000_000);
        let refused = keep(&mut tx, &fields(&[&second]), &secret, now).unwrap_err();
        assert!(matches!(refused, KeepError::Refused(_)), "{refused}");
        assert_eq!(tx.0.len(), 2);
    }

    #[test]
    fn a_check_that_was_changed_is_not_taken_for_a_missing_key() {
        let key = FieldKey::generate();
        let secret = macs();
        let mut stored = kept(&fields(&[&key]), &secret);
        let flipped = stored[0].1.as_stored().replace("gAAA", "gAAB");
        stored[0].1 = EncryptedString::from_stored(flipped);
        let error = verify(&stored, &fields(&[&key]), &secret).unwrap_err();
        assert!(matches!(error, KeyCheckError::Damaged { .. }), "{error}");
    }
}
