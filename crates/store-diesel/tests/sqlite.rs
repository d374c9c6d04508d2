//! What is peculiar to SQLite: files, settings, one writer.

#![cfg(all(feature = "sqlite", feature = "postgres"))]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "these are tests"
)]

mod support;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use keyward_auth::Users as _;
use keyward_core::{Store as _, StoreError};
use keyward_crypto::{EncryptedString, KeyId};
use keyward_encryption::EncryptionKeys as _;
use keyward_store_diesel::testing::TestDatabase;
use keyward_store_diesel::{ConnectError, DatabaseUrl, DieselStore, Options};
use support::{Client, added, changed, sign, user, write};

#[test]
fn connecting_creates_no_file() {
    let database = TestDatabase::sqlite();
    let store = connect(&database);
    assert!(store.health().is_err());
    assert!(store.durability_report().is_err());
    assert_eq!(
        support::pairs(store.encryption_keys_before_migration().unwrap()),
        []
    );
    assert_eq!(files(&database), BTreeMap::new());
}

#[test]
fn files_can_be_read_by_their_owner_only() {
    let database = TestDatabase::sqlite();
    let store = database.store();
    store.health().unwrap();
    let files = files(&database);
    assert_eq!(
        files.keys().collect::<Vec<_>>(),
        ["keyward.db", "keyward.db-shm", "keyward.db-wal"]
    );
    let folder = folder(&database);
    for name in files.keys() {
        let mode = folder.join(name).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn special_characters_in_a_path_are_part_of_the_path() {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "with space.db",
        "100%25.db",
        "a&mode=memory.db",
        "ключ.db",
        "quote'.db",
    ] {
        let path = folder.path().join(name);
        let url = DatabaseUrl::parse(&format!("sqlite://{}", path.display())).unwrap();
        let store = DieselStore::connect(&url, Options::default()).unwrap();
        store.migrate().unwrap();
        assert!(path.exists(), "{name}");
        assert_eq!(store.pending_migrations().unwrap().len(), 0, "{name}");
        assert!(!store.read(|tx| tx.any_user()).unwrap(), "{name}");
    }
}

#[test]
fn a_missing_folder_is_said() {
    let url = DatabaseUrl::parse("sqlite:///nowhere/to/be/found.db").unwrap();
    let store = DieselStore::connect(&url, Options::default()).unwrap();
    let error = store.migrate().unwrap_err();
    assert_eq!(error.to_string(), "cannot open the file of the database");
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let database = TestDatabase::sqlite();
    let path = database.database_url().sqlite_path().unwrap().to_owned();
    std::fs::write(&path, "Dear diary, ".repeat(1_000)).unwrap();
    let before = files(&database);
    let result = DieselStore::connect(&database.database_url(), Options::default());
    assert!(matches!(result.err(), Some(ConnectError::Unreachable(_))));
    assert_eq!(files(&database), before);
}

#[test]
fn settings_take_effect() {
    let database = TestDatabase::sqlite();
    let report = database.store().durability_report().unwrap();
    assert_eq!(report.backend, "SQLite");
    assert_eq!(report.weaknesses, [""; 0]);
    for (name, value) in [
        ("journal_mode", "wal"),
        ("synchronous", "2"),
        ("foreign_keys", "1"),
        ("trusted_schema", "0"),
        ("secure_delete", "1"),
        ("busy_timeout", "5000"),
    ] {
        let found = report.settings.iter().find(|(setting, _)| setting == name);
        assert_eq!(
            found.map(|(_, value)| value.as_str()),
            Some(value),
            "{name}"
        );
    }
}

#[test]
fn deleted_text_is_overwritten() {
    let database = TestDatabase::sqlite();
    let store = database.store();
    let marker = "a-name-that-must-not-stay-behind";
    let mut gone = user();
    gone.username = keyward_auth::Username::from_stored(marker.to_owned());
    let id = gone.id;
    added(&store, gone);
    let mut client = Client::of(&database);
    client.run("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    assert!(contains(&database, marker));

    let old = store.read(|tx| tx.user(id)).unwrap().unwrap();
    let new = changed(&old, |user| {
        user.username = keyward_auth::Username::from_stored("x".to_owned());
    });
    write(&store, |tx| tx.replace_user(old.mac(), &new));
    client.run("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    assert!(!contains(&database, marker));
}

#[test]
fn only_text_is_taken_where_text_belongs() {
    let database = TestDatabase::sqlite();
    added(&database.store(), user());
    let mut client = Client::of(&database);
    for value in ["X'616461'", "CAST('ada' AS BLOB)"] {
        let error = client
            .run(&format!("UPDATE users SET first_name = {value}"))
            .unwrap_err();
        assert!(error.to_string().contains("cannot store BLOB"), "{error}");
    }
}

#[test]
fn a_read_cannot_write() {
    let database = TestDatabase::sqlite();
    let store = database.store();
    let row = sign(user());
    for result in [
        store.read(|tx| tx.add_user(&row)),
        store.lookup(|tx| tx.add_user(&row)),
    ] {
        assert!(
            matches!(result, Err(StoreError::Unavailable(_))),
            "{result:?}"
        );
    }
    assert!(!store.read(|tx| tx.any_user()).unwrap());
}

#[test]
fn readers_and_writers_of_many_threads_never_find_the_database_locked() {
    let database = TestDatabase::sqlite();
    work_in_threads(&[database.store()]);
}

#[test]
fn two_stores_on_one_file_wait_for_each_other() {
    let database = TestDatabase::sqlite();
    work_in_threads(&[database.store(), connect(&database)]);
}

#[test]
fn a_file_that_others_open_and_close_can_be_inspected_all_the_while() {
    let database = TestDatabase::sqlite();
    connect(&database).migrate().unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let mut other = Client::of(&database);
                // Within one process SQLite refuses this while an inspection is going on.
                let _ = other.run("UPDATE audit_head SET seq = seq");
            }
        });
        let inspections: Vec<_> = (0..300)
            .map(|_| {
                let store = DieselStore::connect(&database.database_url(), Options::default())?;
                store.encryption_keys_before_migration()
            })
            .collect();
        done.store(true, Ordering::Relaxed);
        for found in inspections {
            assert_eq!(found.unwrap(), []);
        }
    });
}

/// Eight threads that read and write one row each, spread over the stores.
fn work_in_threads(stores: &[DieselStore]) {
    thread::scope(|scope| {
        for worker in 0..8 {
            let store = &stores[worker % stores.len()];
            scope.spawn(move || {
                let mut mine = added(store, user());
                let id = mine.unverified().id;
                for _ in 0..25 {
                    let new = changed(&mine, |_| ());
                    store
                        .write(|tx| {
                            tx.user(id)?;
                            tx.replace_user(mine.mac(), &new)
                        })
                        .unwrap();
                    for _ in 0..4 {
                        let seen = store.lookup(|tx| tx.user(id)).unwrap().unwrap();
                        assert_eq!(seen.mac(), new.mac());
                        store.read(|tx| tx.users_after(None, 5)).unwrap();
                    }
                    mine = new;
                }
            });
        }
    });
}

#[test]
fn a_write_that_lasts_makes_others_give_up_in_time() {
    let database = TestDatabase::sqlite();
    let wait = std::time::Duration::from_millis(50);
    let store = DieselStore::connect(
        &database.database_url(),
        Options {
            wait,
            ..Options::default()
        },
    );
    let store = store.unwrap();
    store.migrate().unwrap();
    store
        .write(|_| {
            let second = thread::scope(|scope| {
                scope
                    .spawn(|| store.write(|tx| tx.any_user()))
                    .join()
                    .unwrap()
            });
            assert!(
                matches!(second, Err(StoreError::Unavailable(_))),
                "{second:?}"
            );
            // Readers do not wait for writers.
            store.read(|tx| tx.any_user())
        })
        .unwrap();
    store.write(|tx| tx.any_user()).unwrap();
}

#[test]
fn key_checks_are_read_without_changing_a_byte() {
    let database = TestDatabase::sqlite();
    let (kid, sealed) = key_check();
    let store = connect(&database);
    store.migrate().unwrap();
    assert!(write(&store, |tx| tx
        .add_encryption_key(&support::key_record(kid, &sealed))));
    assert!(!write(&store, |tx| tx
        .add_encryption_key(&support::key_record(kid, &sealed))));
    drop(store);
    closed(&database);
    let before = files(&database);
    assert_eq!(before.len(), 1, "the database is closed");

    let store = connect(&database);
    let found = support::pairs(store.encryption_keys_before_migration().unwrap());

    assert_eq!(found, [(kid, sealed)]);
    assert_eq!(store.pending_migrations().unwrap(), [""; 0]);
    assert!(files(&database) == before, "a file has changed");
}

#[test]
fn key_checks_of_a_database_without_their_table_are_none() {
    let database = TestDatabase::sqlite();
    let path = database.database_url().sqlite_path().unwrap().to_owned();
    let mut other = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    other.batch_execute("CREATE TABLE other (id)").unwrap();
    drop(other);
    let before = files(&database);
    let store = connect(&database);
    assert_eq!(
        support::pairs(store.encryption_keys_before_migration().unwrap()),
        []
    );
    assert_eq!(store.pending_migrations().unwrap().len(), 13);
    assert!(files(&database) == before, "a file has changed");
}

#[test]
fn key_checks_that_a_crash_left_in_the_log_are_found() {
    let (kid, sealed) = key_check();
    let crashed = TestDatabase::sqlite();
    {
        // The files as they lie on the disk while the database is in use.
        let database = TestDatabase::sqlite();
        let store = database.store();
        write(&store, |tx| {
            tx.add_encryption_key(&support::key_record(kid, &sealed))
        });
        for (name, content) in files(&database) {
            std::fs::write(folder(&crashed).join(name), content).unwrap();
        }
    }
    let before = files(&crashed);
    assert!(before.contains_key("keyward.db-wal"));

    let found = support::pairs(
        connect(&crashed)
            .encryption_keys_before_migration()
            .unwrap(),
    );

    assert_eq!(found, [(kid, sealed.clone())]);
    assert!(files(&crashed) == before, "a file has changed");

    // Without the shared memory, which no backup contains.
    std::fs::remove_file(folder(&crashed).join("keyward.db-shm")).unwrap();
    let found = support::pairs(
        connect(&crashed)
            .encryption_keys_before_migration()
            .unwrap(),
    );
    assert_eq!(found, [(kid, sealed)]);
    for name in ["keyward.db", "keyward.db-wal"] {
        assert!(files(&crashed)[name] == before[name], "{name} has changed");
    }
}

#[test]
fn key_checks_are_found_while_the_database_is_in_use() {
    let database = TestDatabase::sqlite();
    let (kid, sealed) = key_check();
    write(&database.store(), |tx| {
        tx.add_encryption_key(&support::key_record(kid, &sealed))
    });
    let found = support::pairs(
        connect(&database)
            .encryption_keys_before_migration()
            .unwrap(),
    );
    assert_eq!(found, [(kid, sealed)]);
}

fn key_check() -> (KeyId, EncryptedString) {
    (
        KeyId::parse("0123456789abcdef").unwrap(),
        EncryptedString::from_stored("v1.0123456789abcdef.x".to_owned()),
    )
}

fn connect(database: &TestDatabase) -> DieselStore {
    DieselStore::connect(&database.database_url(), Options::default()).unwrap()
}

fn folder(database: &TestDatabase) -> std::path::PathBuf {
    let url = database.database_url();
    url.sqlite_path().and_then(Path::parent).unwrap().to_owned()
}

/// Everything in the folder of the database, byte by byte.
fn files(database: &TestDatabase) -> BTreeMap<String, Vec<u8>> {
    std::fs::read_dir(folder(database))
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read(path).unwrap())
        })
        .collect()
}

fn contains(database: &TestDatabase, text: &str) -> bool {
    files(database).values().any(|bytes| {
        bytes
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    })
}

/// Waits until the threads of the pools have let go of the file.
fn closed(database: &TestDatabase) {
    for _ in 0..500 {
        if files(database).len() == 1 {
            return;
        }
        thread::sleep(std::time::Duration::from_millis(10));
    }
}
