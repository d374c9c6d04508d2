//! What a database does about secrets that are retired, and that no column with MACs is forgotten.

#![cfg(all(feature = "sqlite", feature = "postgres"))]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "these are tests"
)]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;

use keyward_audit::{Action, Actor, AuditEvents as _, AuditLog, Event, Subject};
use keyward_auth::Users as _;
use keyward_core::{ManualClock, Store as _, StoreError};
use keyward_crypto::{FieldKey, KeyRing};
use keyward_encryption::{EncryptionKeys as _, KeyState, MacColumn, keep};
use keyward_store_diesel::testing::TestDatabase;
use support::{Client, NOW, macs, on_both, sign, user};

on_both![
    nothing_is_written_by_a_secret_that_is_retired,
    every_column_with_macs_is_known,
    a_new_column_with_macs_is_noticed,
];

fn nothing_is_written_by_a_secret_that_is_retired(database: &TestDatabase) {
    let store = database.store();
    let (fields, macs) = (KeyRing::new(vec![FieldKey::generate()]).unwrap(), macs());
    store.write(|tx| keep(tx, &fields, &macs, NOW)).unwrap();
    let log = AuditLog::new(macs.clone(), Arc::new(ManualClock::at(NOW)));
    let change = || {
        store.write(|tx| {
            tx.lock_audit_head()?;
            let user = sign(user());
            tx.add_user(&user)?;
            let subject = Subject::new("user", user.unverified().id);
            log.record(
                tx,
                &Event::new(Actor::host(), Action("user.create"), subject),
            )
        })
    };
    let mut client = Client::of(database);
    change().unwrap();
    assert_eq!(client.count("users"), 1);

    // As on another node, while this one was cut off.
    store
        .write(|tx| tx.set_key_state(&macs.active(), KeyState::Retired))
        .unwrap();

    assert!(matches!(change(), Err(StoreError::Unavailable(_))));
    assert_eq!(client.count("users"), 1);
    assert_eq!(client.count("audit_events"), 1);
}

fn every_column_with_macs_is_known(database: &TestDatabase) {
    drop(database.store());
    assert_eq!(columns_with_macs(&mut Client::of(database)), known());
}

fn a_new_column_with_macs_is_noticed(database: &TestDatabase) {
    drop(database.store());
    let mut client = Client::of(database);
    client
        .run("ALTER TABLE users ADD COLUMN extra_mac TEXT CHECK (length(extra_mac) = 81)")
        .unwrap();
    let found = columns_with_macs(&mut client);
    let new: Vec<_> = found.difference(&known()).cloned().collect();
    assert_eq!(new, ["users.extra_mac"]);
}

/// Those that rotation knows, and those that end by themselves or stay for ever.
fn known() -> BTreeSet<String> {
    let rotated = MacColumn::ALL
        .into_iter()
        .map(|column| format!("{}.{}", column.table(), column.column()));
    let others = [
        // A day.
        "idempotency_keys.fingerprint",
        // Five minutes.
        "login_tickets.row_mac",
        "login_tickets.ticket_mac",
        // The log keeps its MACs, because anchors name them.
        "audit_events.mac",
        "audit_head.last_mac",
        "audit_head.mac",
    ];
    rotated.chain(others.map(str::to_owned)).collect()
}

/// Columns whose length is that of a MAC, by the rules of the database itself.
fn columns_with_macs(client: &mut Client) -> BTreeSet<String> {
    let tables = client.values(if client.is_sqlite() {
        "SELECT name || ' ' || sql AS value FROM sqlite_schema WHERE type = 'table'"
    } else {
        "SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid) AS value \
         FROM pg_constraint WHERE contype = 'c' AND connamespace = 'public'::regnamespace"
    });
    let mut found = BTreeSet::new();
    for table in tables.into_iter().flatten() {
        let (name, rules) = table.split_once(' ').unwrap();
        for rule in rules.split("length(").skip(1) {
            if let Some((column, rest)) = rule.split_once(')')
                && rest.starts_with(" = 81")
            {
                found.insert(format!("{name}.{column}"));
            }
        }
    }
    found
}
