//! What was kept outside, and the audit of recovery kits.

#![cfg(all(feature = "sqlite", feature = "postgres"))]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "these are tests"
)]

mod support;

use std::sync::Arc;

use keyward_audit::{AuditLog, ReadAudit, VerifyAudit};
use keyward_auth::{Environment, Hashing, Host, NoAdvice};
use keyward_core::{ManualClock, Store as _, StoreError};
use keyward_crypto::{FieldKey, KeyId, KeyRing, Passwords, TotpWindow};
use keyward_encryption::{Kept, KitFacts, KitRegister, Safekeeping as _, SafekeepingRecord};
use keyward_store_diesel::DieselStore;
use keyward_store_diesel::testing::TestDatabase;
use support::{Client, NOW, macs, on_both, write};

on_both![
    the_last_of_each_kind_is_remembered,
    a_damaged_row_is_named,
    a_kit_is_audited_before_it_leaves_and_noted_once_it_is_kept,
    a_kit_that_cannot_be_audited_does_not_leave,
];

fn the_last_of_each_kind_is_remembered(database: &TestDatabase) {
    let store = database.store();
    assert_eq!(noted(&store), []);

    let (first, second) = (kid(), kid());
    let note = |kept, seconds: i64, keys: &[KeyId]| {
        write(&store, |tx| {
            tx.note_safekeeping(kept, NOW.plus(seconds), keys)
        });
    };
    note(Kept::RecoveryKit, 0, &[first]);
    note(Kept::Backup, 1, &[]);
    note(Kept::RecoveryKit, 2, &[second, first]);

    let expected = [
        SafekeepingRecord {
            kept: Kept::Backup,
            at: NOW.plus(1),
            keys: vec![],
        },
        SafekeepingRecord {
            kept: Kept::RecoveryKit,
            at: NOW.plus(2),
            keys: vec![second, first],
        },
    ];
    assert_eq!(noted(&store), expected);
}

fn a_damaged_row_is_named(database: &TestDatabase) {
    let store = database.store();
    write(&store, |tx| {
        tx.note_safekeeping(Kept::Backup, NOW, &[kid()])
    });
    let mut client = Client::of(database);
    client
        .run("UPDATE safekeeping SET key_ids = 'not hexadecimal!'")
        .unwrap();
    let error = store.read(|tx| tx.safekeeping()).unwrap_err();
    let is_named =
        matches!(&error, StoreError::Corrupt { what, .. } if *what == "safekeeping.key_ids");
    assert!(is_named, "{error:?}");
}

fn a_kit_is_audited_before_it_leaves_and_noted_once_it_is_kept(database: &TestDatabase) {
    let store = database.store();
    let register = KitRegister::new(environment(&store));
    let kit = KitFacts {
        kit: "7H3K-9QXM".to_owned(),
        keys: vec![kid(), kid()],
        split: Some((5, 3)),
    };

    register.leaves(&Host, &kit).unwrap();

    let events = ReadAudit::new(store.clone()).newest(None, 9).unwrap();
    let event = &events[0].fields;
    assert_eq!(events.len(), 1);
    assert_eq!(
        (event.actor_kind.as_str(), event.action.as_str()),
        ("host", "recovery-kit.create")
    );
    assert_eq!(
        (event.subject_kind.as_str(), event.subject_id.as_str()),
        ("recovery-kit", "7H3K-9QXM")
    );
    let expected = format!(
        r#"{{"keys":"{} {}","shares":"5","threshold":"3"}}"#,
        kit.keys[0], kit.keys[1]
    );
    assert_eq!(event.details, expected);
    assert_eq!(noted(&store), [], "nobody has it yet");

    register.is_kept(&kit).unwrap();

    let noted = noted(&store);
    assert_eq!((noted[0].kept, noted[0].at), (Kept::RecoveryKit, NOW));
    assert_eq!(noted[0].keys, kit.keys);
    let verified = VerifyAudit::new(store, macs()).verify(None).unwrap();
    assert_eq!((verified.events, verified.findings), (1, vec![]));
}

fn a_kit_that_cannot_be_audited_does_not_leave(database: &TestDatabase) {
    let store = database.store();
    let register = KitRegister::new(environment(&store));
    let kit = KitFacts {
        kit: "7H3K-9QXM".to_owned(),
        keys: vec![kid()],
        split: None,
    };
    register.leaves(&Host, &kit).unwrap();
    let mut client = Client::of(database);
    client.run("UPDATE audit_head SET mac = last_mac").unwrap();
    assert!(register.leaves(&Host, &kit).is_err());
}

fn noted(store: &DieselStore) -> Vec<SafekeepingRecord> {
    store.read(|tx| tx.safekeeping()).unwrap()
}

fn kid() -> KeyId {
    *FieldKey::generate().id()
}

fn environment(store: &DieselStore) -> Environment<DieselStore> {
    let clock = Arc::new(ManualClock::at(NOW));
    Environment {
        store: store.clone(),
        fields: KeyRing::new(vec![FieldKey::generate()]).unwrap(),
        macs: macs(),
        hashing: Hashing::with_places(Passwords::danger_fast(), 1, 10),
        audit: AuditLog::new(macs(), clock.clone()),
        clock,
        totp_window: TotpWindow::default(),
        advice: Arc::new(NoAdvice),
    }
}
