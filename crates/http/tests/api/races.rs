//! What happens between the transactions of one request, and to many requests at once.

use std::future::IntoFuture as _;
use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use keyward_auth::{Hashing, LimitSubject};
use keyward_core::{ManualClock, Store, StoreError};
use keyward_credentials::CredentialScope;
use keyward_crypto::{Password, PasswordHash, Passwords};
use keyward_store_testing::{MemoryStore, MemoryTx};
use serde_json::json;

use crate::world::{Answer, Caller, NOW, PASSWORD, World, environment};

/// The code that confirms fits the secret that waited when it was looked at, and no later one.
#[actix_web::test]
async fn a_code_takes_no_other_secret_into_use_than_the_one_it_fits() {
    let (world, store) = interrupted().await;
    let ada = world.person("ada").await;
    let mine = world.pending(&ada).await;
    let before = world.store(|tx| tx.totp_secrets(user(&ada)));
    world.pending(&ada).await;
    let other = world.store(|tx| tx.totp_secrets(user(&ada)));
    world.store(|tx| tx.set_totp_secrets(user(&ada), &before));

    let id = user(&ada);
    store.after_writes(1, move |tx| {
        keyward_auth::SecondFactors::set_totp_secrets(tx, id, &other)
    });
    let code = json!({ "code": mine.code(&world) });
    let answer = world.mfa("verify", &ada, &code).await;
    answer.is_problem(400, "invalid-code");
    let status = world.get("/auth/mfa/status").by(&ada).await.json();
    assert_eq!(status["mfa_enabled"], false);
}

/// The same where the secret is in use.
#[actix_web::test]
async fn a_code_of_an_app_that_was_replaced_meanwhile_opens_nothing() {
    let (world, store) = interrupted().await;
    let (ada, device) = world.person_with_mfa("ada").await;
    let (eve, _) = world.person_with_mfa("eve").await;
    let other = world.store(|tx| tx.totp_secrets(user(&eve)));
    let id = user(&ada);
    store.after_writes(1, move |tx| {
        keyward_auth::SecondFactors::set_totp_secrets(tx, id, &other)
    });
    let answer = world.step_up(&ada, &device.code(&world)).await;
    answer.is_problem(400, "invalid-code");
}

/// Between the count of the attempt and the session, an administrator disables the account.
#[actix_web::test]
async fn who_is_disabled_during_a_login_is_not_let_in() {
    for has_factor in [false, true] {
        let (world, store) = interrupted().await;
        let ada = world.person("ada").await;
        let second = if has_factor {
            Some((world.enrol(&ada).await, world.ticket("ada").await))
        } else {
            None
        };
        let id = user(&ada);
        store.after_writes(1, move |tx| {
            let stored = keyward_auth::Users::user(tx, id)?.unwrap();
            let mut disabled = stored.unverified().clone();
            disabled.status = keyward_auth::UserStatus::Disabled;
            let signed = keyward_crypto::Signed::sign(disabled, &crate::world::macs());
            keyward_auth::Users::replace_user(tx, stored.mac(), &signed).map(drop)
        });
        let answer = match &second {
            Some((device, ticket)) => world.second_step(ticket, &device.code(&world)).await,
            None => world.login("ada", PASSWORD).await,
        };
        answer.is_problem(401, "login-rejected");
    }
}

#[actix_web::test]
async fn a_key_that_is_revoked_during_a_change_does_not_make_it() {
    let (world, store) = interrupted().await;
    let (ada, device) = world.person_with_mfa("ada").await;
    let id = keyward_crypto::ApiKeyId::parse(&ada.key_id).unwrap();
    store.after_writes(1, move |tx| {
        let found = keyward_auth::ApiKeys::key_with_owner(tx, id)?.unwrap();
        let mut ended = found.key.unverified().clone();
        ended.revoked_at = Some(NOW);
        let signed = keyward_crypto::Signed::sign(ended, &crate::world::macs());
        keyward_auth::ApiKeys::replace_api_key(tx, found.key.mac(), &signed).map(drop)
    });
    let code = json!({ "code": device.code(&world) });
    let answer = world.mfa("disable", &ada, &code).await;
    answer.is_problem(401, "unauthenticated");
    // The code was right, so it was no guess, and it is not used up.
    let subject = LimitSubject::totp(user(&ada));
    let state = world.store(|tx| tx.attempts(&subject)).unwrap();
    assert_eq!((state.fails, state.window_count), (0, 1));
    let secrets = world.store(|tx| tx.totp_secrets(user(&ada)));
    assert!(secrets.active.is_some());
}

/// CVE-2024-4629: parallel requests were all looked at before the first was counted.
#[actix_web::test]
async fn of_many_guesses_at_once_five_are_looked_at() {
    for world in World::on_every_store().await {
        let (ada, device) = world.person_with_mfa("ada").await;
        world.clock.advance(60);
        let wrong = device.wrong_code(&world);
        let answers = join_all((0..60).map(|_| world.step_up(&ada, &wrong).into_future())).await;
        let count = |status: u16| {
            let counted = answers.iter().filter(|answer| answer.status == status);
            counted.count()
        };
        assert_eq!((count(400), count(429)), (5, 55), "{}", world.name);

        let logins = (0..60).map(|_| world.login("ada", "wrong horse battery").into_future());
        let hashed = world.hashing.hashed();
        let answers = join_all(logins).await;
        let rejected = answers.iter().filter(|answer| answer.status == 401);
        assert_eq!(rejected.count(), 5, "{}", world.name);
        assert_eq!(world.hashing.hashed(), hashed + 5, "{}", world.name);
    }
}

#[actix_web::test]
async fn of_many_uses_at_once_one_succeeds() {
    for world in World::on_every_store().await {
        let (ada, device) = world.person_with_mfa("ada").await;
        world.clock.advance(60);
        let code = device.code(&world);
        let answers = join_all((0..40).map(|_| world.step_up(&ada, &code).into_future())).await;
        assert_eq!(successes(&answers), 1, "{}", world.name);

        world.clock.advance(60);
        let mut tickets = Vec::new();
        for _ in 0..20 {
            tickets.push(world.ticket("ada").await);
        }
        let code = device.code(&world);
        let logins = tickets
            .iter()
            .map(|ticket| world.second_step(ticket, &code).into_future());
        assert_eq!(successes(&join_all(logins).await), 1, "{}", world.name);

        world.clock.advance(60);
        let code = &device.recovery[0];
        let logins = tickets
            .iter()
            .map(|ticket| world.recover(ticket, code).into_future());
        assert_eq!(successes(&join_all(logins).await), 1, "{}", world.name);

        // One ticket and three codes that are all right.
        world.clock.advance(60);
        let ticket = world.ticket("ada").await;
        let logins = join_all([
            world
                .second_step(&ticket, &device.code(&world))
                .into_future(),
            world
                .second_step(&ticket, &device.code_at(&world, -30))
                .into_future(),
            world.recover(&ticket, &device.recovery[1]).into_future(),
            world.recover(&ticket, &device.recovery[2]).into_future(),
        ]);
        assert_eq!(successes(&logins.await), 1, "{}", world.name);
    }
}

/// What ends tickets and what tries one take the same locks; a database may not have to choose whom
/// to fail.
#[actix_web::test]
async fn logins_and_changes_of_one_person_at_once_do_not_fail_each_other() {
    for world in World::on_every_store().await {
        for round in 0..8 {
            let name = format!("p{round}");
            let (person, device) = world.person_with_mfa(&name).await;
            world.clock.advance(60);
            let tickets = [world.ticket(&name).await, world.ticket(&name).await];
            let (now, before) = (device.code(&world), device.code_at(&world, -30));
            let code = json!({ "code": now });
            let unlock = format!("/users/{}/unlock", person.id);
            let answers = join_all([
                world.second_step(&tickets[0], &before).into_future(),
                world.mfa("disable", &person, &code).into_future(),
                world.second_step(&tickets[0], &now).into_future(),
                world.second_step(&tickets[1], &now).into_future(),
                world
                    .recover(&tickets[1], &device.recovery[0])
                    .into_future(),
                world
                    .recover(&tickets[0], &device.recovery[1])
                    .into_future(),
                world.login(&name, PASSWORD).into_future(),
                world.post(&unlock).by(&world.admin).into_future(),
            ])
            .await;
            let failed = answers
                .iter()
                .find(|answer| answer.status.is_server_error());
            assert!(failed.is_none(), "{}: {failed:?}", world.name);
        }
    }
}

/// While more passwords come than can be hashed, whoever is turned away made no guess.
#[actix_web::test]
async fn who_is_turned_away_from_an_overload_is_not_locked_out() {
    let store = Arc::new(MemoryStore::new());
    let clock = Arc::new(ManualClock::at(NOW));
    let mut surroundings = environment(&store, &clock);
    let hashing = Hashing::with_places(Passwords::danger_fast(), 1, 0);
    surroundings.hashing = hashing.clone();
    let scope = CredentialScope::Global;
    let world = World::in_environment("busy", surroundings, clock, scope, None).await;
    world.person("ada").await;
    for _ in 0..3 {
        let busy = keep_busy(&hashing);
        for _ in 0..5 {
            let answer = world.login("ada", PASSWORD).await;
            answer.is_problem(503, "overloaded");
            assert!(answer.header("retry-after").is_some());
        }
        let answer = world.login("ada", PASSWORD).await;
        crate::limits::limited(&answer, 60);
        busy.join().unwrap();
        world.clock.advance(60);
    }
    world.session("ada").await;
}

fn successes(answers: &[Answer]) -> usize {
    let other = answers
        .iter()
        .find(|answer| !matches!(answer.status.as_u16(), 200 | 400 | 401 | 429));
    assert!(other.is_none(), "{other:?}");
    answers.iter().filter(|answer| answer.status == 200).count()
}

/// Takes the one place there is, for about a second.
fn keep_busy(hashing: &Hashing) -> std::thread::JoinHandle<()> {
    let (before, shared) = (hashing.hashed(), hashing.clone());
    let busy = std::thread::spawn(move || {
        let password = Password::attempt(PASSWORD.into()).unwrap();
        let costly = PasswordHash::from_stored(COSTLY.to_owned());
        shared.verify(&password, Some(&costly)).unwrap();
    });
    while hashing.hashed() == before {
        std::thread::yield_now();
    }
    busy
}

fn user(caller: &Caller) -> keyward_auth::UserId {
    keyward_auth::UserId::parse(&caller.id).unwrap()
}

async fn interrupted() -> (World, Interrupted) {
    let store = Interrupted::default();
    let scope = CredentialScope::Global;
    let world = World::over("interrupted", store.clone(), scope, None).await;
    (world, store)
}

type Interruption = Box<dyn FnOnce(&mut MemoryTx) -> Result<(), StoreError> + Send>;

/// A store where something else happens once, after so many more writes.
#[derive(Clone, Default)]
struct Interrupted {
    store: Arc<MemoryStore>,
    next: Arc<Mutex<Option<(usize, Interruption)>>>,
}

impl Interrupted {
    fn after_writes(
        &self,
        writes: usize,
        what: impl FnOnce(&mut MemoryTx) -> Result<(), StoreError> + Send + 'static,
    ) {
        *self.next.lock().unwrap() = Some((writes, Box::new(what)));
    }

    fn interrupt(&self) {
        let mut next = self.next.lock().unwrap();
        let Some((writes, what)) = next.take() else {
            return;
        };
        if writes > 1 {
            *next = Some((writes - 1, what));
        } else {
            self.store.write(what).unwrap();
        }
    }
}

impl Store for Interrupted {
    type Tx = MemoryTx;

    fn health(&self) -> Result<(), StoreError> {
        self.store.health()
    }

    fn read<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&mut MemoryTx) -> Result<T, E>,
    ) -> Result<T, E> {
        self.store.read(work)
    }

    fn write<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&mut MemoryTx) -> Result<T, E>,
    ) -> Result<T, E> {
        let outcome = self.store.write(work);
        self.interrupt();
        outcome
    }
}

/// bcrypt of cost 14.
const COSTLY: &str = "$2b$14$KIXQJ0i0K2b0u2yF1i1y5eW0m5w0m5w0m5w0m5w0m5w0m5w0m5w0m";
