use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use keyward_crypto::FieldKey;

use super::*;
use crate::settings::tests::World;

fn obtain(settings: &Settings) -> Result<(KeyMaterial, String), KeyError> {
    let mut notices = Vec::new();
    let database = settings.database_url().unwrap();
    let keys = KeyMaterial::obtain(settings, &database, &mut notices)?;
    Ok((keys, String::from_utf8(notices).unwrap()))
}

fn ids(keys: &KeyMaterial) -> (String, String) {
    (
        keys.fields.active().to_string(),
        keys.macs.active().to_string(),
    )
}

/// Development in a directory of its own.
fn development(variables: &[(&str, &str)]) -> (World, Settings) {
    let world = World::of(variables);
    let data_dir = world.directory().join("data");
    let world = world.set("DATA_DIR", data_dir.to_str().unwrap());
    let settings = world.load().unwrap();
    (world, settings)
}

#[test]
fn development_generates_keys_once() {
    let (_world, settings) = development(&[]);
    let (first, notices) = obtain(&settings).unwrap();
    assert!(
        notices.contains("field-encryption.key") && notices.contains("secret.key"),
        "{notices}"
    );
    assert!(notices.contains("Back these files up"), "{notices}");

    let (second, notices) = obtain(&settings).unwrap();
    assert_eq!(ids(&second), ids(&first));
    assert_eq!(notices, "");
    let path = settings.data_dir.join("secret.key");
    assert_eq!(second.macs_origin, KeyOrigin::Generated(path));
}

#[test]
fn a_notice_holds_no_key() {
    let (_world, settings) = development(&[]);
    let (_, notices) = obtain(&settings).unwrap();
    for file in ["field-encryption.key", "secret.key"] {
        let key = fs::read_to_string(settings.data_dir.join(file)).unwrap();
        assert!(!notices.contains(key.trim()));
    }
}

#[test]
fn a_set_key_is_taken_and_only_the_other_generated() {
    let key = FieldKey::generate();
    let (_world, settings) = development(&[("FIELD_ENCRYPTION_KEY", key.expose().expose())]);
    let (keys, notices) = obtain(&settings).unwrap();
    assert_eq!(keys.fields.active(), *key.id());
    assert!(!notices.contains("field-encryption.key"), "{notices}");
    assert!(!settings.data_dir.join("field-encryption.key").exists());
}

#[test]
fn no_key_is_generated_beside_an_existing_database() {
    for lost in ["field-encryption.key", "secret.key"] {
        let (_world, settings) = development(&[]);
        obtain(&settings).unwrap();
        let database = settings.data_dir.join("keyward.db");
        fs::write(&database, "rows").unwrap();
        assert!(obtain(&settings).is_ok());

        let key = settings.data_dir.join(lost);
        fs::remove_file(&key).unwrap();
        let error = obtain(&settings).err().unwrap();
        assert!(matches!(error, KeyError::Lost { .. }), "{error}");
        assert!(error.to_string().contains(lost), "{error}");
        assert!(!key.exists());
    }
}

#[test]
fn a_generated_key_that_others_can_read_is_refused() {
    let (_world, settings) = development(&[]);
    obtain(&settings).unwrap();
    let key = settings.data_dir.join("secret.key");
    fs::set_permissions(&key, Permissions::from_mode(0o640)).unwrap();
    let error = obtain(&settings).err().unwrap().to_string();
    assert!(
        error.contains(&format!("chmod 600 {}", key.display())),
        "{error}"
    );
}

#[test]
fn production_generates_nothing_and_lists_what_is_missing() {
    let (_world, settings) = development(&[
        ("KEYWARD_ENV", "production"),
        ("DATABASE_URL", "sqlite://x.db"),
    ]);
    let error = obtain(&settings).err().unwrap().to_string();
    assert!(
        error.contains("FIELD_ENCRYPTION_KEY and SECRET_KEY are not set"),
        "{error}"
    );
    assert!(!settings.data_dir.exists());

    // A key of development is no key of production by accident.
    fs::create_dir(&settings.data_dir).unwrap();
    let key = settings.data_dir.join("secret.key");
    fs::write(&key, MacRing::generate_secret().expose()).unwrap();
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    assert!(matches!(obtain(&settings), Err(KeyError::Missing { .. })));
}

#[test]
fn a_bad_key_is_told_by_its_position() {
    let good = FieldKey::generate();
    let good = good.expose();
    let good = good.expose();
    let zeros = format!("{}=", "A".repeat(43));
    let cases = [
        (
            "FIELD_ENCRYPTION_KEY",
            "MARKER".to_owned(),
            "key number 1 is not",
        ),
        (
            "FIELD_ENCRYPTION_KEY",
            format!("{good},MARKER"),
            "key number 2 is not",
        ),
        (
            "FIELD_ENCRYPTION_KEY",
            format!("{good},"),
            "key number 2 is not",
        ),
        ("FIELD_ENCRYPTION_KEY", zeros, "key number 1 is an example"),
        ("FIELD_ENCRYPTION_KEY", format!("{good},{good}"), "twice"),
        (
            "SECRET_KEY",
            "MARKER".to_owned(),
            "number 1 is shorter than 32 bytes",
        ),
        (
            "SECRET_KEY",
            "change-me-in-production".repeat(2),
            "number 1",
        ),
    ];
    for (variable, value, expected) in cases {
        let (_world, settings) = development(&[(variable, &value)]);
        let error = obtain(&settings).err().unwrap().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(
            !error.contains("MARKER") && !error.contains(good),
            "{error}"
        );
    }
}
