//! What a damaged or forged row makes of a query.

#![cfg(all(feature = "sqlite", feature = "postgres"))]

mod support;

use keyward_audit::AuditEvents as _;
use keyward_auth::{Answer, ApiKeys as _, IdempotencyKey, IdempotencyKeys as _, StoredAnswer, Users as _};
use keyward_core::{Id, Store as _, StoreError};
use keyward_credentials::{
    Credential, CredentialName, CredentialType, Credentials as _, OpenFields, StoredCredential,
};
use keyward_crypto::{MacPurpose, Signed};
use keyward_store_diesel::testing::TestDatabase;
use keyward_store_diesel::{DieselTx, KeyChecks as _};
use support::{Client, NOW, added, api_key, macs, on_both, sign, user, write};

on_both![
    a_damaged_column_is_named,
    a_missing_audit_head_is_noticed,
];

fn a_damaged_column_is_named(database: &TestDatabase) {
    let store = database.store();
    let owner = added(&store, user()).unverified().id;
    let key = sign(api_key(owner));
    let key_id = key.unverified().id;
    let credential = credential(owner);
    let credential_id = credential.credential.unverified().id;
    let attempt = IdempotencyKey::parse("attempt").unwrap();
    write(&store, |tx| {
        tx.add_api_key(&key)?;
        tx.add_credential(&credential)?;
        tx.claim_answer(&StoredAnswer {
            user: owner,
            key: attempt.clone(),
            fingerprint: macs().mac(MacPurpose::IdempotentRequest, &[]),
            answer: Answer(String::new()),
            created_at: NOW,
        })
    });
    let sealed = keyward_crypto::EncryptedString::from_stored("v1.x".to_owned());
    let kid = keyward_crypto::KeyId::parse("0123456789abcdef").unwrap();
    write(&store, |tx| tx.add_key_check(&kid, &sealed, NOW));

    let mut client = Client::of(database);
    let mut check = |column: &'static str, value: &str, read: &Read<'_>| {
        let (table, name) = column.split_once('.').unwrap();
        let condition = if table == "users" { format!("WHERE id = '{owner}'") } else { String::new() };
        let old = client.value(&format!("SELECT {name} AS value FROM {table} {condition}"));
        let mut set = |value: &str| {
            client
                .run(&format!("UPDATE {table} SET {name} = '{value}' {condition}"))
                .unwrap();
        };
        set(value);
        let error = store.read(read).unwrap_err();
        assert!(
            matches!(&error, StoreError::Corrupt { what, .. } if *what == column),
            "{column}: {error:?}"
        );
        set(&old);
        store.read(read).unwrap();
    };
    let not_a_mac = "x".repeat(81);
    let user: &Read<'_> = &|tx| tx.user(owner).map(drop);
    let owner_of: &Read<'_> = &|tx| tx.key_with_owner(key_id).map(drop);
    let keys: &Read<'_> = &|tx| tx.api_keys_of(owner, None, 9).map(drop);
    let credential: &Read<'_> = &|tx| tx.credential(credential_id).map(drop);
    let credentials: &Read<'_> = &|tx| tx.credentials_after(None, None, 9).map(drop);
    let answer: &Read<'_> = &|tx| tx.stored_answer(owner, &attempt).map(drop);
    check("users.row_mac", &not_a_mac, user);
    check("users.row_mac", &not_a_mac, owner_of);
    check("api_keys.scopes", "read root", owner_of);
    check("api_keys.scopes", "everything", keys);
    check("api_keys.key_mac", &not_a_mac, owner_of);
    check("api_keys.row_mac", &not_a_mac, keys);
    check("credentials.open_fields", "{\"provider\": 1}", credential);
    check("credentials.open_fields", "{}}", credentials);
    check("credentials.row_mac", &not_a_mac, credential);
    check("idempotency_keys.fingerprint", &not_a_mac, answer);
    check("key_checks.kid", "not hexadecimal!", &|tx| tx.key_checks().map(drop));
}

fn a_missing_audit_head_is_noticed(database: &TestDatabase) {
    let store = database.store();
    Client::of(database).run("DELETE FROM audit_head").unwrap();
    let is_noticed = |error: &StoreError| {
        matches!(error, StoreError::Corrupt { what, .. } if *what == "audit_head")
    };
    assert!(is_noticed(&store.read(|tx| tx.audit_head()).unwrap_err()));
    assert!(is_noticed(&store.write(|tx| tx.lock_audit_head()).unwrap_err()));
}

type Read<'a> = dyn Fn(&mut DieselTx) -> Result<(), StoreError> + 'a;

fn credential(created_by: keyward_auth::UserId) -> StoredCredential {
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
