//! What happens when the clock of the server jumps.

use std::sync::Arc;

use keyward_agents::AgentsTx;
use keyward_core::{ManualClock, Store};
use keyward_credentials::{CredentialScope, CredentialsTx};
use keyward_encryption::EncryptionTx;
use keyward_store_diesel::testing::TestDatabase;
use keyward_store_testing::MemoryStore;
use serde_json::json;

use crate::keys::works;
use crate::limits::limited;
use crate::world::{Answer, AnyTx, NOW, PASSWORD, World, in_time};

#[actix_web::test]
async fn a_clock_that_is_set_back_shortens_no_lock() {
    for world in World::on_every_store().await {
        for back in [61, 600, HOUR, 400 * DAY] {
            let name = format!("p{back}");
            let (person, device) = world.person_with_mfa(&name).await;
            for n in 0..10 {
                if n == 5 {
                    world.clock.advance(60);
                }
                world.step_up(&person, &device.wrong_code(&world)).await;
                world.login(&name, "wrong horse battery").await;
            }
            limited(&world.step_up(&person, &device.code(&world)).await, 900);
            world.clock.advance(-back);
            // A small step is followed; after a larger one no time passes here.
            let left = if back <= 90 { 900 + back } else { 900 };
            limited(&world.step_up(&person, &device.code(&world)).await, left);
            limited(&world.login(&name, PASSWORD).await, left);
            world.clock.advance(back + 899);
            limited(&world.step_up(&person, &device.code(&world)).await, 1);
            limited(&world.login(&name, PASSWORD).await, 1);
            world.clock.advance(1);
            world.session_with(&name, &device).await;
        }
    }
}

#[actix_web::test]
async fn no_step_is_taken_twice_however_the_clock_jumps() {
    for world in World::on_every_store().await {
        for jump in [30, HOUR, DAY, 400 * DAY] {
            let (person, device) = world.person_with_mfa(&format!("p{jump}")).await;
            let code = device.code(&world);
            assert_eq!(world.step_up(&person, &code).await.status, 200);
            for seconds in [jump, -jump, -jump, jump] {
                world.clock.advance(seconds);
                world
                    .step_up(&person, &code)
                    .await
                    .is_problem(400, "invalid-code");
            }
            // Steps before the last one are gone too, until time has passed it again.
            world.clock.advance(-HOUR);
            let answer = world.step_up(&person, &device.code(&world)).await;
            answer.is_problem(400, "invalid-code");
            world.clock.advance(HOUR + jump + 60);
            let answer = world.step_up(&person, &device.code(&world)).await;
            assert_eq!(answer.status, 200, "{}: {answer:?}", world.name);
        }
    }
}

/// A clock that was ahead leaves the app unusable, and these ways in.
#[actix_web::test]
async fn who_used_a_code_of_the_future_gets_in_by_a_recovery_code() {
    for world in World::on_every_store().await {
        let (_, device) = world.person_with_mfa("ada").await;
        world.clock.advance(400 * DAY);
        world.session_with("ada", &device).await;
        world.clock.advance(-400 * DAY);
        let ticket = world.ticket("ada").await;
        let answer = world.second_step(&ticket, &device.code(&world)).await;
        answer.is_problem(401, "login-rejected");
        let answer = world.recover(&ticket, &device.recovery[0]).await;
        world.presented(&answer).await;
    }
}

#[actix_web::test]
async fn a_clock_that_is_set_back_gives_nothing_back_that_had_ended() {
    for world in World::on_every_store().await {
        let (ada, device) = world.person_with_mfa("ada").await;
        let session = world.session_with("ada", &device).await;
        let ticket = world.ticket("ada").await;
        let ends = world.now().plus(HOUR).to_string();
        let body = json!({ "name": "for an hour", "expires_at": ends });
        let key = world.key_of(&ada.id, &body).await.key;
        assert!(works(&world, &key).await && works(&world, &session.key).await);
        world.clock.advance(13 * HOUR);
        for back in [0, HOUR, 12 * HOUR, 400 * DAY] {
            world.clock.advance(-back);
            assert!(!works(&world, &session.key).await, "{}: {back}", world.name);
            assert!(!works(&world, &key).await, "{}: {back}", world.name);
            let answer = world.second_step(&ticket, &device.code(&world)).await;
            answer.is_problem(401, "login-rejected");
            assert!(works(&world, &ada.key).await, "{}: {back}", world.name);
        }
    }
}

/// Phones were not ahead with the machine.
#[actix_web::test]
async fn codes_of_apps_go_by_what_the_clock_shows() {
    for world in World::on_every_store().await {
        let (ada, device) = world.person_with_mfa("ada").await;
        world.clock.advance(DAY);
        assert!(works(&world, &ada.key).await);
        world.clock.advance(60 - DAY);
        let answer = world.step_up(&ada, &device.code(&world)).await;
        assert_eq!(answer.status, 200, "{}: {answer:?}", world.name);
    }
}

/// No jump makes a session or a ticket outlive its end, as the clock shows it.
#[actix_web::test]
async fn what_has_ended_is_ended_by_the_clock_of_the_moment() {
    for world in World::on_every_store().await {
        let (ada, device) = world.person_with_mfa("ada").await;
        let session = world.session_with("ada", &device).await;
        let ticket = world.ticket("ada").await;
        world.clock.advance(13 * HOUR);
        assert!(!works(&world, &session.key).await, "{}", world.name);
        assert!(works(&world, &ada.key).await, "{}", world.name);
        let answer = world.second_step(&ticket, &device.code(&world)).await;
        answer.is_problem(401, "login-rejected");
    }
}

/// With a clock that shows what it is set to, be it in the past.
async fn as_set<S>(name: &'static str, store: S, database: Option<TestDatabase>) -> World
where
    S: Store<Tx: AgentsTx + CredentialsTx + EncryptionTx + AnyTx> + Clone,
{
    let clock = Arc::new(ManualClock::at(NOW));
    let environment = in_time(&store, clock.clone());
    World::in_environment(name, environment, clock, CredentialScope::Global, database).await
}

#[actix_web::test]
async fn nothing_fails_at_the_edges_of_time() {
    let sqlite = TestDatabase::sqlite();
    let mut worlds = World::on_every_store().await;
    worlds.push(as_set("memory, as set", Arc::new(MemoryStore::new()), None).await);
    worlds.push(as_set("SQLite, as set", sqlite.store(), Some(sqlite)).await);
    if let Some(postgres) = TestDatabase::postgres() {
        worlds.push(as_set("PostgreSQL, as set", postgres.store(), Some(postgres)).await);
    }
    for world in worlds {
        let (ada, device) = world.person_with_mfa("ada").await;
        let edges = [
            0,
            1,
            59,
            2_147_483_647,
            2_147_483_648,
            4_294_967_295,
            4_294_967_296,
            253_402_300_799,
        ];
        for edge in edges {
            for near in [edge - 1, edge, edge + 1] {
                world.clock.advance(near - world.now().0);
                let name = format!("p{}", near + 1);
                let mut answers = round(&world, &name).await;
                let body = json!({ "code": device.code(&world) });
                let step_up = world.post("/auth/step-up").by(&ada).json(&body).await;
                answers.push(step_up);
                for answer in answers {
                    assert!(
                        !answer.status.is_server_error(),
                        "{}: {near}: {answer:?}",
                        world.name
                    );
                }
            }
        }
    }
}

/// A person, a login, an enrolment, a second login, a wrong password and a wrong code.
async fn round(world: &World, name: &str) -> Vec<Answer> {
    let body = json!({ "username": name, "password": PASSWORD });
    let made = world.post("/users").by(&world.admin).json(&body).await;
    let login = world.login(name, PASSWORD).await;
    let key = login.json()["key"].as_str().unwrap_or_default().to_owned();
    let setup = world.post("/auth/mfa/setup").key(&key).await;
    let mut answers = vec![made, login];
    if let Some(secret) = setup.json()["secret"].as_str() {
        let secret = keyward_crypto::TotpSecret::from_base32(secret).unwrap();
        let code = secret.code_at(world.now().0);
        let body = json!({ "code": code.expose() });
        for path in ["/auth/mfa/verify", "/auth/mfa/disable", "/auth/step-up"] {
            answers.push(world.post(path).key(&key).json(&body).await);
        }
    }
    answers.extend([
        setup,
        world.login(name, PASSWORD).await,
        world.login(name, "wrong horse battery").await,
        world.get("/auth/mfa/status").key(&key).await,
        world.post("/auth/logout").key(&key).await,
    ]);
    answers
}

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
