//! What a damaged or forged row makes of a query.

#![cfg(all(feature = "sqlite", feature = "postgres"))]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "these are tests"
)]

mod support;

use std::sync::Arc;

use keyward_audit::{Action, Actor, AuditLog, Event, Finding, ReadAudit, Subject, VerifyAudit};
use keyward_auth::{
    Answer, ApiKeyRecord, ApiKeys as _, Authenticate, Environment, Hashing, IdempotencyKey,
    IdempotencyKeys as _, NoAdvice, Permit, RequiredScope, Scopes, StoredAnswer, User, UserId,
    Users as _,
};
use keyward_core::{Id, ManualClock, Store as _, StoreError};
use keyward_credentials::{
    Credential, CredentialChange, CredentialId, CredentialName, CredentialScope, CredentialType,
    Credentials as _, FieldView, ManageCredentials, NewCredential, OpenFields, StoredCredential,
};
use keyward_crypto::{
    ApiKey, ApiKeyId, ApiKeyKind, EncryptedString, FieldKey, KeyId, KeyRing, MacPurpose, Passwords,
    Signed, TotpWindow,
};
use keyward_encryption::EncryptionKeys as _;
use keyward_store_diesel::testing::TestDatabase;
use keyward_store_diesel::{DieselStore, DieselTx};
use support::{Client, NOW, added, admin, api_key, macs, on_both, sign, user, write};

on_both![
    a_damaged_column_is_named,
    a_row_with_a_damaged_column_is_read_and_not_genuine,
    a_damaged_row_hides_no_other_one_from_a_list,
    a_damaged_credential_is_listed_as_unreadable_and_can_be_deleted,
    a_damaged_audit_event_is_listed_and_found,
    a_missing_or_damaged_audit_head_is_found,
];

fn a_damaged_column_is_named(database: &TestDatabase) {
    let store = database.store();
    let Rows { owner, attempt, .. } = rows(&store);
    let credentials: &Read<'_> = &|tx| tx.credentials_after(None, None, 9).map(drop);
    let keys: &Read<'_> = &|tx| tx.api_keys_of(owner, None, 9).map(drop);
    let answer: &Read<'_> = &|tx| tx.stored_answer(owner, &attempt).map(drop);
    let key_checks: &Read<'_> = &|tx| tx.encryption_keys().map(drop);
    let no_id = "x".repeat(36);

    for (column, value, read) in [
        ("credentials.id", no_id.as_str(), credentials),
        ("api_keys.id", "no 16 characters", keys),
        ("idempotency_keys.fingerprint", &not_a_mac(), answer),
        ("key_checks.kid", "not hexadecimal!", key_checks),
    ] {
        with_damage(database, column, value, || {
            let error = store.read(read).unwrap_err();
            assert!(is_corrupt(&error, column), "{column}: {error:?}");
        });
        store.read(read).unwrap();
    }
}

fn a_row_with_a_damaged_column_is_read_and_not_genuine(database: &TestDatabase) {
    let store = database.store();
    let rows = rows(&store);
    for (column, value) in damages() {
        let table = column.split('.').next().unwrap();
        assert_eq!(genuine(&store, &rows, table), [true, true]);
        with_damage(database, column, &value, || {
            assert_eq!(genuine(&store, &rows, table), [false, false], "{column}");
        });
        assert_eq!(genuine(&store, &rows, table), [true, true]);
    }
}

/// Whether the row of a table is genuine, read alone and in a list.
fn genuine(store: &DieselStore, rows: &Rows, table: &str) -> [bool; 2] {
    let read = |tx: &mut DieselTx| {
        Ok::<_, StoreError>(match table {
            "users" => [
                tx.user(rows.owner)?.unwrap().is_genuine(&macs()),
                tx.users_after(None, 9)?[0].is_genuine(&macs()),
            ],
            "api_keys" => {
                let one = tx.key_with_owner(rows.key)?.unwrap().key;
                let listed = tx.api_keys_of(rows.owner, None, 9)?.remove(0).key;
                [one, listed]
                    .map(|key| key.is_genuine(&macs()) && !key.unverified().key_mac.is_unreadable())
            }
            _ => [
                tx.credential(rows.credential)?.unwrap(),
                tx.credentials_after(None, None, 9)?.remove(0),
            ]
            .map(|found| found.credential.is_genuine(&macs())),
        })
    };
    store.read(read).unwrap()
}

fn a_damaged_row_hides_no_other_one_from_a_list(database: &TestDatabase) {
    let store = database.store();
    let rows = rows(&store);
    added(&store, user());
    write(&store, |tx| {
        tx.add_api_key(&sign(api_key(rows.owner)))?;
        tx.add_credential(&credential(rows.owner))
    });
    for (column, value) in damages() {
        let key = match column.split('.').next().unwrap() {
            "users" => rows.owner.to_string(),
            "api_keys" => rows.key.to_string(),
            _ => rows.credential.to_string(),
        };
        damage_one(database, column, &value, &key);
    }
    let genuine = store.read(|tx| {
        let users = tx.users_after(None, 9)?;
        let keys = tx.api_keys_of(rows.owner, None, 9)?;
        let credentials = tx.credentials_after(None, None, 9)?;
        Ok::<_, StoreError>([
            count(users.iter().map(|user| user.is_genuine(&macs()))),
            count(keys.iter().map(|key| key.key.is_genuine(&macs()))),
            count((credentials.iter()).map(|one| one.credential.is_genuine(&macs()))),
        ])
    });
    assert_eq!(genuine.unwrap(), [(1, 2); 3]);
}

/// How many are genuine, and how many there are.
fn count(genuine: impl Iterator<Item = bool>) -> (usize, usize) {
    let genuine: Vec<_> = genuine.collect();
    (
        genuine.iter().filter(|genuine| **genuine).count(),
        genuine.len(),
    )
}

fn a_damaged_credential_is_listed_as_unreadable_and_can_be_deleted(database: &TestDatabase) {
    let store = database.store();
    let owner = added(&store, admin());
    let service = manage(&store);
    let damages = damages()
        .into_iter()
        .filter(|(column, _)| column.starts_with("credentials."));
    for (column, value) in damages {
        let detail = serde_json::json!({ "provider": "openai", "api_key": "sk-0123456789abcdef" });
        let new = NewCredential {
            broker: None,
            name: CredentialName::from_stored("OpenAI".to_owned()),
            credential_type: CredentialType::Llm,
            detail: serde_json::from_value(detail).unwrap(),
        };
        let made = service.create(&permit(&store, &owner), new, None).unwrap();
        damage_one(database, column, &value, &made.id.to_string());

        let listed = service.list(&permit(&store, &owner), None, 9).unwrap();
        assert!(
            matches!(&listed[0].detail["api_key"], FieldView::Secret(mask) if mask.unreadable),
            "{column}: {listed:?}"
        );
        let change = CredentialChange {
            name: Some(CredentialName::from_stored("new".to_owned())),
            ..CredentialChange::default()
        };
        let changed = service.change(&permit(&store, &owner), made.id, change);
        assert!(changed.is_err(), "{column}: signed anew");
        service.delete(&permit(&store, &owner), made.id).unwrap();
        assert_eq!(service.list(&permit(&store, &owner), None, 9).unwrap(), []);
    }
}

fn a_damaged_audit_event_is_listed_and_found(database: &TestDatabase) {
    let store = database.store();
    record_two_events(&store);
    let insert = format!(
        "INSERT INTO audit_events VALUES \
         (3, 1, 'host', '', '', '', 'user.create', 'user', 'x', '{{}}', '{}')",
        not_a_mac()
    );
    Client::of(database).run(&insert).unwrap();

    let newest = ReadAudit::new(store.clone()).newest(None, 9).unwrap();
    assert_eq!(newest.len(), 3);
    assert!(newest[0].mac.is_unreadable());
    let report = verify(&store).verify(None).unwrap();
    assert_eq!(report.findings, [Finding::Changed(3), Finding::End]);
}

fn a_missing_or_damaged_audit_head_is_found(database: &TestDatabase) {
    let store = database.store();
    record_two_events(&store);
    let not_a_mac = not_a_mac();
    for damage in [
        format!("UPDATE audit_head SET mac = '{not_a_mac}'"),
        format!("UPDATE audit_head SET last_mac = '{not_a_mac}'"),
        "DELETE FROM audit_head".to_owned(),
    ] {
        Client::of(database).run(&damage).unwrap();
        let report = verify(&store).verify(None).unwrap();
        assert_eq!(report.findings, [Finding::End], "{damage}");
        let anchor = verify(&store).anchor().unwrap_err();
        assert!(is_corrupt(&anchor, "audit_head"), "{damage}");
        let recorded = store.write(|tx| audit().record(tx, &event()));
        assert!(is_corrupt(&recorded.unwrap_err(), "audit_head"), "{damage}");
    }
}

fn record_two_events(store: &DieselStore) {
    for _ in 0..2 {
        write(store, |tx| audit().record(tx, &event()));
    }
    assert_eq!(verify(store).verify(None).unwrap().findings, []);
}

fn event() -> Event {
    Event::new(Actor::host(), Action("x.y"), Subject::new("x", 1))
}

fn audit() -> AuditLog {
    AuditLog::new(macs(), Arc::new(ManualClock::at(NOW)))
}

fn verify(store: &DieselStore) -> VerifyAudit<DieselStore> {
    VerifyAudit::new(store.clone(), macs())
}

fn manage(store: &DieselStore) -> ManageCredentials<DieselStore> {
    let environment = Environment {
        store: store.clone(),
        fields: KeyRing::new(vec![FieldKey::generate()]).unwrap(),
        macs: macs(),
        hashing: Hashing::new(Passwords::danger_fast()),
        audit: audit(),
        clock: Arc::new(ManualClock::at(NOW)),
        totp_window: TotpWindow::default(),
        advice: Arc::new(NoAdvice),
    };
    ManageCredentials::new(&environment, CredentialScope::Global)
}

/// What a new key of the user may do.
fn permit<Needed: RequiredScope>(store: &DieselStore, user: &Signed<User>) -> Permit<Needed> {
    let key = ApiKey::generate(ApiKeyKind::User);
    let record = ApiKeyRecord {
        id: key.id(),
        scopes: Scopes::all(),
        key_mac: key.mac(&macs()),
        ..api_key(user.unverified().id)
    };
    write(store, |tx| tx.add_api_key(&sign(record)));
    let clock = Arc::new(ManualClock::at(NOW));
    let authenticate = Authenticate::new(store.clone(), macs(), clock, Arc::default());
    authenticate.principal(&key).unwrap().permit().unwrap()
}

/// Values that the constraints of the tables let in and that nothing of Keyward writes.
fn damages() -> [(&'static str, String); 6] {
    [
        ("users.row_mac", not_a_mac()),
        ("api_keys.scopes", "read root".to_owned()),
        ("api_keys.key_mac", not_a_mac()),
        ("api_keys.row_mac", not_a_mac()),
        ("credentials.open_fields", "{\"provider\": 1}".to_owned()),
        ("credentials.row_mac", not_a_mac()),
    ]
}

fn not_a_mac() -> String {
    "x".repeat(81)
}

/// Runs `work` while a column of the only row in its table is damaged.
fn with_damage(database: &TestDatabase, column: &str, value: &str, work: impl FnOnce()) {
    let (table, name) = column.split_once('.').unwrap();
    let mut client = Client::of(database);
    let old = client.value(&format!("SELECT {name} AS value FROM {table}"));
    let mut set = |value: &str| {
        let update = format!("UPDATE {table} SET {name} = '{value}'");
        client.run(&update).unwrap();
    };
    set(value);
    work();
    set(&old);
}

fn damage_one(database: &TestDatabase, column: &str, value: &str, id: &str) {
    let (table, name) = column.split_once('.').unwrap();
    let update = format!("UPDATE {table} SET {name} = '{value}' WHERE id = '{id}'");
    Client::of(database).run(&update).unwrap();
}

fn is_corrupt(error: &StoreError, column: &str) -> bool {
    matches!(error, StoreError::Corrupt { what, .. } if *what == column)
}

type Read<'a> = dyn Fn(&mut DieselTx) -> Result<(), StoreError> + 'a;

struct Rows {
    owner: UserId,
    key: ApiKeyId,
    credential: CredentialId,
    attempt: IdempotencyKey,
}

/// One row in each table.
fn rows(store: &DieselStore) -> Rows {
    let owner = added(store, user()).unverified().id;
    let key = sign(api_key(owner));
    let credential = credential(owner);
    let rows = Rows {
        owner,
        key: key.unverified().id,
        credential: credential.credential.unverified().id,
        attempt: IdempotencyKey::parse("attempt").unwrap(),
    };
    let claim = StoredAnswer {
        user: owner,
        key: rows.attempt.clone(),
        fingerprint: macs().mac(MacPurpose::IdempotentRequest, &[]),
        answer: Answer(String::new()),
        created_at: NOW,
    };
    let sealed = EncryptedString::from_stored("v1.x".to_owned());
    let kid = KeyId::parse("0123456789abcdef").unwrap();
    write(store, |tx| {
        tx.add_api_key(&key)?;
        tx.add_credential(&credential)?;
        tx.claim_answer(&claim)?;
        tx.add_encryption_key(&support::key_record(kid, &sealed))
    });
    rows
}

fn credential(created_by: UserId) -> StoredCredential {
    let credential: Signed<Credential> = sign(Credential {
        id: Id::generate(),
        name: CredentialName::from_stored("OpenAI".to_owned()),
        credential_type: CredentialType::Llm,
        created_by,
        open_fields: OpenFields::default(),
        created_at: NOW,
        updated_at: NOW,
        legacy: None,
        broker: None,
        version: 1,
    });
    StoredCredential {
        credential,
        secrets: Vec::new(),
    }
}
