//! What is not restored, and that nothing changes then.

use keyward_auth::Environment;
use keyward_backup::{Finding, LoadError, RebuildError, RestoreError, VerifyBackup, VerifyError};
use keyward_crypto::{FieldKey, KeyRing, MacRing};
use keyward_encryption::{EncryptionKeys as _, NodeRecord};
use keyward_store_diesel::testing::TestDatabase;

use crate::support::{Client, macs, on_both, write};
use crate::vault::{Vault, content, other_kind};

on_both![
    a_database_with_users_is_not_replaced_unasked,
    a_database_that_nodes_serve_is_left_alone,
    a_restore_that_fails_halfway_leaves_what_was_there,
    another_backup_than_the_verified_one_is_refused,
    a_row_that_was_changed_after_the_verification_is_refused,
    keys_that_do_not_fit_are_named_with_what_they_would_open,
    a_changed_event_is_found,
    a_value_that_does_not_open_is_found,
    an_anchor_of_something_else_is_found,
    a_target_of_a_newer_keyward_is_left_alone,
];

fn a_database_with_users_is_not_replaced_unasked(database: &TestDatabase) {
    let vault = Vault::new(database);
    let backup = vault.backup();
    let before = content(&vault.world.store);
    let error = vault.restore(&backup, &vault.world, false).unwrap_err();
    assert!(matches!(error, RestoreError::Occupied), "{error}");
    assert_eq!(content(&vault.world.store), before);
}

fn a_database_that_nodes_serve_is_left_alone(database: &TestDatabase) {
    let vault = Vault::new(database);
    let backup = vault.backup();
    let before = content(&vault.world.store);
    let seen = |ago: i64| NodeRecord {
        id: "127.0.0.1:8080".to_owned(),
        keys: Vec::new(),
        signs_with: macs().active(),
        seen_at: vault.world.now().plus(-ago),
    };
    write(&vault.world.store, |tx| tx.note_node(&seen(20)));
    let error = vault.restore(&backup, &vault.world, true).unwrap_err();
    let RestoreError::Serving(nodes) = error else {
        panic!("{error}");
    };
    assert_eq!(nodes, ["127.0.0.1:8080"]);
    assert_eq!(content(&vault.world.store), before);

    write(&vault.world.store, |tx| tx.note_node(&seen(31)));
    vault.restore(&backup, &vault.world, true).unwrap();
    assert_eq!(Client::of(database).count("serving_nodes"), 0);
}

fn a_restore_that_fails_halfway_leaves_what_was_there(database: &TestDatabase) {
    let vault = Vault::new(database);
    let backup = vault.backup();
    let verified = vault.verify(&backup).unwrap();
    let mut client = Client::of(database);
    let before = content(&vault.world.store);
    let migrations = client.count("__diesel_schema_migrations");
    for damaged in [&backup[..backup.len() - 1], &flipped(&backup)] {
        let error = vault
            .restore_verified(damaged, &verified, &vault.world, true)
            .unwrap_err();
        assert!(
            matches!(error, RestoreError::Load(LoadError::Archive(_))),
            "{error}"
        );
        assert_eq!(content(&vault.world.store), before);
        assert_eq!(client.count("__diesel_schema_migrations"), migrations);
    }
    vault
        .restore_verified(&backup, &verified, &vault.world, true)
        .unwrap();
}

fn another_backup_than_the_verified_one_is_refused(database: &TestDatabase) {
    let vault = Vault::new(database);
    let verified = vault.verify(&vault.backup()).unwrap();
    let other = vault.backup();
    let before = content(&vault.world.store);
    let error = vault
        .restore_verified(&other, &verified, &vault.world, true)
        .unwrap_err();
    assert!(matches!(error, RestoreError::OtherBackup), "{error}");
    assert_eq!(content(&vault.world.store), before);
}

/// Whoever knows the recipient can write a backup that says the same of itself.
fn a_row_that_was_changed_after_the_verification_is_refused(database: &TestDatabase) {
    let vault = Vault::new(database);
    let backup = vault.backup();
    let verified = vault.verify(&backup).unwrap();
    let forged = vault.rewritten(&backup, &|row| row.replace("researcher", "researchee"));
    assert_eq!(
        vault.verify(&forged).unwrap().manifest(),
        verified.manifest()
    );
    let before = content(&vault.world.store);
    let restore = |backup| vault.restore_verified(backup, &verified, &vault.world, true);
    let error = restore(&forged).unwrap_err();
    assert!(matches!(error, RestoreError::OtherBackup), "{error}");
    assert_eq!(content(&vault.world.store), before);
    // The control: written anew with what was verified, it is the same.
    restore(&vault.rewritten(&backup, &str::to_owned)).unwrap();
}

fn keys_that_do_not_fit_are_named_with_what_they_would_open(database: &TestDatabase) {
    let vault = Vault::new(database);
    let backup = vault.backup();
    let kid = vault.world.environment().fields.active();
    let with = |change: &dyn Fn(&mut Environment<_>)| {
        let scratch = TestDatabase::sqlite();
        let mut environment = vault.world.on(&scratch).environment();
        change(&mut environment);
        let verified =
            VerifyBackup::new(environment).verify(&*backup, &vault.identity, None, &mut |_, _| ());
        match verified.unwrap_err() {
            VerifyError::Load(LoadError::Keys(error)) => error,
            error => panic!("{error}"),
        }
    };
    let error = with(&|environment| {
        environment.fields = KeyRing::new(vec![FieldKey::generate()]).unwrap();
    });
    assert_eq!(error.missing_field_keys(), [kid]);
    // The secret of the credential, of the app and of the agent, and the check of SECRET_KEY.
    assert!(error.to_string().contains("4 stored values"), "{error}");
    let error = with(&|environment| {
        environment.macs = MacRing::parse(MacRing::generate_secret().expose()).unwrap();
    });
    assert!(error.to_string().contains("SECRET_KEY"), "{error}");
}

fn a_changed_event_is_found(database: &TestDatabase) {
    let vault = Vault::new(database);
    let mut client = Client::of(database);
    let allow = if client.is_sqlite() {
        "DROP TRIGGER audit_events_keep_on_update"
    } else {
        "DROP TRIGGER audit_events_keep ON audit_events"
    };
    client.run(allow).unwrap();
    client
        .run("UPDATE audit_events SET subject_id = 'somebody' WHERE seq = 1")
        .unwrap();
    let backup = vault.backup();
    let verified = vault.verify(&backup).unwrap();
    let changed = Finding::Audit(keyward_audit::Finding::Changed(1));
    assert_eq!(verified.findings(), [changed]);
    let target = other_kind(database);
    let copy = vault.world.on(&target);
    let error = vault
        .restore_verified(&backup, &verified, &copy, false)
        .unwrap_err();
    assert!(matches!(error, RestoreError::Findings(1)), "{error}");
}

fn a_value_that_does_not_open_is_found(database: &TestDatabase) {
    let vault = Vault::new(database);
    let mut client = Client::of(database);
    client
        .run("UPDATE credential_secrets SET field = 'organization_id'")
        .unwrap();
    let verified = vault.verify(&vault.backup()).unwrap();
    let kid = vault.world.environment().fields.active();
    assert_eq!(verified.findings(), [Finding::Sealed(Some(kid))]);
}

fn an_anchor_of_something_else_is_found(database: &TestDatabase) {
    let vault = Vault::new(database);
    let (created, backup) = vault.create();
    let own = created.manifest.audit_anchor.unwrap();
    let (numbered, mac) = own.rsplit_once('.').unwrap();
    let turned: String = mac.chars().rev().collect();
    let verify = |anchor: &str| {
        let scratch = TestDatabase::sqlite();
        VerifyBackup::new(vault.world.on(&scratch).environment())
            .verify(
                &*backup,
                &vault.identity,
                Some(&anchor.parse().unwrap()),
                &mut |_, _| (),
            )
            .unwrap()
    };
    assert_eq!(verify(&own).findings(), []);
    let verified = verify(&format!("{numbered}.{turned}"));
    assert!(
        matches!(
            verified.findings(),
            [Finding::Anchor(keyward_audit::Finding::Anchor(_))]
        ),
        "{verified:?}"
    );
}

fn a_target_of_a_newer_keyward_is_left_alone(database: &TestDatabase) {
    let vault = Vault::new(database);
    let backup = vault.backup();
    let mut client = Client::of(database);
    client
        .run("INSERT INTO __diesel_schema_migrations (version) VALUES ('0999')")
        .unwrap();
    let before = content(&vault.world.store);
    let error = vault.restore(&backup, &vault.world, true).unwrap_err();
    let RestoreError::Load(LoadError::Rebuild(RebuildError::NewerTarget(unknown))) = error else {
        panic!("{error}");
    };
    assert_eq!(unknown, ["0999"]);
    assert_eq!(content(&vault.world.store), before);

    // And neither is a backup of it restored.
    let newer = vault.backup();
    let error = vault.verify(&newer).unwrap_err();
    assert!(error.to_string().contains("0999"), "{error}");
}

fn flipped(backup: &[u8]) -> Vec<u8> {
    let mut changed = backup.to_vec();
    let last = changed.len() - 1;
    changed[last] ^= 1;
    changed
}
