use std::sync::atomic::{AtomicUsize, Ordering};

use keyward_auth::{
    Any, Host, KeyName, LoggedIn, NewKey, OwnChange, Permit, PersonName, Role, SecondFactor,
    UserChange, UserStatus, needs,
};
use keyward_crypto::{ApiKeyId, RecoveryCode, TotpSecret};
use keyward_store_diesel::testing::TestDatabase;

use crate::support::on_both;
use crate::world::{
    Person, World, in_parallel, password, rounds, storage_works, visitor, visitor_from,
};

on_both![whatever_people_do_at_once_nobody_waits_for_ever];

/// All that writes, by many at once, on the same few people: on PostgreSQL, two transactions that
/// take their locks in different orders would wait for each other until one is given up.
fn whatever_people_do_at_once_nobody_waits_for_ever(database: &TestDatabase) {
    let world = World::new(database);
    world.add(Role::Admin);
    let people: Vec<_> = (0..3)
        .map(|n| world.enrolled(if n == 0 { Role::Admin } else { Role::Normal }))
        .collect();
    let done = AtomicUsize::new(0);
    let calls = rounds(1_500);
    in_parallel(12, calls, |n| {
        // Spreads the operations, the same in every run.
        let mixed = n.wrapping_mul(0x9E37_79B9) >> 7;
        let person = &people[mixed % people.len()];
        if act(&world, person, mixed / 7 % 18, n) {
            done.fetch_add(1, Ordering::Relaxed);
        }
        if n.is_multiple_of(40) {
            world.clock.advance(61);
            let enabled = UserChange {
                status: Some(UserStatus::Active),
                ..UserChange::default()
            };
            storage_works(&world.users().change(&Host, person.id, &enabled));
        }
    });
    let done = done.into_inner();
    assert!(done > calls / 10, "only {done} of {calls} did anything");
}

/// Does one thing, and says whether it worked. Most fail when others were faster.
fn act(world: &World, person: &Person, kind: usize, n: usize) -> bool {
    match kind {
        0..=3 => log_in(world, person, n),
        4..=9 => with_session(world, person, kind).unwrap_or(false),
        10..=14 => as_host(world, person, kind),
        _ => {
            let swept = world.housekeeping().sweep();
            storage_works(&swept);
            let flushed = world.last_used.flush(&world.store);
            storage_works(&flushed);
            true
        }
    }
}

fn log_in(world: &World, person: &Person, n: usize) -> bool {
    let source = visitor_from(["192.0.2.1", "192.0.2.2", "2001:db8::"][n % 3]);
    let wrong = keyward_crypto::Password::attempt("some other words".to_owned().into()).unwrap();
    let typed = if n.is_multiple_of(5) {
        wrong
    } else {
        password()
    };
    let first = world
        .login()
        .with_password(&person.username, &typed, &source);
    storage_works(&first);
    let ticket = match first {
        Ok(LoggedIn::NeedsSecondFactor { ticket, .. }) => ticket,
        Ok(LoggedIn::Done(session)) => {
            let permit: Option<Permit<Any>> = world.permit(&session.key);
            let ended = permit.map(|permit| world.login().logout(&permit));
            ended.iter().for_each(storage_works);
            return true;
        }
        Err(_) => return false,
    };
    let factor = match n % 4 {
        0 => {
            let code = person.recovery_codes[n / 4 % 10].expose();
            SecondFactor::Recovery(RecoveryCode::parse(code).unwrap())
        }
        1 => SecondFactor::Code(world.wrong_code(&person.app)),
        _ => SecondFactor::Code(world.code(&person.app)),
    };
    let outcomes = in_parallel(2, 2, |_| {
        let factor = match &factor {
            SecondFactor::Code(code) => {
                SecondFactor::Code(keyward_crypto::TotpCode::parse(code.expose()).unwrap())
            }
            SecondFactor::Recovery(code) => {
                SecondFactor::Recovery(RecoveryCode::parse(code.expose()).unwrap())
            }
        };
        let outcome = world.second_step(&ticket, &factor);
        storage_works(&outcome);
        outcome.is_ok()
    });
    outcomes.contains(&true)
}

/// What a person does with a key of their own.
fn with_session(world: &World, person: &Person, kind: usize) -> Option<bool> {
    let permit: Permit<Any> = world.permit(&person.session)?;
    let new = NewKey {
        name: KeyName::parse("another").unwrap(),
        scopes: None,
        expires_at: None,
    };
    Some(match kind {
        4 => ok(&world.mfa().step_up(&permit, world.code(&person.app))),
        5 => {
            let made = world.keys().create_own(&permit, &new, None);
            storage_works(&made);
            let id = ApiKeyId::parse(&made.ok()?.0.id)?;
            let rotated = world.keys().rotate_own(&permit, id, 60, None);
            ok(&rotated) | ok(&world.keys().revoke_own(&permit, id))
        }
        6 => {
            let names = OwnChange {
                first_name: PersonName::parse(&format!("Ada {}", world.now().0)).ok(),
                password: Some((password(), password())),
                ..OwnChange::default()
            };
            ok(&world.users().change_own(&permit, &names, &visitor()))
        }
        7 => {
            let enrolling = world.mfa().begin(&permit);
            storage_works(&enrolling);
            let app = TotpSecret::from_base32(enrolling.ok()?.secret.expose()).unwrap();
            ok(&world.mfa().confirm(&permit, world.code(&app)))
        }
        8 => ok(&world
            .mfa()
            .renew_recovery_codes(&permit, world.code(&person.app))),
        _ => {
            let permit: Permit<needs::UsersWrite> = world.permit(&person.session)?;
            ok(&world.keys().create_for(&permit, person.id, &new, None))
        }
    })
}

fn as_host(world: &World, person: &Person, kind: usize) -> bool {
    let change = match kind {
        10 => UserChange {
            status: Some(UserStatus::Disabled),
            ..UserChange::default()
        },
        11 => UserChange {
            status: Some(UserStatus::Active),
            ..UserChange::default()
        },
        12 => UserChange {
            role: Some(Role::Admin),
            ..UserChange::default()
        },
        13 => return ok(&world.mfa().unlock(&Host, person.id)),
        _ => return ok(&world.users().set_password(Host, person.id, &password())),
    };
    ok(&world.users().change(&Host, person.id, &change))
}

#[track_caller]
fn ok<T, E: std::fmt::Debug>(outcome: &Result<T, E>) -> bool {
    storage_works(outcome);
    outcome.is_ok()
}
