//! What a damaged or forged row makes of a query.

#![cfg(all(feature = "sqlite", feature = "postgres"))]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "these are tests"
)]

mod support;

use keyward_audit::AuditEvents as _;
use keyward_auth::{
    Answer, ApiKeys as _, IdempotencyKey, IdempotencyKeys as _, StoredAnswer, UserId, Users as _,
};
use keyward_core::{Id, Store as _, StoreError};
use keyward_credentials::{
    Credential, CredentialId, CredentialName, CredentialType, Credentials as _, OpenFields,
    StoredCredential,
};
use keyward_crypto::{ApiKeyId, EncryptedString, KeyId, MacPurpose, Signed};
use keyward_store_diesel::testing::TestDatabase;
use keyward_store_diesel::{DieselStore, DieselTx, KeyChecks as _};
use support::{Client, NOW, added, api_key, macs, on_both, sign, user, write};

on_both![
    a_damaged_column_is_named,
    a_damaged_audit_event_is_named,
    a_missing_audit_head_is_noticed,
];

fn a_damaged_column_is_named(database: &TestDatabase) {
    let store = database.store();
    let Rows {
        owner,
        key,
        credential,
        attempt,
    } = rows(&store);
    let user: &Read<'_> = &|tx| tx.user(owner).map(drop);
    let owner_of: &Read<'_> = &|tx| tx.key_with_owner(key).map(drop);
    let keys: &Read<'_> = &|tx| tx.api_keys_of(owner, None, 9).map(drop);
    let credential: &Read<'_> = &|tx| tx.credential(credential).map(drop);
    let credentials: &Read<'_> = &|tx| tx.credentials_after(None, None, 9).map(drop);
    let answer: &Read<'_> = &|tx| tx.stored_answer(owner, &attempt).map(drop);
    let key_checks: &Read<'_> = &|tx| tx.key_checks().map(drop);
    let not_a_mac = "x".repeat(81);
    let not_an_object = "{\"provider\": 1}";

    for (column, value, read) in [
        ("users.row_mac", not_a_mac.as_str(), user),
        ("users.row_mac", &not_a_mac, owner_of),
        ("api_keys.scopes", "read root", owner_of),
        ("api_keys.scopes", "everything", keys),
        ("api_keys.key_mac", &not_a_mac, owner_of),
        ("api_keys.row_mac", &not_a_mac, keys),
        ("credentials.open_fields", not_an_object, credential),
        ("credentials.open_fields", "{}}", credentials),
        ("credentials.row_mac", &not_a_mac, credential),
        ("idempotency_keys.fingerprint", &not_a_mac, answer),
        ("key_checks.kid", "not hexadecimal!", key_checks),
    ] {
        assert_named(database, column, value, read);
    }
}

fn a_damaged_audit_event_is_named(database: &TestDatabase) {
    let store = database.store();
    let insert = format!(
        "INSERT INTO audit_events VALUES \
         (1, 1, 'host', '', '', '', 'user.create', 'user', 'x', '{{}}', '{}')",
        "x".repeat(81)
    );
    Client::of(database).run(&insert).unwrap();
    for result in [
        store.read(|tx| tx.audit_events_after(0, 9)),
        store.read(|tx| tx.audit_events_before(None, 9)),
    ] {
        assert!(is_corrupt(&result.unwrap_err(), "audit_events.mac"));
    }
}

fn a_missing_audit_head_is_noticed(database: &TestDatabase) {
    let store = database.store();
    Client::of(database).run("DELETE FROM audit_head").unwrap();
    let read = store.read(|tx| tx.audit_head());
    assert!(is_corrupt(&read.unwrap_err(), "audit_head"));
    let locked = store.write(|tx| tx.lock_audit_head());
    assert!(is_corrupt(&locked.unwrap_err(), "audit_head"));
}

/// Damages the column of the only row in its table, reads it, and repairs it.
fn assert_named(database: &TestDatabase, column: &str, value: &str, read: &Read<'_>) {
    let (table, name) = column.split_once('.').unwrap();
    let mut client = Client::of(database);
    let old = client.value(&format!("SELECT {name} AS value FROM {table}"));
    let mut set = |value: &str| {
        let update = format!("UPDATE {table} SET {name} = '{value}'");
        client.run(&update).unwrap();
    };
    let store = database.store();
    set(value);
    let error = store.read(read).unwrap_err();
    assert!(is_corrupt(&error, column), "{column}: {error:?}");
    set(&old);
    store.read(read).unwrap();
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
        tx.add_key_check(&kid, &sealed, NOW)
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
        version: 1,
    });
    StoredCredential {
        credential,
        secrets: Vec::new(),
    }
}
