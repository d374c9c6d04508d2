//! What every storage adapter promises, on both databases.

#![cfg(all(feature = "sqlite", feature = "postgres"))]

mod support;

use std::sync::Arc;

use keyward_store_diesel::testing::TestDatabase;
use keyward_store_testing::{contract, races, random_attempts_follow_the_rules};

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
fn sqlite_counts_attempts_as_the_rules_say() {
    let database = TestDatabase::sqlite();
    counts_as_the_rules_say(&database, 400);
}

#[test]
fn postgresql_counts_attempts_as_the_rules_say() {
    if let Some(database) = TestDatabase::postgres() {
        counts_as_the_rules_say(&database, 200);
    }
}

/// Twelve people with other limits and other clocks.
fn counts_as_the_rules_say(database: &TestDatabase, operations: usize) {
    let store = database.store();
    for seed in 0..12 {
        let user = support::added(&store, support::user()).unverified().id;
        random_attempts_follow_the_rules(&store, user, seed, operations);
    }
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
