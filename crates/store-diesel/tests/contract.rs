//! What every storage adapter promises, on both databases.

#![cfg(all(feature = "sqlite", feature = "postgres"))]

use std::sync::Arc;

use keyward_store_diesel::testing::TestDatabase;
use keyward_store_testing::{contract, races};

#[test]
fn sqlite_keeps_the_contract() {
    let database = TestDatabase::sqlite();
    contract(database.store());
}

#[test]
fn postgresql_keeps_the_contract() {
    let Some(database) = TestDatabase::postgres() else {
        return;
    };
    contract(database.store());
}

#[test]
fn sqlite_keeps_the_contract_in_many_races() {
    let database = TestDatabase::sqlite();
    for _ in 0..RACES {
        races(Arc::new(database.store()));
    }
}

#[test]
fn postgresql_keeps_the_contract_in_many_races() {
    let Some(database) = TestDatabase::postgres() else {
        return;
    };
    for _ in 0..RACES {
        races(Arc::new(database.store()));
    }
}

const RACES: usize = 3;
