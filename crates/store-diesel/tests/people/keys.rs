use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use keyward_audit::AuditEvents as _;
use keyward_auth::{
    Any, ApiKeys as _, Host, KeyName, NewKey, Permit, Role, User, UserChange, UserStatus, needs,
};
use keyward_crypto::{ApiKey, Signed};
use keyward_store_diesel::testing::TestDatabase;

use crate::support::{api_key, on_both, sign, write};
use crate::world::{World, rounds, storage_works};

on_both![
    a_key_that_was_revoked_makes_no_more_keys,
    a_user_who_was_disabled_makes_no_more_keys,
    an_administrator_who_was_demoted_makes_no_more_keys_for_others,
    without_a_second_check_keys_appear_afterwards,
];

fn a_key_that_was_revoked_makes_no_more_keys(database: &TestDatabase) {
    let world = World::new(database);
    for _ in 0..rounds(ROUNDS) {
        let creator = Creator::new(&world, Role::Normal);
        let other = world.add_key(&creator.user);
        let revoker: Permit<Any> = world.permit(&other).unwrap();
        let permit = creator.permit(&world);
        let after = keys_after_the_end(
            &world,
            &creator,
            || storage_works(&world.keys().create_own(&permit, &new_key(), None)),
            || world.keys().revoke_own(&revoker, creator.key.id()).unwrap(),
        );
        assert_eq!(after, 0);
    }
}

fn a_user_who_was_disabled_makes_no_more_keys(database: &TestDatabase) {
    let world = World::new(database);
    for _ in 0..rounds(ROUNDS) {
        let creator = Creator::new(&world, Role::Normal);
        let permit = creator.permit(&world);
        let disabled = UserChange {
            status: Some(UserStatus::Disabled),
            ..UserChange::default()
        };
        let after = keys_after_the_end(
            &world,
            &creator,
            || storage_works(&world.keys().create_own(&permit, &new_key(), None)),
            || assert!(world.users().change(&Host, creator.id(), &disabled).is_ok()),
        );
        assert_eq!(after, 0);
    }
}

fn an_administrator_who_was_demoted_makes_no_more_keys_for_others(database: &TestDatabase) {
    let world = World::new(database);
    world.add(Role::Admin);
    for _ in 0..rounds(ROUNDS) {
        let creator = Creator::new(&world, Role::Admin);
        let others = Creator::new(&world, Role::Normal);
        let permit: Permit<needs::UsersWrite> = world.permit(&creator.key).unwrap();
        let demoted = UserChange {
            role: Some(Role::Normal),
            ..UserChange::default()
        };
        let after = keys_after_the_end(
            &world,
            &others,
            || {
                let made = world
                    .keys()
                    .create_for(&permit, others.id(), &new_key(), None);
                storage_works(&made);
            },
            || drop(world.users().change(&Host, creator.id(), &demoted).unwrap()),
        );
        assert_eq!(after, 0);
    }
}

/// What the checks above would see if they saw nothing.
fn without_a_second_check_keys_appear_afterwards(database: &TestDatabase) {
    let world = World::new(database);
    let creator = Creator::new(&world, Role::Normal);
    let other = world.add_key(&creator.user);
    let revoker: Permit<Any> = world.permit(&other).unwrap();
    let after = keys_after_the_end(
        &world,
        &creator,
        || {
            write(&world.store, |tx| {
                tx.lock_audit_head()?;
                tx.add_api_key(&sign(api_key(creator.id())))
            });
        },
        || world.keys().revoke_own(&revoker, creator.key.id()).unwrap(),
    );
    assert!(after > 0);
}

/// Somebody who was let in with a key before it ended.
struct Creator {
    user: Signed<User>,
    key: ApiKey,
}

impl Creator {
    fn new(world: &World, role: Role) -> Self {
        let user = world.add(role);
        let key = world.add_key(&user);
        Self { user, key }
    }

    fn id(&self) -> keyward_auth::UserId {
        self.user.unverified().id
    }

    fn permit(&self, world: &World) -> Permit<Any> {
        world.permit(&self.key).unwrap()
    }
}

/// How many keys `owner` gets by `create` after `end` has returned, when several threads create
/// before, meanwhile and afterwards.
fn keys_after_the_end(
    world: &World,
    owner: &Creator,
    create: impl Fn() + Sync,
    end: impl FnOnce(),
) -> usize {
    let has_ended = AtomicBool::new(false);
    let at_the_end = thread::scope(|scope| {
        for _ in 0..CREATORS {
            scope.spawn(|| {
                while !has_ended.load(Ordering::SeqCst) {
                    create();
                }
                (0..CREATIONS).for_each(|_| create());
            });
        }
        let before = world.keys_of(owner.id());
        while world.keys_of(owner.id()) < before + 4 {
            thread::yield_now();
        }
        end();
        let at_the_end = world.keys_of(owner.id());
        has_ended.store(true, Ordering::SeqCst);
        at_the_end
    });
    world.keys_of(owner.id()) - at_the_end
}

fn new_key() -> NewKey {
    NewKey {
        name: KeyName::parse("another").unwrap(),
        scopes: None,
        expires_at: None,
    }
}

const ROUNDS: usize = 3;
const CREATORS: usize = 4;
/// How many each of them tries when it is too late.
const CREATIONS: usize = 5;
