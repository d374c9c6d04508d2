//! How often passwords and codes can be guessed, and who is not kept out by it.

use keyward_auth::{AttemptState, LimitSubject, UserId};
use serde_json::json;

use crate::keys::works;
use crate::login::visible;
use crate::world::{Answer, Caller, Device, PASSWORD, PROXY, World, text};

#[actix_web::test]
async fn five_codes_a_minute_are_looked_at() {
    for world in World::on_every_store().await {
        let (ada, device) = world.person_with_mfa("ada").await;
        world.clock.advance(60);
        for _ in 0..5 {
            guess(&world, &ada, &device)
                .await
                .is_problem(400, "invalid-code");
            world.clock.advance(7);
        }
        // The sixth is not looked at, wherever and however right it is.
        let ticket = world.ticket("ada").await;
        let code = device.code(&world);
        let body = json!({ "code": code });
        for answer in [
            world.step_up(&ada, &code).await,
            world.second_step(&ticket, &code).await,
            world.mfa("disable", &ada, &body).await,
            world.mfa("recovery-codes", &ada, &body).await,
        ] {
            limited(&answer, 25);
        }
        assert!(works(&world, &ada.key).await);
        world.clock.advance(24);
        limited(&world.step_up(&ada, &device.code(&world)).await, 1);
        world.clock.advance(1);
        let answer = world.step_up(&ada, &device.code(&world)).await;
        assert_eq!(answer.status, 200, "{}: {answer:?}", world.name);
    }
}

#[actix_web::test]
async fn ten_wrong_codes_in_a_row_lock_and_each_lock_is_twice_as_long() {
    for world in World::on_every_store().await {
        let (ada, device) = world.person_with_mfa("ada").await;
        let mut seconds = 15 * 60;
        for lock in 1..=9 {
            let events = world.events();
            guess_ten(&world, &ada, &device).await;
            // The fiftieth wrong one is told of by itself.
            let told = if lock == 5 { 2 } else { 1 };
            assert_eq!(world.events(), events + told, "{}: {lock}", world.name);
            limited(&guess(&world, &ada, &device).await, seconds);
            world.clock.advance(seconds - 1);
            limited(&world.step_up(&ada, &device.code(&world)).await, 1);
            assert!(works(&world, &ada.key).await, "{}", world.name);
            world.ticket("ada").await;
            world.clock.advance(1);
            seconds = (seconds * 2).min(24 * 3_600);
        }
        // A right one ends the row, and locks begin anew.
        let answer = world.step_up(&ada, &device.code(&world)).await;
        assert_eq!(answer.status, 200, "{}: {answer:?}", world.name);
        guess_ten(&world, &ada, &device).await;
        limited(&guess(&world, &ada, &device).await, 15 * 60);
    }
}

#[actix_web::test]
async fn after_a_hundred_wrong_codes_the_app_is_out_until_somebody_lifts_that() {
    for world in World::on_every_store().await {
        for way_out in ["recovery code", "unlock", "mfa/reset"] {
            let name = way_out.replace([' ', '/'], "_");
            let (person, device) = world.person_with_mfa(&name).await;
            guess_hundred(&world, &person, &device).await;
            for wait in [0, 60, 24 * 3_600, 400 * 24 * 3_600] {
                world.clock.advance(wait);
                let answer = world.step_up(&person, &device.code(&world)).await;
                answer.is_problem(429, "factor-disabled");
                assert!(answer.header("retry-after").is_some());
            }
            let ticket = world.ticket(&name).await;
            let answer = world.second_step(&ticket, &device.code(&world)).await;
            answer.is_problem(429, "factor-disabled");
            assert!(works(&world, &person.key).await, "{}", world.name);

            if way_out == "recovery code" {
                let answer = world.recover(&ticket, &device.recovery[0]).await;
                world.presented(&answer).await;
            } else {
                let path = format!("/users/{}/{way_out}", person.id);
                assert_eq!(world.post(&path).by(&person).await.status, 403);
                assert_eq!(world.post(&path).by(&world.admin).await.status, 204);
            }
            if way_out == "mfa/reset" {
                world.session(&name).await;
            } else {
                world.session_with(&name, &device).await;
            }
        }
    }
}

/// Each login of the owner ended the row of wrong codes, and whoever has the password guessed on.
#[actix_web::test]
async fn who_guesses_between_the_logins_of_the_owner_is_told_of_and_stopped() {
    for world in World::on_every_store().await {
        let (ada, device) = world.person_with_mfa("ada").await;
        for round in 1..=40 {
            world.clock.advance(60);
            for _ in 0..4 {
                let answer = guess(&world, &ada, &device).await;
                answer.is_problem(400, "invalid-code");
            }
            let answer = world.step_up(&ada, &device.code(&world)).await;
            assert_eq!(answer.status, 200, "{}, {round}: {answer:?}", world.name);
            let answer = guess(&world, &ada, &device).await;
            answer.is_problem(400, "invalid-code");
        }
        world.clock.advance(60);
        let answer = world.step_up(&ada, &device.code(&world)).await;
        answer.is_problem(429, "factor-disabled");

        let page = world.get("/audit?limit=200").by(&world.admin).await.json();
        let events = page["items"].as_array().unwrap();
        let of = |action: &str| -> Vec<_> {
            let events = events.iter().filter(|event| event["action"] == action);
            events.map(|event| event["details"].clone()).collect()
        };
        let counts: Vec<_> = of("mfa.wrong-codes")
            .iter()
            .map(|details| details["wrong"].clone())
            .collect();
        assert_eq!(counts, ["200", "150", "100", "50"], "{}", world.name);
        assert_eq!(of("mfa.lock").len(), 1, "{}", world.name);
        let path = format!("/users/{}/unlock", ada.id);
        assert_eq!(world.post(&path).by(&world.admin).await.status, 204);
        let answer = world.step_up(&ada, &device.code(&world)).await;
        assert_eq!(answer.status, 200, "{}: {answer:?}", world.name);
    }
}

/// A new secret was a new budget (RFC 4226, section 7.3, and many who forgot).
#[actix_web::test]
async fn a_new_secret_resets_nothing() {
    for world in World::on_every_store().await {
        let ada = world.person("ada").await;
        let mut device = world.pending(&ada).await;
        for round in 0..2 {
            for _ in 0..5 {
                let body = json!({ "code": device.wrong_code(&world) });
                let answer = world.mfa("verify", &ada, &body).await;
                answer.is_problem(400, "invalid-code");
                device = world.pending(&ada).await;
            }
            let body = json!({ "code": device.code(&world) });
            let wait = if round == 0 { 60 } else { 15 * 60 };
            limited(&world.mfa("verify", &ada, &body).await, wait);
            world.clock.advance(wait);
        }
        device = world.pending(&ada).await;
        let used = device.code(&world);
        let body = json!({ "code": used });
        assert_eq!(world.mfa("verify", &ada, &body).await.status, 200);

        // Nor does it bring back the steps that are used.
        let session = {
            world.clock.advance(30);
            world.session_with("ada", &device).await
        };
        let code = json!({ "code": device.code(&world) });
        assert_eq!(world.mfa("disable", &session, &code).await.status, 200);
        let again = world.pending(&session).await;
        let body = json!({ "code": again.code(&world) });
        let answer = world.mfa("verify", &session, &body).await;
        answer.is_problem(400, "invalid-code");
        world.clock.advance(30);
        let body = json!({ "code": again.code(&world) });
        assert_eq!(world.mfa("verify", &session, &body).await.status, 200);
    }
}

#[actix_web::test]
async fn a_used_code_counts_in_its_minute_and_not_as_a_guess() {
    for world in World::on_every_store().await {
        let (ada, device) = world.person_with_mfa("ada").await;
        world.clock.advance(60);
        let code = device.code(&world);
        assert_eq!(world.step_up(&ada, &code).await.status, 200);
        let id = UserId::parse(&ada.id).unwrap();
        for n in 1..=5 {
            world
                .step_up(&ada, &code)
                .await
                .is_problem(400, "invalid-code");
            let state = attempts(&world, id);
            assert_eq!((state.fails, state.window_count), (0, n), "{}", world.name);
        }
        limited(&world.step_up(&ada, &code).await, 60);
    }
}

#[actix_web::test]
async fn recovery_codes_are_limited_by_themselves() {
    for world in World::on_every_store().await {
        let (_, device) = world.person_with_mfa("ada").await;
        let wrong = keyward_crypto::RecoveryCode::generate();
        for _ in 0..2 {
            let ticket = world.ticket("ada").await;
            for _ in 0..5 {
                let answer = world.recover(&ticket, wrong.expose()).await;
                answer.is_problem(401, "login-rejected");
            }
            world.clock.advance(60);
        }
        let ticket = world.ticket("ada").await;
        limited(&world.recover(&ticket, &device.recovery[0]).await, 840);
        let answer = world.second_step(&ticket, &device.code(&world)).await;
        world.presented(&answer).await;
        world.clock.advance(840);
        let ticket = world.ticket("ada").await;
        let answer = world.recover(&ticket, &device.recovery[0]).await;
        world.presented(&answer).await;
    }
}

#[actix_web::test]
async fn passwords_are_limited_for_an_account_from_a_network() {
    for world in World::on_every_store().await {
        let ada = world.person("ada").await;
        let session = world.session("ada").await;
        let from =
            |address: &'static str, password: &str| world.login("ada", password).from(address);
        for round in [60, 900, 60, 1_800] {
            for _ in 0..5 {
                let answer = from("198.51.100.7", WRONG).await;
                answer.is_problem(401, "login-rejected");
            }
            limited(&from("198.51.100.7", PASSWORD).await, round);
            // As an IPv6 socket sees it.
            limited(&from("::ffff:198.51.100.7", PASSWORD).await, round);
            for elsewhere in ["198.51.100.8", "2001:db8::1"] {
                let answer = from(elsewhere, PASSWORD).await;
                world.presented(&answer).await;
            }
            for key in [&ada.key, &session.key] {
                let answer = world.get("/auth/me").key(key).from("198.51.100.7").await;
                assert_eq!(answer.status, 200, "{}", world.name);
            }
            world.clock.advance(round);
        }
        world.presented(&from("198.51.100.7", PASSWORD).await).await;
    }
}

#[actix_web::test]
async fn a_right_password_is_not_counted() {
    let world = World::new().await;
    world.person("ada").await;
    for _ in 0..50 {
        world.session("ada").await;
        world
            .login("ada", WRONG)
            .await
            .is_problem(401, "login-rejected");
        world.session("ada").await;
        world.clock.advance(15);
    }
}

/// The owner of one account cannot make room for guesses at another.
#[actix_web::test]
async fn an_account_of_ones_own_gives_no_more_guesses_at_another() {
    for world in World::on_every_store().await {
        world.person("ada").await;
        world.person("eve").await;
        let mut looked_at = 0;
        for _ in 0..20 {
            world.session("eve").await;
            let answer = world.login("ada", WRONG).await;
            looked_at += usize::from(answer.status == 401);
        }
        assert_eq!(looked_at, 5, "{}", world.name);
    }
}

#[actix_web::test]
async fn an_ipv6_network_has_one_budget() {
    for world in World::on_every_store().await {
        world.person("ada").await;
        for n in 0..5 {
            let address = format!("2001:db8:0:1::{n}");
            let answer = world.login("ada", WRONG).from(&address).await;
            answer.is_problem(401, "login-rejected");
        }
        let answer = world
            .login("ada", PASSWORD)
            .from("2001:db8:0:1:ffff::1")
            .await;
        limited(&answer, 60);
        let answer = world.login("ada", PASSWORD).from("2001:db8:0:2::1").await;
        world.presented(&answer).await;
    }
}

/// CVE-2023-36456, CVE-2024-47070: anybody's word about the client was taken.
#[actix_web::test]
async fn only_the_proxy_is_believed_about_the_network() {
    for world in World::on_every_store().await {
        world.person("ada").await;
        let through = |peer: &str, hops: &str| {
            let login = world.login("ada", WRONG).from(peer);
            login.header("X-Forwarded-For", hops)
        };
        for n in 0..5 {
            let answer = through("198.51.100.7", &format!("203.0.113.{n}")).await;
            answer.is_problem(401, "login-rejected");
        }
        limited(&through("198.51.100.7", "203.0.113.9").await, 60);
        // Behind the proxy that is the client, whatever it claims about others.
        limited(&through(PROXY, "198.51.100.7").await, 60);
        limited(&through(PROXY, "203.0.113.9, 198.51.100.7").await, 60);
        let answer = through(PROXY, "198.51.100.7, 203.0.113.9").await;
        answer.is_problem(401, "login-rejected");
        // What is no address counts for the proxy.
        for n in 0..5 {
            let answer = through(PROXY, &format!("unknown{n}")).await;
            answer.is_problem(401, "login-rejected");
        }
        limited(&through(PROXY, "a").await, 60);
    }
}

#[actix_web::test]
async fn one_network_has_a_hundred_wrong_passwords_a_minute_over_all_accounts() {
    for world in World::on_every_store().await {
        world.person("ada").await;
        let from = |name: &str, password| world.login(name, password).from("198.51.100.7");
        for n in 0..100 {
            let answer = from(&format!("user{n}"), WRONG).await;
            answer.is_problem(401, "login-rejected");
        }
        limited(&from("ada", PASSWORD).await, 60);
        world.session("ada").await;
        world.clock.advance(60);
        world.presented(&from("ada", PASSWORD).await).await;
    }
}

#[actix_web::test]
async fn the_answers_to_whoever_is_limited_are_equal() {
    for world in World::on_every_store().await {
        world.person("ada").await;
        world.agent("agent_a_b").await;
        let mut seen = Vec::new();
        for name in ["ada", "nobody", "agent_a_b"] {
            for _ in 0..5 {
                world.login(name, WRONG).await;
            }
            for password in [PASSWORD, WRONG] {
                seen.push(visible(&world.login(name, password).await));
            }
        }
        assert!(seen.iter().all(|answer| *answer == seen[0]), "{seen:?}");
    }
}

/// CVE-2024-1722: locking somebody out was as easy as guessing.
#[actix_web::test]
async fn ten_thousand_guesses_from_everywhere_lock_nobody_out() {
    let world = World::new().await;
    let (ada, device) = world.person_with_mfa("ada").await;
    for n in 0..10_000 {
        let address = format!("10.0.{}.{}", n % 5, n % 1_000 / 5);
        let answer = world.login("ada", WRONG).from(&address).await;
        assert!(matches!(answer.status.as_u16(), 401 | 429), "{answer:?}");
    }
    assert!(works(&world, &ada.key).await);
    let login = world.login("ada", PASSWORD).from("198.51.100.7").await;
    let ticket = login.json()["ticket"].as_str().unwrap().to_owned();
    let answer = world.second_step(&ticket, &device.code(&world)).await;
    world.presented(&answer).await;
}

/// Who guesses from many networks gets less from each of them, and nobody is kept out.
#[actix_web::test]
async fn while_many_guess_at_an_account_each_network_has_two_wrong_passwords() {
    for world in World::on_every_store().await {
        let ada = world.person("ada").await;
        world.person("bea").await;
        for name in ["ada", "nobody"] {
            wrong_from_everywhere(&world, name, 94).await;
            // A network that is not among them has what it has always.
            assert_eq!(
                wrong_until_limited(&world, name, "203.0.113.1").await,
                (5, 60)
            );
            assert_eq!(
                wrong_until_limited(&world, name, "203.0.113.2").await,
                (2, 900)
            );
        }
        assert_eq!(
            wrong_until_limited(&world, "bea", "203.0.113.2").await,
            (5, 60)
        );
        let expected = [("100", ada.id.as_str()), ("100", "unknown")];
        assert_eq!(
            alarms(&world).await,
            expected.map(|(n, of)| (n.into(), of.into()))
        );

        assert!(works(&world, &ada.key).await);
        let login = world.login("ada", PASSWORD).from("203.0.113.3").await;
        assert_eq!(login.status, 200, "{}: {login:?}", world.name);
        // The owner has ended the row.
        assert_eq!(
            wrong_until_limited(&world, "ada", "203.0.113.4").await,
            (5, 60)
        );
        assert_eq!(
            wrong_until_limited(&world, "nobody", "203.0.113.4").await,
            (2, 900)
        );
    }
}

#[actix_web::test]
async fn an_unlocked_account_has_all_its_tries_again() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    wrong_from_everywhere(&world, "ada", 100).await;
    assert_eq!(
        wrong_until_limited(&world, "ada", "203.0.113.1").await,
        (2, 900)
    );
    let unlocked = world
        .post(&format!("/users/{}/unlock", ada.id))
        .by(&world.admin);
    assert!(unlocked.await.status.is_success());
    assert_eq!(
        wrong_until_limited(&world, "ada", "203.0.113.2").await,
        (5, 60)
    );
}

/// Wrong passwords of one account, of which each network gives two.
async fn wrong_from_everywhere(world: &World, name: &str, guesses: usize) {
    for n in 0..guesses {
        let address = format!("198.51.100.{}", n / 2);
        let answer = world.login(name, WRONG).from(&address).await;
        answer.is_problem(401, "login-rejected");
    }
}

/// How many wrong passwords of one account are looked at, and for how many seconds the next is refused.
async fn wrong_until_limited(world: &World, name: &str, address: &str) -> (usize, i64) {
    for looked_at in 0..100 {
        let answer = world.login(name, WRONG).from(address).await;
        if answer.status == 429 {
            let seconds = answer.header("retry-after").unwrap().parse().unwrap();
            return (looked_at, seconds);
        }
        answer.is_problem(401, "login-rejected");
    }
    panic!("{}: never limited", world.name);
}

/// How many were wrong, and whose, by the audit log.
async fn alarms(world: &World) -> Vec<(String, String)> {
    let events = world.get("/audit").by(&world.admin).await.json();
    let mut alarms: Vec<_> = events["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["action"] == "login.wrong-passwords")
        .map(|event| {
            (
                text(&event["details"]["wrong"]),
                text(&event["subject"]["id"]),
            )
        })
        .collect();
    alarms.reverse();
    alarms
}

async fn guess(world: &World, by: &Caller, device: &Device) -> Answer {
    world.step_up(by, &device.wrong_code(world)).await
}

/// Ten guesses, as fast as the windows allow. The next window is open when this is done.
async fn guess_ten(world: &World, by: &Caller, device: &Device) {
    for n in 0..10 {
        if n == 5 {
            world.clock.advance(60);
        }
        let answer = guess(world, by, device).await;
        answer.is_problem(400, "invalid-code");
    }
}

async fn guess_hundred(world: &World, by: &Caller, device: &Device) {
    for _ in 0..10 {
        guess_ten(world, by, device).await;
        world.clock.advance(24 * 3_600);
    }
}

fn attempts(world: &World, user: UserId) -> AttemptState {
    let state = world.store(|tx| tx.attempts(&LimitSubject::totp(user)));
    state.unwrap_or_default()
}

/// Fails unless the answer says to come back in so many seconds.
#[track_caller]
pub(crate) fn limited(answer: &Answer, seconds: i64) {
    answer.is_problem(429, "too-many-attempts");
    let seconds = seconds.to_string();
    assert_eq!(answer.header("retry-after"), Some(&*seconds), "{answer:?}");
}

const WRONG: &str = "wrong horse battery staple";
