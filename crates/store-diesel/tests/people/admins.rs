use std::collections::HashSet;

use keyward_auth::{Role, User, UserChange, UserError, UserId, UserStatus, Users as _, needs};
use keyward_core::Store as _;
use keyward_crypto::{ApiKey, Signed};
use keyward_store_diesel::testing::TestDatabase;

use crate::support::on_both;
use crate::world::{World, in_parallel, rounds, storage_works};

on_both![of_two_administrators_somebody_stays_whatever_they_ask_for];

/// Both ask at once to demote, disable or delete themselves or each other, in all combinations.
fn of_two_administrators_somebody_stays_whatever_they_ask_for(database: &TestDatabase) {
    let world = World::new(database);
    let mut keeper = administrator(&world);
    let mut refusals = HashSet::new();
    for round in 0..rounds(200) {
        let pair = [keeper, administrator(&world)];
        let targets = [round % 2, round / 2 % 2];
        let changes = [CHANGES[round / 4 % 3], CHANGES[round / 12 % 3]];
        let permits = pair
            .each_ref()
            .map(|one| world.permit::<needs::UsersWrite>(&one.key).unwrap());
        let outcomes = in_parallel(2, 2, |n| {
            let change = change(changes[n]);
            world
                .users()
                .change(&permits[n], pair[targets[n]].id, &change)
        });
        outcomes.iter().for_each(storage_works);

        let [first, second] = pair;
        let left = [&first, &second].map(|one| is_active_admin(&world, one.id));
        let stayed = left.iter().filter(|is_left| **is_left).count();
        assert_eq!(stayed, 1, "round {round}: {outcomes:?}");
        refusals.extend(outcomes.iter().filter_map(|outcome| refusal(outcome)));
        keeper = if left[0] { first } else { second };
    }
    let all: HashSet<_> = ["last admin", "denied", "not found"].into();
    assert!(refusals.is_subset(&all), "{refusals:?}");
    assert!(refusals.contains("last admin") && refusals.contains("denied"));
}

struct Administrator {
    id: UserId,
    key: ApiKey,
}

fn administrator(world: &World) -> Administrator {
    let user: Signed<User> = world.add(Role::Admin);
    Administrator {
        id: user.unverified().id,
        key: world.add_key(&user),
    }
}

fn is_active_admin(world: &World, id: UserId) -> bool {
    let user = world.store.read(|tx| tx.user(id)).unwrap().unwrap();
    user.unverified().is_active_admin()
}

fn refusal<T>(outcome: &Result<T, UserError>) -> Option<&'static str> {
    match outcome.as_ref().err()? {
        UserError::LastAdmin => Some("last admin"),
        UserError::Denied(_) => Some("denied"),
        UserError::NotFound => Some("not found"),
        _ => Some("something else"),
    }
}

fn change(change: Change) -> UserChange {
    match change {
        Change::Demote => UserChange {
            role: Some(Role::Normal),
            ..UserChange::default()
        },
        Change::To(status) => UserChange {
            status: Some(status),
            ..UserChange::default()
        },
    }
}

#[derive(Clone, Copy)]
enum Change {
    Demote,
    To(UserStatus),
}

const CHANGES: [Change; 3] = [
    Change::Demote,
    Change::To(UserStatus::Disabled),
    Change::To(UserStatus::Deleted),
];
