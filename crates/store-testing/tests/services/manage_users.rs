use std::sync::Barrier;
use std::thread;

use keyward_auth::{
    Host, OwnChange, Permit, Role, SecondFactors as _, User, UserChange, UserError, UserKind,
    UserStatus, Users as _, needs,
};
use keyward_core::{Id, Store as _, StoreError};
use keyward_crypto::{ApiKeyKind, Password, Verdict};

use crate::world::{
    NOW, World, first_name, hashing, is_corrupt, new_user, password, person, username, visitor,
};

fn world_with_admin() -> (World, User, Permit<needs::UsersWrite>) {
    let world = World::new();
    let admin = world.add_admin("root");
    let permit = world.permit(&world.add_key(&admin, |_| {}));
    (world, admin, permit)
}

fn role(role: Role) -> UserChange {
    UserChange {
        role: Some(role),
        ..UserChange::default()
    }
}

fn status(status: UserStatus) -> UserChange {
    UserChange {
        status: Some(status),
        ..UserChange::default()
    }
}

#[test]
fn a_new_user_is_as_asked_for() {
    let (world, _, permit) = world_with_admin();
    let view = world
        .users()
        .create(&permit, &new_user("Ada", Role::Normal), None)
        .unwrap();

    assert_eq!(view.username, "ada");
    assert_eq!(
        (view.kind.as_str(), view.role.as_str()),
        ("human", "normal")
    );
    assert_eq!((view.status.as_str(), view.created_at), ("active", NOW));
    assert_eq!(
        (view.first_name.as_str(), view.last_name.as_str()),
        ("Ada", "Lovelace")
    );
    assert_eq!(world.users().user(&permit, view.id).unwrap(), view);
    let stored = world.stored_user(view.id);
    let typed = password("correct horse battery");
    let verdict = hashing()
        .verify(&typed, stored.password_hash.as_ref())
        .unwrap();
    assert_eq!(verdict, Verdict::Right);
}

#[test]
fn spellings_of_one_name_are_one_user() {
    let (world, _, permit) = world_with_admin();
    world
        .users()
        .create(&permit, &new_user("ada", Role::Normal), None)
        .unwrap();
    for spelling in ["ada", "ADA", "ａｄａ", "ᴬda"] {
        let again = world
            .users()
            .create(&permit, &new_user(spelling, Role::Normal), None);
        assert!(matches!(again, Err(UserError::NameTaken)), "{spelling}");
    }
    assert_eq!(world.users().list(&permit, None, 10).unwrap().len(), 2);
    assert_eq!(world.actions(), ["user.create"]);
}

#[test]
fn the_last_admin_stays_whatever_is_asked_for() {
    let (world, admin, permit) = world_with_admin();
    // None of these could administer the server.
    world.add_user("off", |user| {
        user.role = Role::Admin;
        user.status = UserStatus::Disabled;
    });
    world.add_user("ada", |_| {});
    last_admin_stays(&world, &permit, &admin);

    let second = world.add_admin("second");
    let key = world.add_key(&second, |_| {});
    world
        .users()
        .change(&permit, admin.id, &role(Role::Normal))
        .unwrap();
    last_admin_stays(&world, &world.permit(&key), &second);
}

/// Neither the last administrator nor the host can take the last administrator away.
fn last_admin_stays(world: &World, permit: &Permit<needs::UsersWrite>, admin: &User) {
    let before = world.actions();
    for change in [
        role(Role::Normal),
        status(UserStatus::Disabled),
        status(UserStatus::Deleted),
    ] {
        let outcomes = [
            world.users().change(permit, admin.id, &change),
            world.users().change(&Host, admin.id, &change),
        ];
        for outcome in outcomes {
            assert!(matches!(outcome, Err(UserError::LastAdmin)), "{change:?}");
        }
    }
    let outcomes = [
        world.users().delete(permit, admin.id),
        world.users().delete(&Host, admin.id),
    ];
    for outcome in outcomes {
        assert!(matches!(outcome, Err(UserError::LastAdmin)), "{outcome:?}");
    }
    assert_eq!(world.stored_user(admin.id), *admin);
    assert_eq!(world.actions(), before);
}

#[test]
fn who_is_no_admin_any_more_changes_nobody() {
    for change in [role(Role::Normal), status(UserStatus::Disabled)] {
        let (world, admin, permit) = world_with_admin();
        let second = world.add_admin("second");
        world.users().change(&permit, admin.id, &change).unwrap();
        let before = world.actions();

        let outcomes = [
            world.users().delete(&permit, second.id),
            world
                .users()
                .change(&permit, second.id, &role(Role::Normal))
                .map(drop),
            world
                .users()
                .create(&permit, &new_user("eve", Role::Admin), None)
                .map(drop),
        ];

        for outcome in outcomes {
            assert!(matches!(outcome, Err(UserError::Denied(_))), "{outcome:?}");
        }
        assert_eq!(world.stored_user(second.id), second);
        assert_eq!(world.actions(), before);
    }
}

#[test]
fn an_agent_does_not_change_its_own_names() {
    let world = World::new();
    let agent = world.add_user("agent", |user| user.kind = UserKind::Agent);
    let permit = world.permit(&world.add_key(&agent, |_| {}));
    let outcome = (world.users()).change_own(&permit, &first_name("Smith"), &visitor());
    assert!(matches!(outcome, Err(UserError::NotForAgents)));
    assert_eq!(world.stored_user(agent.id), agent);
}

#[test]
fn an_agent_never_becomes_an_admin() {
    let (world, _, permit) = world_with_admin();
    let agent = world.add_user("agent", |user| user.kind = UserKind::Agent);
    let outcome = world.users().change(&permit, agent.id, &role(Role::Admin));
    assert!(matches!(outcome, Err(UserError::AgentAdmin)));
    assert_eq!(world.stored_user(agent.id), agent);
}

#[test]
fn an_administrator_names_an_agent_and_stops_it_elsewhere() {
    let (world, _, permit) = world_with_admin();
    let agent = world.add_user("agent", |user| user.kind = UserKind::Agent);
    let named = UserChange {
        last_name: Some(person("Smith")),
        ..UserChange::default()
    };
    let view = world.users().change(&permit, agent.id, &named).unwrap();
    assert_eq!(
        (view.last_name.as_str(), view.role.as_str()),
        ("Smith", "normal")
    );
    for stopped in [UserStatus::Disabled, UserStatus::Deleted] {
        let outcome = (world.users()).change(&permit, agent.id, &status(stopped));
        assert!(matches!(outcome, Err(UserError::ManagedAsAgent)));
    }
    assert_eq!(world.stored_user(agent.id).status, UserStatus::Active);
}

#[test]
fn a_deleted_user_frees_the_name_and_loses_the_keys() {
    let (world, _, permit) = world_with_admin();
    let ada = world.add_user("ada", |_| {});
    let key = world.add_key(&ada, |_| {});

    world.users().delete(&permit, ada.id).unwrap();

    assert!(!world.accepts(&key));
    let not_found = [
        world.users().user(&permit, ada.id).map(drop),
        world.users().delete(&permit, ada.id),
        world
            .users()
            .change(&permit, ada.id, &status(UserStatus::Active))
            .map(drop),
        world.users().delete(&permit, Id::generate()),
    ];
    for outcome in not_found {
        assert!(matches!(outcome, Err(UserError::NotFound)));
    }
    assert_eq!(world.users().list(&permit, None, 10).unwrap().len(), 1);
    let heir = world
        .users()
        .create(&permit, &new_user("ada", Role::Normal), None)
        .unwrap();
    assert_ne!(heir.id, ada.id);
    assert!(!world.accepts(&key), "the heir of a name inherits nothing");
}

#[test]
fn everybody_sees_and_names_themselves() {
    let (world, _, _) = world_with_admin();
    let ada = world.add_user("ada", |_| {});
    let key = world.add_key(&ada, |_| {});
    let first = first_name("Augusta Ada");

    let changed = world
        .users()
        .change_own(&world.permit(&key), &first, &visitor())
        .unwrap();

    assert_eq!(changed.first_name, "Augusta Ada");
    let own = world.users().own(&world.permit(&key)).unwrap();
    assert_eq!(own, changed);
    assert_eq!((own.id, own.role.as_str()), (ada.id, "normal"));
    assert_eq!(world.stored_user(ada.id).version, 2);
}

#[test]
fn a_change_that_changes_nothing_is_not_written_down() {
    let (world, _, permit) = world_with_admin();
    let ada = world.add_user("ada", |_| {});
    for change in [UserChange::default(), role(Role::Normal)] {
        world.users().change(&permit, ada.id, &change).unwrap();
    }
    assert_eq!(world.stored_user(ada.id), ada);
    assert!(world.events().is_empty());
}

#[test]
fn a_forged_user_is_not_signed_anew_by_a_change() {
    let (world, _, permit) = world_with_admin();
    let ada = world.add_user("ada", |_| {});
    world
        .store
        .tamper(|rows| rows.edit_user(ada.id, |user| user.role = Role::Admin));
    let change = UserChange {
        first_name: Some(person("Ada")),
        ..UserChange::default()
    };
    let outcome = world.users().change(&permit, ada.id, &change);
    let Err(UserError::Store(error)) = outcome else {
        panic!("{outcome:?}");
    };
    assert!(is_corrupt(&error));
    let row = world.store.read(|tx| tx.user(ada.id)).unwrap().unwrap();
    assert!(!row.is_genuine(&world.macs));
}

#[test]
fn a_repeated_attempt_makes_one_user() {
    let (world, _, permit) = world_with_admin();
    let attempt = world.attempt("once", "body");
    let create = || {
        let new = new_user("ada", Role::Normal);
        world.users().create(&permit, &new, Some(&attempt))
    };
    assert_eq!(create().unwrap(), create().unwrap());
    assert_eq!(world.actions(), ["user.create"]);
    let other = world.attempt("once", "other body");
    let conflict = world
        .users()
        .create(&permit, &new_user("eve", Role::Normal), Some(&other));
    assert!(matches!(conflict, Err(UserError::Idempotency(_))));
    let eve = world.store.read(|tx| tx.user_by_name(&username("eve")));
    assert!(eve.unwrap().is_none());
}

#[test]
fn an_attempt_is_known_for_a_day() {
    for (seconds, is_known) in [(86_400, true), (86_401, false)] {
        let (world, _, permit) = world_with_admin();
        let attempt = world.attempt("once", "body");
        let create = || {
            let new = new_user("ada", Role::Normal);
            world.users().create(&permit, &new, Some(&attempt))
        };
        create().unwrap();
        world.clock.advance(seconds);
        match create() {
            Ok(_) => assert!(is_known),
            Err(UserError::NameTaken) => assert!(!is_known),
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn lists_are_in_the_order_in_which_users_were_made() {
    let (world, admin, permit) = world_with_admin();
    let made: Vec<_> = (0..5)
        .map(|n| world.add_user(&format!("u{n}"), |_| {}).id)
        .collect();
    let first = world.users().list(&permit, None, 3).unwrap();
    let rest = world
        .users()
        .list(&permit, first.last().map(|user| user.id), 10)
        .unwrap();
    let ids: Vec<_> = first.iter().chain(&rest).map(|user| user.id).collect();
    assert_eq!(ids, [vec![admin.id], made].concat());
}

#[test]
fn of_racing_users_with_one_name_one_is_made() {
    let (world, _, permit) = world_with_admin();
    let start = Barrier::new(8);
    let made: Vec<_> = thread::scope(|scope| {
        let racers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    world
                        .users()
                        .create(&permit, &new_user("ada", Role::Normal), None)
                })
            })
            .collect();
        racers
            .into_iter()
            .map(|racer| racer.join().unwrap())
            .collect()
    });
    let taken = |outcome: &&Result<_, _>| matches!(outcome, Err(UserError::NameTaken));
    assert_eq!(made.iter().filter(taken).count(), 7);
    assert_eq!(world.actions(), ["user.create"]);
}

#[test]
fn a_new_password_from_the_host_takes_the_place_of_the_old_one_and_ends_sessions() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    let session = world.add_key_of_kind(&ada, ApiKeyKind::Login, |_| {});
    let key = world.add_key(&ada, |_| {});
    let new = password("a battery of horses");

    world.users().set_password(Host, ada.id, &new).unwrap();

    assert_eq!(verdict(&world, &ada, &new), Verdict::Right);
    let old = password("correct horse battery");
    assert_eq!(verdict(&world, &ada, &old), Verdict::Wrong);
    assert!(!world.accepts(&session) && world.accepts(&key));
    assert_eq!(world.actions(), ["user.change"]);

    let agent = world.add_user("agent", |user| user.kind = UserKind::Agent);
    let outcome = world.users().set_password(Host, agent.id, &new);
    assert!(matches!(outcome, Err(UserError::NotForAgents)));
}

#[test]
fn a_password_of_ones_own_ends_the_other_sessions_and_not_this_one() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    let session = || world.add_key_of_kind(&ada, ApiKeyKind::Login, |_| {});
    let (this, other) = (session(), session());
    let change = |current: &str| {
        let new = password("a battery of horses");
        let change = OwnChange {
            password: Some((password(current), new)),
            ..OwnChange::default()
        };
        (world.users()).change_own(&world.permit(&this), &change, &visitor())
    };
    let wrong = change("wrong horse battery");
    assert!(matches!(wrong, Err(UserError::Password(_))));
    assert!(world.accepts(&other));

    change("correct horse battery").unwrap();

    let new = password("a battery of horses");
    assert_eq!(verdict(&world, &ada, &new), Verdict::Right);
    assert!(world.accepts(&this) && !world.accepts(&other));
}

#[test]
fn who_changes_names_keeps_the_password_and_every_session() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    let session = || world.add_key_of_kind(&ada, ApiKeyKind::Login, |_| {});
    let (this, other) = (session(), session());
    let names = OwnChange {
        last_name: Some(person("Lovelace")),
        ..first_name("Ada")
    };
    let view = (world.users()).change_own(&world.permit(&this), &names, &visitor());
    let view = view.unwrap();
    assert_eq!(
        (view.first_name.as_str(), view.last_name.as_str()),
        ("Ada", "Lovelace")
    );
    assert_eq!(world.stored_user(ada.id).password_hash, ada.password_hash);
    assert!(world.accepts(&this) && world.accepts(&other));
}

#[test]
fn a_deleted_user_leaves_no_second_factor_and_a_disabled_one_keeps_theirs() {
    let (world, _, permit) = world_with_admin();
    let ada = world.add_user("ada", |_| {});
    world.enrol(&ada);
    let factors = || {
        let left = world.store.read(|tx| {
            let active = tx.totp_secrets(ada.id)?.active;
            Ok::<_, StoreError>((active.is_some(), tx.recovery_codes(ada.id)?.len()))
        });
        left.unwrap()
    };
    let disabled = status(UserStatus::Disabled);
    world.users().change(&permit, ada.id, &disabled).unwrap();
    assert_eq!(factors(), (true, 10));

    let before = world.actions().len();
    world.users().delete(&permit, ada.id).unwrap();
    assert_eq!(factors(), (false, 0));
    assert_eq!(world.actions().split_off(before), ["user.delete"]);
}

fn verdict(world: &World, user: &User, typed: &Password) -> Verdict {
    let stored = world.stored_user(user.id).password_hash;
    hashing().verify(typed, stored.as_ref()).unwrap()
}
