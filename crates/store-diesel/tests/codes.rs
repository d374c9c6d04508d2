//! Codes, tickets and recovery codes under many threads at once: each works once, and no more are
//! evaluated than the limits say.

#![cfg(all(feature = "sqlite", feature = "postgres"))]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "these are tests"
)]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use keyward_audit::AuditLog;
use keyward_auth::{
    Any, ApiKeyRecord, ApiKeys as _, AttemptLimits as _, Authenticate, CodeError, Environment,
    Hashing, Host, LimitSubject, LoggedIn, Login, LoginError, ManageKeys, ManageMfa, ManageUsers,
    MfaError, NewKey, Permit, Role, SecondFactor, UserChange, UserId, Username, Visitor,
};
use keyward_auth::{KeyName, Scopes, User};
use keyward_core::{Clock as _, ManualClock, Store as _, StoreError};
use keyward_crypto::{
    ApiKey, ApiKeyKind, FieldKey, KeyRing, LoginTicket, Password, Passwords, RecoveryCode,
    TotpCode, TotpSecret,
};
use keyward_store_diesel::DieselStore;
use keyward_store_diesel::testing::TestDatabase;
use support::{NOW, added, api_key, macs, on_both, sign, user, write};

on_both![
    one_code_sent_at_once_to_everything_that_takes_codes_works_once,
    of_a_thousand_wrong_codes_at_once_five_are_evaluated,
    one_recovery_code_sent_at_once_works_once,
    one_ticket_sent_at_once_with_different_codes_logs_in_once,
    a_key_that_is_revoked_meanwhile_makes_no_more_keys,
    everything_at_once_never_waits_in_a_circle,
];

fn one_code_sent_at_once_to_everything_that_takes_codes_works_once(database: &TestDatabase) {
    let world = World::on(database);
    for round in 0..rounds() {
        let person = world.enrolled();
        let code = person.code_at(&world, 0);
        let tickets: Vec<_> = (0..CALLS / 4).map(|_| world.ticket(&person)).collect();
        let successes = at_once(CALLS, |call| {
            let second = || SecondFactor::Code(parse(&code));
            match call % 4 {
                0 => world
                    .login()
                    .with_second_factor(&tickets[call / 4], &second(), &visitor())
                    .is_ok(),
                1 => world.mfa().step_up(&person.permit, parse(&code)).is_ok(),
                2 => world
                    .mfa()
                    .renew_recovery_codes(&person.permit, parse(&code))
                    .is_ok(),
                _ => world.mfa().disable(&person.permit, parse(&code)).is_ok(),
            }
        });
        assert_eq!(successes, 1, "round {round}");
        world.clock.advance(30);
        let again = world.mfa().step_up(&person.permit, parse(&code));
        assert!(again.is_err(), "the code worked again in the next step");
    }
}

fn of_a_thousand_wrong_codes_at_once_five_are_evaluated(database: &TestDatabase) {
    let world = World::on(database);
    let person = world.enrolled();
    let right = person.code_at(&world, 0);
    let wrong = if right == "000000" {
        "000001"
    } else {
        "000000"
    };
    let evaluated = AtomicUsize::new(0);
    at_once(CALLS, |_| {
        match world.mfa().step_up(&person.permit, parse(wrong)) {
            Err(MfaError::Code(CodeError::Rejected)) => evaluated.fetch_add(1, Ordering::SeqCst),
            Err(MfaError::Code(CodeError::Limited(_))) => 0,
            other => panic!("{other:?}"),
        };
        false
    });
    assert_eq!(evaluated.into_inner(), 5);
    assert_eq!(world.fails(person.id), 5);
    let limited = world.mfa().step_up(&person.permit, parse(&right));
    assert!(matches!(
        limited,
        Err(MfaError::Code(CodeError::Limited(60)))
    ));

    // Neither another process nor another app gives new tries.
    let restarted = World::on(database);
    let again = restarted.mfa().step_up(&person.permit, parse(&right));
    assert!(matches!(again, Err(MfaError::Code(CodeError::Limited(_)))));
    world.mfa().begin_for(Host, person.id).unwrap();
    let again = world.mfa().confirm(&person.permit, parse(&right));
    assert!(matches!(again, Err(MfaError::Code(CodeError::Limited(_)))));
    assert_eq!(world.fails(person.id), 5);
}

fn one_recovery_code_sent_at_once_works_once(database: &TestDatabase) {
    let world = World::on(database);
    for _ in 0..rounds() {
        let person = world.enrolled();
        let tickets: Vec<_> = (0..100).map(|_| world.ticket(&person)).collect();
        let successes = at_once(100, |call| {
            let code = RecoveryCode::parse(&person.recovery[0]).unwrap();
            let factor = SecondFactor::Recovery(code);
            world
                .login()
                .with_second_factor(&tickets[call], &factor, &visitor())
                .is_ok()
        });
        assert_eq!(successes, 1);
        let left = world
            .mfa()
            .status(&person.permit)
            .unwrap()
            .recovery_codes_left;
        assert_eq!(left, 9);
    }
}

fn one_ticket_sent_at_once_with_different_codes_logs_in_once(database: &TestDatabase) {
    let world = World::on(database);
    let person = world.enrolled();
    let ticket = world.ticket(&person);
    let successes = at_once(100, |call| {
        let factor = match call % 10 {
            0 => SecondFactor::Code(parse(&person.code_at(&world, 0))),
            n => SecondFactor::Recovery(RecoveryCode::parse(&person.recovery[n]).unwrap()),
        };
        world
            .login()
            .with_second_factor(&ticket, &factor, &visitor())
            .is_ok()
    });
    assert_eq!(successes, 1);
}

/// The permit was given out before the key ended, as in a request that is under way.
fn a_key_that_is_revoked_meanwhile_makes_no_more_keys(database: &TestDatabase) {
    let world = World::on(database);
    let owner = added(&world.store(), user()).unverified().clone();
    for round in 0..10 {
        let asking = world.key(&owner);
        let (permit, by) = (
            world.permit::<Any>(&asking),
            world.permit::<Any>(&world.key(&owner)),
        );
        let start = Barrier::new(5);
        let made = thread::scope(|scope| {
            let makers: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        (0..10).filter(|_| world.make_key(&permit)).count()
                    })
                })
                .collect();
            start.wait();
            world.keys().revoke_own(&by, asking.id()).unwrap();
            let so_far = world.keys_of(owner.id);
            let made: usize = makers.into_iter().map(|maker| maker.join().unwrap()).sum();
            assert_eq!(
                world.keys_of(owner.id),
                so_far,
                "round {round}: a key was made later"
            );
            made
        });
        assert!(made <= 40);
        assert!(!world.make_key(&permit));
    }
}

/// Every audited change takes its locks in one order, so that PostgreSQL never has to break a circle.
fn everything_at_once_never_waits_in_a_circle(database: &TestDatabase) {
    let world = World::on(database);
    let people: Vec<_> = (0..3).map(|_| world.enrolled()).collect();
    at_once(96, |call| {
        let (person, other) = (&people[call % 3], &people[(call + 1) % 3]);
        let outcome = match call % 8 {
            0 => failure_of_key(world.keys().create_own(&person.permit, &new_key(), None)),
            1 => failure_of_key(
                world
                    .keys()
                    .rotate_own(&person.permit, person.spare, 60, None),
            ),
            2 => failure_of_key(world.keys().revoke_own(&person.permit, person.spare)),
            3 => failure_of_user(world.users().change(&Host, other.id, &role(Role::Admin))),
            4 => failure_of_user(world.users().change(&Host, other.id, &role(Role::Normal))),
            5 => failure_of_mfa(world.mfa().step_up(&person.permit, parse("000000"))),
            6 => failure_of_mfa(world.mfa().unlock(&Host, other.id)),
            _ => failure_of_login(world.login().with_password(
                &person.name,
                &password(),
                &visitor(),
            )),
        };
        assert!(outcome.is_none(), "{call}: {outcome:?}");
        true
    });
}

fn failure_of_key<T>(outcome: Result<T, keyward_auth::KeyError>) -> Option<StoreError> {
    match outcome {
        Err(keyward_auth::KeyError::Store(error)) => Some(error),
        _ => None,
    }
}

fn failure_of_user<T>(outcome: Result<T, keyward_auth::UserError>) -> Option<StoreError> {
    match outcome {
        Err(keyward_auth::UserError::Store(error)) => Some(error),
        _ => None,
    }
}

fn failure_of_mfa<T>(outcome: Result<T, MfaError>) -> Option<StoreError> {
    match outcome {
        Err(MfaError::Store(error) | MfaError::Code(CodeError::Store(error))) => Some(error),
        _ => None,
    }
}

fn failure_of_login<T>(outcome: Result<T, LoginError>) -> Option<StoreError> {
    match outcome {
        Err(LoginError::Store(error)) => Some(error),
        _ => None,
    }
}

struct World {
    environment: Environment<DieselStore>,
    clock: Arc<ManualClock>,
}

/// Somebody with a second factor.
struct Person {
    id: UserId,
    name: Username,
    secret: TotpSecret,
    recovery: Vec<String>,
    permit: Permit<Any>,
    /// Another key of theirs.
    spare: keyward_crypto::ApiKeyId,
}

impl Person {
    fn code_at(&self, world: &World, offset: i64) -> String {
        let code = self.secret.code_at(world.clock.now().0 + offset);
        code.expose().to_owned()
    }
}

impl World {
    fn on(database: &TestDatabase) -> Self {
        let clock = Arc::new(ManualClock::at(NOW));
        let field_key = "a2V5d2FyZC1zdG9yZSB0ZXN0cyB1c2UgdGhpcyBrZXk=";
        let environment = Environment {
            store: database.store(),
            fields: KeyRing::new(vec![FieldKey::danger_parse_any(field_key).unwrap()]).unwrap(),
            macs: macs(),
            hashing: Hashing::with_places(Passwords::danger_fast(), 8, 10_000),
            audit: AuditLog::new(macs(), clock.clone()),
            clock: clock.clone(),
        };
        Self { environment, clock }
    }

    fn store(&self) -> DieselStore {
        self.environment.store.clone()
    }

    fn login(&self) -> Login<DieselStore> {
        Login::new(self.environment.clone())
    }

    fn mfa(&self) -> ManageMfa<DieselStore> {
        ManageMfa::new(self.environment.clone())
    }

    fn keys(&self) -> ManageKeys<DieselStore> {
        ManageKeys::new(self.environment.clone())
    }

    fn users(&self) -> ManageUsers<DieselStore> {
        ManageUsers::new(self.environment.clone())
    }

    fn key(&self, owner: &User) -> ApiKey {
        let key = ApiKey::generate(ApiKeyKind::User);
        let record = ApiKeyRecord {
            id: key.id(),
            scopes: Scopes::of_role(owner.role),
            key_mac: key.mac(&macs()),
            ..api_key(owner.id)
        };
        write(&self.store(), |tx| tx.add_api_key(&sign(record)));
        key
    }

    fn permit<Needed: keyward_auth::RequiredScope>(&self, key: &ApiKey) -> Permit<Needed> {
        let last_used = Arc::default();
        Authenticate::new(self.store(), macs(), self.clock.clone(), last_used)
            .principal(key)
            .unwrap()
            .permit()
            .unwrap()
    }

    fn make_key(&self, permit: &Permit<Any>) -> bool {
        match self.keys().create_own(permit, &new_key(), None) {
            Ok(_) => true,
            Err(keyward_auth::KeyError::Denied(_)) => false,
            Err(other) => panic!("{other:?}"),
        }
    }

    fn keys_of(&self, user: UserId) -> usize {
        let keys = self.store().lookup(|tx| tx.api_keys_of(user, None, 10_000));
        keys.unwrap().len()
    }

    /// Enrolled with the code of the step before, so that the one of this step is unused.
    fn enrolled(&self) -> Person {
        let hash = self.environment.hashing.hash(&password()).unwrap();
        let person = User {
            password_hash: Some(hash),
            ..user()
        };
        let owner = added(&self.store(), person).unverified().clone();
        let permit = self.permit::<Any>(&self.key(&owner));
        let enrolling = self.mfa().begin(&permit).unwrap();
        let secret = TotpSecret::from_base32(enrolling.secret.expose()).unwrap();
        let code = secret.code_at(self.clock.now().0 - 30);
        let codes = self.mfa().confirm(&permit, code).unwrap();
        let recovery = codes.0.iter().map(|code| code.expose().to_owned());
        Person {
            id: owner.id,
            name: owner.username.clone(),
            secret,
            recovery: recovery.collect(),
            spare: self.key(&owner).id(),
            permit,
        }
    }

    fn ticket(&self, person: &Person) -> LoginTicket {
        let outcome = self
            .login()
            .with_password(&person.name, &password(), &visitor());
        match outcome.unwrap() {
            LoggedIn::NeedsSecondFactor { ticket, .. } => ticket,
            LoggedIn::Done(_) => panic!("no second factor was asked for"),
        }
    }

    fn fails(&self, user: UserId) -> i64 {
        let state = self
            .store()
            .lookup(|tx| tx.attempts(&LimitSubject::totp(user)));
        state.unwrap().unwrap().fails
    }
}

fn parse(code: &str) -> TotpCode {
    TotpCode::parse(code).unwrap()
}

fn password() -> Password {
    Password::attempt("correct horse battery".into()).unwrap()
}

fn new_key() -> NewKey {
    NewKey {
        name: KeyName::parse("new").unwrap(),
        scopes: None,
        expires_at: None,
    }
}

fn role(role: Role) -> UserChange {
    UserChange {
        role: Some(role),
        ..UserChange::default()
    }
}

fn visitor() -> Visitor {
    Visitor {
        source: "192.0.2.7".to_owned(),
        request: None,
    }
}

/// Runs calls from many threads that start at the same moment, and counts those that say `true`.
fn at_once(calls: usize, call: impl Fn(usize) -> bool + Sync) -> usize {
    let start = Barrier::new(THREADS);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (start, call) = (&start, &call);
                scope.spawn(move || {
                    start.wait();
                    (thread..calls)
                        .step_by(THREADS)
                        .filter(|n| call(*n))
                        .count()
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    })
}

#[expect(clippy::disallowed_methods, reason = "tests have no settings module")]
fn rounds() -> usize {
    let asked = std::env::var("KEYWARD_RACE_ROUNDS").ok();
    asked.map_or(1, |rounds| rounds.parse().unwrap())
}

const THREADS: usize = 25;
const CALLS: usize = 1_000;
