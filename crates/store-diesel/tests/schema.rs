//! Migrations.

#![cfg(all(feature = "sqlite", feature = "postgres"))]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "these are tests"
)]

mod support;

use std::thread;

use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use keyward_auth::Users as _;
use keyward_core::Store as _;
use keyward_store_diesel::testing::TestDatabase;
use keyward_store_diesel::{DieselStore, MigrateError, Options};
use support::{Client, added, on_both, user};

on_both![
    migrating_reports_what_it_did,
    asking_what_is_pending_changes_nothing,
    every_migration_can_be_undone_and_done_again,
    a_newer_schema_is_refused_and_left_alone,
    a_failed_migration_leaves_nothing,
    nodes_that_start_together_migrate_once,
    a_store_works_once_its_database_is_migrated,
];

const MIGRATIONS: [&str; 13] = [
    "0001_auth",
    "0002_audit",
    "0003_credentials",
    "0004_encryption",
    "0005_people",
    "0006_agents",
    "0007_encryption_keys",
    "0008_imported",
    "0009_safekeeping",
    "0010_retired_secrets",
    "0011_broker",
    "0012_wrong_codes",
    "0013_kept_time",
];

fn migrating_reports_what_it_did(database: &TestDatabase) {
    let store = connect(database);
    let pending = store.pending_migrations().unwrap();
    assert_eq!(pending, MIGRATIONS);
    assert_eq!(store.migrate().unwrap().applied, pending);
    assert_eq!(store.pending_migrations().unwrap(), [""; 0]);
    assert_eq!(store.migrate().unwrap().applied, [""; 0]);
}

fn asking_what_is_pending_changes_nothing(database: &TestDatabase) {
    let store = connect(database);
    store.pending_migrations().unwrap();
    if let Some(path) = database.database_url().sqlite_path() {
        assert!(!path.exists());
    } else {
        let tables = "SELECT CAST(count(*) AS TEXT) AS value FROM pg_tables \
                      WHERE schemaname = 'public'";
        assert_eq!(Client::of(database).value(tables), "0");
    }
}

fn every_migration_can_be_undone_and_done_again(database: &TestDatabase) {
    let store = database.store();
    added(&store, user());
    let mut client = Client::of(database);
    let before = client.values(&schema(&client));

    revert(&mut client);
    assert_eq!(client.values(&schema(&client)), [None; 0]);

    assert_eq!(connect(database).migrate().unwrap().applied, MIGRATIONS);
    assert_eq!(client.values(&schema(&client)), before);
    added(&store, user());
}

fn a_newer_schema_is_refused_and_left_alone(database: &TestDatabase) {
    let store = connect(database);
    store.migrate().unwrap();
    let mut client = Client::of(database);
    client
        .run(
            "DELETE FROM __diesel_schema_migrations WHERE version = '0007'; \
             DROP TABLE serving_nodes; \
             INSERT INTO __diesel_schema_migrations (version) VALUES ('0999')",
        )
        .unwrap();
    let before = client.values(&schema(&client));

    let error = store.migrate().unwrap_err();

    assert!(matches!(&error, MigrateError::NewerSchema { unknown } if unknown == &["0999"]));
    assert!(
        error.to_string().contains("newer version of Keyward"),
        "{error}"
    );
    assert_eq!(client.values(&schema(&client)), before);
    assert_eq!(client.count("__diesel_schema_migrations"), 13);
}

fn a_failed_migration_leaves_nothing(database: &TestDatabase) {
    let store = connect(database);
    if let Some(path) = database.database_url().sqlite_path() {
        std::fs::File::create(path).unwrap();
    }
    let mut client = Client::of(database);
    client.run("CREATE TABLE credentials (id TEXT)").unwrap();

    assert!(matches!(store.migrate(), Err(MigrateError::Failed(_))));

    assert_eq!(
        client.values(&schema(&client)),
        [Some("credentials".to_owned())]
    );
    client.run("DROP TABLE credentials").unwrap();
    assert_eq!(store.migrate().unwrap().applied, MIGRATIONS);
}

fn nodes_that_start_together_migrate_once(database: &TestDatabase) {
    let applied: usize = thread::scope(|scope| {
        let nodes: Vec<_> = (0..6)
            .map(|_| scope.spawn(|| connect(database).migrate().unwrap().applied.len()))
            .collect();
        nodes.into_iter().map(|node| node.join().unwrap()).sum()
    });
    assert_eq!(applied, MIGRATIONS.len());
}

fn a_store_works_once_its_database_is_migrated(database: &TestDatabase) {
    let store = connect(database);
    assert!(store.read(|tx| tx.any_user()).is_err());
    store.migrate().unwrap();
    assert!(!store.read(|tx| tx.any_user()).unwrap());
}

fn connect(database: &TestDatabase) -> DieselStore {
    DieselStore::connect(&database.database_url(), Options::default()).unwrap()
}

/// The names of all tables, indexes and triggers but those of diesel.
fn schema(client: &Client) -> String {
    if client.is_sqlite() {
        "SELECT name AS value FROM sqlite_schema WHERE name NOT LIKE '%diesel%' ORDER BY name"
    } else {
        "SELECT name AS value FROM ( \
             SELECT relname::text AS name FROM pg_class \
                 WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i') \
             UNION ALL SELECT proname::text FROM pg_proc \
                 WHERE pronamespace = 'public'::regnamespace AND prorettype = 'trigger'::regtype \
             UNION ALL SELECT tgname::text FROM pg_trigger WHERE NOT tgisinternal \
         ) names WHERE name NOT LIKE '%diesel%' ORDER BY name"
    }
    .to_owned()
}

fn revert(client: &mut Client) {
    match client {
        Client::Sqlite(connection) => {
            connection.revert_all_migrations(SQLITE).unwrap();
        }
        Client::Postgres(connection) => {
            connection.revert_all_migrations(POSTGRES).unwrap();
        }
    }
}

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");
