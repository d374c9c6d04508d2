//! Whatever happens at the same time, somebody can administer the server.

#![cfg(all(feature = "sqlite", feature = "postgres"))]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "these are tests"
)]

mod support;

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use keyward_auth::{Role, User, UserReplaced, UserStatus, Users as _};
use keyward_crypto::Signed;
use keyward_store_diesel::DieselStore;
use keyward_store_diesel::testing::TestDatabase;
use support::{Client, added, admin, changed, on_both, write};

on_both![
    of_two_administrators_who_take_each_other_away_one_stays,
    of_four_administrators_who_go_at_once_one_stays,
];

fn of_two_administrators_who_take_each_other_away_one_stays(database: &TestDatabase) {
    race(database, 2, 120);
}

fn of_four_administrators_who_go_at_once_one_stays(database: &TestDatabase) {
    race(database, 4, 30);
}

fn race(database: &TestDatabase, admins: usize, rounds: usize) {
    let store = database.store();
    let mut client = Client::of(database);
    let mut users: Vec<_> = (0..admins).map(|_| added(&store, admin())).collect();
    for round in 0..rounds {
        let outcomes = all_go(&store, &users, TAKEN_AWAY[round % TAKEN_AWAY.len()]);

        let kept = outcomes
            .iter()
            .filter(|(_, outcome)| *outcome == UserReplaced::LastAdmin);
        assert_eq!(kept.count(), 1, "round {round}");
        assert_eq!(client.value(ACTIVE_ADMINS), "1", "round {round}");
        users = outcomes
            .into_iter()
            .map(|(user, _)| back(&store, &user))
            .collect();
    }
}

/// What stands in the database for each, and what became of the attempt.
fn all_go(
    store: &DieselStore,
    users: &[Signed<User>],
    take_away: fn(&mut User),
) -> Vec<(Signed<User>, UserReplaced)> {
    let start = Barrier::new(users.len());
    let go = |user: &Signed<User>| {
        let new = changed(user, take_away);
        start.wait();
        let outcome = write(store, |tx| {
            let outcome = tx.replace_user(user.mac(), &new)?;
            // Leaves the others time to look while this is not committed.
            thread::sleep(Duration::from_millis(1));
            Ok(outcome)
        });
        match outcome {
            UserReplaced::Done => (new, outcome),
            _ => (user.clone(), outcome),
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = users.iter().map(|user| scope.spawn(|| go(user))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    })
}

fn back(store: &DieselStore, user: &Signed<User>) -> Signed<User> {
    let again = changed(user, |user| {
        user.role = Role::Admin;
        user.status = UserStatus::Active;
    });
    let outcome = write(store, |tx| tx.replace_user(user.mac(), &again));
    assert_eq!(outcome, UserReplaced::Done);
    again
}

const TAKEN_AWAY: [fn(&mut User); 3] = [
    |user| user.role = Role::Normal,
    |user| user.status = UserStatus::Disabled,
    |user| user.status = UserStatus::Deleted,
];

const ACTIVE_ADMINS: &str = "SELECT CAST(count(*) AS TEXT) AS value FROM users \
                             WHERE role = 'admin' AND kind = 'human' AND status = 'active'";
