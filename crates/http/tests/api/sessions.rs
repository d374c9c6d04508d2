//! What ends sessions, keys and logins that have begun, and what does not.

use serde_json::{Value, json};

use crate::keys::works;
use crate::limits::limited;
use crate::world::{Answer, Caller, PASSWORD, World};

#[actix_web::test]
async fn a_new_password_ends_the_other_sessions_and_no_api_key() {
    for world in World::on_every_store().await {
        let ada = world.person("ada").await;
        let (session, other) = (world.session("ada").await, world.session("ada").await);
        let eve = {
            world.person("eve").await;
            world.session("eve").await
        };
        let answer = change(&world, &session, PASSWORD, NEW).await;
        assert_eq!(answer.status, 200, "{}: {answer:?}", world.name);
        assert!(!answer.text().contains("argon2") && !answer.text().contains(NEW));
        assert!(!works(&world, &other.key).await, "{}", world.name);
        for key in [&session.key, &ada.key, &eve.key] {
            assert!(works(&world, key).await, "{}", world.name);
        }
        let answer = world.login("ada", PASSWORD).await;
        answer.is_problem(401, "login-rejected");
        world.presented(&world.login("ada", NEW).await).await;
    }
}

#[actix_web::test]
async fn a_session_that_nobody_uses_ends_within_an_hour() {
    for world in World::on_every_store().await {
        let ada = world.person("ada").await;
        for is_written in [false, true] {
            let (used, late) = (world.session("ada").await, world.session("ada").await);
            let left = world.session("ada").await;
            let works = async |session: &Caller| works(&world, &session.key).await;
            world.clock.advance(1_800);
            assert!(works(&used).await, "{}", world.name);
            if is_written {
                world.flush_last_used();
            }
            world.clock.advance(1_799);
            assert!(works(&late).await, "{}", world.name);
            world.clock.advance(1);
            assert!(!works(&left).await, "{}", world.name);
            assert!(works(&used).await && works(&late).await, "{}", world.name);
            world.clock.advance(-1_800);
            assert!(
                !works(&left).await,
                "{}: the clock was set back",
                world.name
            );
            world.clock.advance(1_800 + 3_600);
            for session in [&used, &late, &left] {
                assert!(!works(session).await, "{}", world.name);
            }
            assert!(
                works(&ada).await,
                "{}: a key that is no session",
                world.name
            );
        }
    }
}

#[actix_web::test]
async fn somebody_may_have_many_sessions_and_each_ends_by_itself() {
    for world in World::on_every_store().await {
        world.person("ada").await;
        let mut sessions = Vec::new();
        for _ in 0..30 {
            sessions.push(world.session("ada").await);
        }
        let first = sessions.remove(0);
        let answer = world.post("/auth/logout").by(&first).await;
        assert!(answer.status.is_success(), "{}: {answer:?}", world.name);
        assert!(!works(&world, &first.key).await, "{}", world.name);
        for session in &sessions {
            assert!(works(&world, &session.key).await, "{}", world.name);
        }
    }
}

#[actix_web::test]
async fn a_password_that_is_changed_with_an_api_key_ends_all_sessions() {
    for world in World::on_every_store().await {
        let ada = world.person("ada").await;
        let session = world.session("ada").await;
        assert_eq!(change(&world, &ada, PASSWORD, NEW).await.status, 200);
        assert!(!works(&world, &session.key).await, "{}", world.name);
        assert!(works(&world, &ada.key).await, "{}", world.name);
    }
}

/// CVE-2025-62425: the password could be changed without the current one.
#[actix_web::test]
async fn a_password_is_changed_with_the_current_one_only() {
    for world in World::on_every_store().await {
        let ada = world.person("ada").await;
        let session = world.session("ada").await;
        let rows = world.rows();
        for (body, field) in [
            (json!({ "password": NEW }), "current_password"),
            (json!({ "current_password": PASSWORD }), "password"),
            (
                json!({ "current_password": PASSWORD, "password": "short" }),
                "password",
            ),
            (
                json!({ "current_password": null, "password": NEW }),
                "current_password",
            ),
        ] {
            let answer = world.patch("/users/me").by(&ada).json(&body).await;
            answer.is_problem(422, "invalid");
            assert_eq!(answer.fields(), [field]);
        }
        let answer = change(&world, &ada, NEW, "whatever it may be").await;
        answer.is_problem(400, "invalid-password");
        assert_eq!(world.rows(), rows, "{}", world.name);
        assert!(works(&world, &session.key).await, "{}", world.name);
    }
}

/// CVE-2026-43914: a second place looked at passwords and did not count.
#[actix_web::test]
async fn a_wrong_current_password_counts_as_a_login_does() {
    for world in World::on_every_store().await {
        let ada = world.person("ada").await;
        for n in 0..5 {
            let answer = match n % 3 {
                0 => change(&world, &ada, NEW, NEW).await,
                1 => step_up(&world, &ada, NEW).await,
                _ => world.login("ada", NEW).await,
            };
            assert!(matches!(answer.status.as_u16(), 400 | 401), "{answer:?}");
        }
        limited(&change(&world, &ada, PASSWORD, NEW).await, 60);
        limited(&step_up(&world, &ada, PASSWORD).await, 60);
        limited(&world.login("ada", PASSWORD).await, 60);
        let answer = world.login("ada", PASSWORD).from("198.51.100.7").await;
        world.presented(&answer).await;
        world.clock.advance(60);
        assert_eq!(change(&world, &ada, PASSWORD, NEW).await.status, 200);
    }
}

/// CVE-2024-4629, CVE-2025-3230, CVE-2025-12624: who was disabled stayed in.
#[actix_web::test]
async fn who_is_disabled_or_deleted_is_out_at_once() {
    for world in World::on_every_store().await {
        for what in ["disabled", "deleted"] {
            for has_factor in [false, true] {
                let name = format!("{what}_{has_factor}");
                let person = world.person(&name).await;
                let mut sessions = vec![world.session(&name).await];
                let mut ticket = None;
                if has_factor {
                    let device = world.enrol(&person).await;
                    sessions = vec![world.session_with(&name, &device).await];
                    ticket = Some((world.ticket(&name).await, device));
                }
                let path = format!("/users/{}", person.id);
                let body = json!({ "status": "disabled" });
                let answer = match what {
                    "disabled" => world.patch(&path).by(&world.admin).json(&body).await,
                    _ => world.delete(&path).by(&world.admin).await,
                };
                assert!(answer.status.is_success());

                assert!(!works(&world, &person.key).await, "{}", world.name);
                assert!(!works(&world, &sessions[0].key).await, "{}", world.name);
                let answer = world.login(&name, PASSWORD).await;
                answer.is_problem(401, "login-rejected");
                if let Some((ticket, device)) = &ticket {
                    let answer = world.second_step(ticket, &device.code(&world)).await;
                    answer.is_problem(401, "login-rejected");
                }
                if what == "disabled" {
                    let body = json!({ "status": "active" });
                    world.patch(&path).by(&world.admin).json(&body).await;
                    assert!(works(&world, &person.key).await, "{}", world.name);
                    assert!(!works(&world, &sessions[0].key).await, "{}", world.name);
                }
            }
        }
    }
}

#[actix_web::test]
async fn who_takes_over_a_name_takes_over_nothing_else() {
    for world in World::on_every_store().await {
        let (old, device) = world.person_with_mfa("ada").await;
        let path = format!("/users/{}", old.id);
        assert_eq!(world.delete(&path).by(&world.admin).await.status, 204);
        let new = world.person("ada").await;
        let status = world.get("/auth/mfa/status").by(&new).await.json();
        assert_eq!(
            status,
            json!({ "mfa_enabled": false, "recovery_codes_left": 0 })
        );
        world.session("ada").await;
        let code = json!({ "code": device.code(&world) });
        let answer = world.mfa("disable", &new, &code).await;
        answer.is_problem(400, "invalid-code");
    }
}

#[actix_web::test]
async fn a_demotion_takes_the_scopes_of_a_session() {
    for world in World::on_every_store().await {
        world.administrator("eve").await;
        let session = world.session("eve").await;
        assert_eq!(world.get("/users").by(&session).await.status, 200);
        let path = format!("/users/{}", session.id);
        let body = json!({ "role": "normal" });
        let answer = world.patch(&path).by(&world.admin).json(&body).await;
        assert_eq!(answer.status, 200);
        let answer = world.get("/users").by(&session).await;
        answer.is_problem(403, "missing-scope");
    }
}

/// No session makes itself last.
#[actix_web::test]
async fn a_session_is_not_rotated() {
    for world in World::on_every_store().await {
        world.person("ada").await;
        let session = world.session("ada").await;
        let path = format!("/users/me/keys/{}/rotate", session.key_id);
        let body = json!({ "overlap_seconds": 0 });
        let answer = world.post(&path).by(&session).json(&body).await;
        answer.is_problem(404, "not-found");
    }
}

async fn change(world: &World, by: &Caller, current: &str, new: &str) -> Answer {
    let body = json!({ "current_password": current, "password": new });
    world.patch("/users/me").by(by).json(&body).await
}

async fn step_up(world: &World, by: &Caller, password: &str) -> Answer {
    let body: Value = json!({ "password": password });
    world.post("/auth/step-up").by(by).json(&body).await
}

const NEW: &str = "another horse battery";
