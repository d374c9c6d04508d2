//! Every column with sealed values is known to re-encryption.

#![cfg(all(feature = "sqlite", feature = "postgres"))]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "these are tests"
)]

mod support;

use std::collections::BTreeSet;
use std::sync::mpsc::channel;
use std::thread;

use keyward_auth::{SecondFactors as _, TotpSecrets};
use keyward_core::Store as _;
use keyward_crypto::{EncryptedString, KeyId};
use keyward_encryption::{EncryptionKeys as _, SealedColumn, SealedRow, SealedValues as _};
use keyward_store_diesel::testing::TestDatabase;
use support::{Client, added, key_record, on_both, user, write};

on_both![
    every_column_with_sealed_values_is_listed,
    a_column_that_is_not_listed_is_noticed,
    no_statement_reads_a_column_that_is_not_there,
    the_check_of_an_encryption_key_needs_no_other_key,
];

fn every_column_with_sealed_values_is_listed(database: &TestDatabase) {
    let _ = database.store();
    let missing: Vec<_> = of_schema(database).difference(&listed()).cloned().collect();
    assert_eq!(
        missing,
        [],
        "add these to SealedColumn in crates/encryption/src/column.rs and to \
         crates/store-diesel/src/sealed.rs, and give them the trigger of retired keys: what is not \
         listed is not re-encrypted, and lost when its key is retired"
    );
    assert_eq!(listed(), of_schema(database), "a column that is gone");
}

/// The positive control.
fn a_column_that_is_not_listed_is_noticed(database: &TestDatabase) {
    let _ = database.store();
    let mut client = Client::of(database);
    let is_sealed = if client.is_sqlite() {
        "GLOB 'v1.*'"
    } else {
        "LIKE 'v1.%'"
    };
    client
        .run(&format!(
            "ALTER TABLE users ADD COLUMN note TEXT CHECK (note {is_sealed}); \
             CREATE TABLE notes (id TEXT PRIMARY KEY, about TEXT, body TEXT, \
                                 CHECK (about IS NULL OR body {is_sealed}))"
        ))
        .unwrap();
    let schema = of_schema(database);
    let listed = listed();
    let missing: Vec<_> = schema.difference(&listed).collect();
    assert!(
        missing.contains(&&("notes".to_owned(), "body".to_owned())),
        "{missing:?}"
    );
    assert!(
        missing.contains(&&("users".to_owned(), "note".to_owned())),
        "{missing:?}"
    );
}

fn no_statement_reads_a_column_that_is_not_there(database: &TestDatabase) {
    let store = database.store();
    let kid = KeyId::parse("0123456789abcdef").unwrap();
    for column in SealedColumn::ALL {
        let counts = store.read(|tx| tx.sealed_counts(column)).unwrap();
        assert_eq!(counts, [], "{column:?}");
        let rows = store.read(|tx| tx.sealed_not_under(column, &kid, None, 10));
        assert_eq!(rows.unwrap(), []);
    }
    let under = store.values_under_before_migration(&[kid]);
    assert_eq!(under.unwrap(), 0);
}

fn the_check_of_an_encryption_key_needs_no_other_key(database: &TestDatabase) {
    let store = database.store();
    let sealed = EncryptedString::from_stored("v1.0123456789abcdef.x".to_owned());
    let kid = KeyId::parse("0123456789abcdef").unwrap();
    write(&store, |tx| {
        tx.add_encryption_key(&key_record(kid, &sealed))
    });
    assert_eq!(
        store.values_under_before_migration(&[kid]).unwrap(),
        0,
        "the check of an encryption key needs no other key"
    );
}

/// A request that changes several values, and re-encryption that moves several, would otherwise
/// wait for each other.
#[test]
fn on_postgresql_nobody_who_reseals_waits_for_who_changes_the_value() {
    let Some(database) = TestDatabase::postgres() else {
        return;
    };
    let store = database.store();
    let owner = added(&store, user()).unverified().id;
    let value = |text: &str| EncryptedString::from_stored(format!("v1.0123456789abcdef.{text}"));
    let set = |text: &str| TotpSecrets {
        active: Some(value(text)),
        pending: None,
    };
    write(&store, |tx| tx.set_totp_secrets(owner, &set("old")));
    let row = SealedRow {
        column: SealedColumn::TotpActive,
        row: owner.to_string(),
        field: String::new(),
        owner: owner.to_string(),
        sealed: value("old"),
    };
    let (is_locked, locked) = channel();
    let (finish, finished) = channel::<()>();
    thread::scope(|scope| {
        let other = store.clone();
        let changing = scope.spawn(move || {
            write(&other, |tx| {
                tx.set_totp_secrets(owner, &set("changed"))?;
                is_locked.send(()).unwrap();
                finished.recv().unwrap();
                Ok(())
            });
        });
        locked.recv().unwrap();
        // It would wait for ever: the other one ends after it.
        let resealed = store.write(|tx| tx.reseal(&row, &value("moved")));
        finish.send(()).unwrap();
        changing.join().unwrap();
        assert!(!resealed.unwrap());
    });
    let stored = store.read(|tx| tx.totp_secrets(owner)).unwrap();
    assert_eq!(stored, set("changed"));
}

/// What `SealedColumn` lists: table and column.
fn listed() -> BTreeSet<(String, String)> {
    SealedColumn::ALL
        .into_iter()
        .map(|column| (column.table().to_owned(), column.column().to_owned()))
        .collect()
}

/// The columns that a constraint of the schema says to hold sealed values.
fn of_schema(database: &TestDatabase) -> BTreeSet<(String, String)> {
    let mut client = Client::of(database);
    let constraints = if client.is_sqlite() {
        "SELECT name || ' ' || sql AS value FROM sqlite_schema \
         WHERE type = 'table' AND sql LIKE '%''v1.%'"
    } else {
        "SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid) AS value \
         FROM pg_constraint WHERE contype = 'c' AND pg_get_constraintdef(oid) LIKE '%''v1.%'"
    };
    let constraints = client.values(constraints).into_iter().map(Option::unwrap);
    constraints
        .flat_map(|constraint| {
            let (table, text) = constraint.split_once(' ').unwrap();
            // `column GLOB 'v1.*'` on SQLite, `column ~~ 'v1.%'::text` on PostgreSQL.
            let words: Vec<_> = text.split_whitespace().collect();
            let columns = words.windows(3).filter(|words| {
                matches!(words[1], "GLOB" | "~~" | "LIKE") && words[2].starts_with("'v1.")
            });
            columns
                .map(|words| {
                    let column = words[0].trim_start_matches(['(', '"']);
                    (table.to_owned(), column.trim_end_matches('"').to_owned())
                })
                .collect::<Vec<_>>()
        })
        .collect()
}
