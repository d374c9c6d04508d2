use std::sync::Barrier;
use std::thread;

use keyward_auth::{Role, Scopes, SetupError, UserKind, UserStatus};
use keyward_crypto::{PasswordError, Verdict};

use crate::world::{World, hashing, password, username};

#[test]
fn the_first_admin_is_made_once() {
    let world = World::new();
    assert!(world.setup().is_due().unwrap());
    let secret = password("correct horse battery");

    let made = world
        .setup()
        .first_admin(&username("root"), &secret)
        .unwrap();

    assert!(!world.setup().is_due().unwrap());
    let again = world.setup().first_admin(&username("other"), &secret);
    assert!(matches!(again, Err(SetupError::AlreadyDone)));
    let user = world.stored_user(made.user);
    assert_eq!((user.role, user.kind), (Role::Admin, UserKind::Human));
    assert_eq!(user.status, UserStatus::Active);
    let verdict = hashing()
        .verify(&secret, user.password_hash.as_ref())
        .unwrap();
    assert_eq!(verdict, Verdict::Right);
    let principal = world.principal(&made.key);
    assert_eq!(principal.user, made.user);
    assert_eq!(principal.key.scopes, Scopes::all());
    assert_eq!(principal.key.expires_at, None);
    assert_eq!(world.actions(), ["user.create", "api_key.create"]);
}

#[test]
fn the_first_admin_has_no_password_that_is_mostly_their_name() {
    let world = World::new();
    let name = username("ada.lovelace");
    let refused = world
        .setup()
        .first_admin(&name, &password("ada.lovelace-1843"));
    assert!(matches!(
        refused,
        Err(SetupError::Password(PasswordError::Context))
    ));
    assert!(world.setup().is_due().unwrap());
    let secret = password("ada.lovelace and her engine");
    world.setup().first_admin(&name, &secret).unwrap();
}

#[test]
fn a_store_whose_only_user_is_deleted_is_not_set_up_again() {
    let world = World::new();
    world.add_user("ada", |user| user.status = UserStatus::Deleted);
    assert!(!world.setup().is_due().unwrap());
    let late = world
        .setup()
        .first_admin(&username("root"), &password("correct horse battery"));
    assert!(matches!(late, Err(SetupError::AlreadyDone)));
    assert!(world.events().is_empty());
}

#[test]
fn of_eight_racing_setups_one_makes_an_admin() {
    let world = World::new();
    let start = Barrier::new(8);
    let made: Vec<_> = thread::scope(|scope| {
        let racers: Vec<_> = (0..8)
            .map(|n| {
                let (world, start) = (&world, &start);
                scope.spawn(move || {
                    let (name, secret) = (username(&format!("root{n}")), password("correct horse"));
                    start.wait();
                    world.setup().first_admin(&name, &secret)
                })
            })
            .collect();
        racers
            .into_iter()
            .map(|racer| racer.join().unwrap())
            .collect()
    });
    let (winners, losers): (Vec<_>, Vec<_>) = made.into_iter().partition(Result::is_ok);
    assert_eq!(winners.len(), 1);
    assert!(
        losers
            .iter()
            .all(|lost| matches!(lost, Err(SetupError::AlreadyDone)))
    );
    assert_eq!(world.actions(), ["user.create", "api_key.create"]);
}
