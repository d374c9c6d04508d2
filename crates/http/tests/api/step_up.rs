//! What a key that was stolen cannot do alone: sensitive changes need a recent second factor.

use actix_web::http::Method;
use serde_json::{Value, json};

use crate::keys::works;
use crate::world::{Answer, Caller, Device, PASSWORD, World, id_of, text};

/// Each change alone, with a key that has not shown a factor, before, within, and after its five
/// minutes.
#[actix_web::test]
async fn sensitive_changes_need_a_factor_shown_within_five_minutes() {
    for world in World::on_every_store().await {
        let eve = world.administrator("eve").await;
        let device = world.enrol(&eve).await;
        let other = world.key_of(&eve.id, &json!({ "name": "other" })).await;
        for change in CHANGES {
            let target = Target::of(&world, &eve).await;
            refused(&world, change, &target, &eve).await;
            let until = fresh(&world, &eve, &device).await;
            refused(&world, change, &target, &other).await;

            world.clock.advance(299);
            assert_eq!(until, world.now().plus(1).to_string());
            let answer = target.ask(&world, change, &eve).await;
            assert!(
                answer.status.is_success(),
                "{}: {change}: {answer:?}",
                world.name
            );

            world.clock.advance(1);
            let target = Target::of(&world, &eve).await;
            refused(&world, change, &target, &eve).await;
            world.clock.advance(-1);
            let answer = target.ask(&world, change, &eve).await;
            assert!(
                answer.status.is_success(),
                "{}: {change}: {answer:?}",
                world.name
            );
            world.clock.advance(60);
        }
    }
}

#[actix_web::test]
async fn the_password_and_the_app_are_changed_with_a_recent_factor_only() {
    for world in World::on_every_store().await {
        let (ada, device) = world.person_with_mfa("ada").await;
        let password = json!({ "current_password": PASSWORD, "password": "another horse battery" });
        let hashed = world.hashing.hashed();
        let answer = world.patch("/users/me").by(&ada).json(&password).await;
        answer.is_problem(403, "step-up-required");
        assert_eq!(world.hashing.hashed(), hashed, "no oracle for passwords");
        let answer = world.mfa("setup", &ada, &json!({})).await;
        answer.is_problem(403, "step-up-required");

        fresh(&world, &ada, &device).await;
        let new = world.pending(&ada).await;
        world.clock.advance(300);
        let code = json!({ "code": new.code(&world) });
        for _ in 0..12 {
            let answer = world.mfa("verify", &ada, &code).await;
            answer.is_problem(403, "step-up-required");
        }
        // None of that was counted as a guess.
        fresh(&world, &ada, &device).await;
        world.clock.advance(30);
        let code = json!({ "code": new.code(&world) });
        assert_eq!(world.mfa("verify", &ada, &code).await.status, 200);
        // The first code of the new app counts for five minutes, and the old app not at all.
        world.clock.advance(300);
        let answer = world.patch("/users/me").by(&ada).json(&password).await;
        answer.is_problem(403, "step-up-required");
        world.clock.advance(30);
        fresh(&world, &ada, &new).await;
        let answer = world.patch("/users/me").by(&ada).json(&password).await;
        assert_eq!(answer.status, 200, "{}: {answer:?}", world.name);
    }
}

#[actix_web::test]
async fn names_are_changed_without_a_factor() {
    let world = World::new().await;
    let (ada, _) = world.person_with_mfa("ada").await;
    let body = json!({ "first_name": "Ada" });
    let answer = world.patch("/users/me").by(&ada).json(&body).await;
    assert_eq!(answer.status, 200);
}

/// Who finds a key of theirs in the wrong hands ends it at once.
#[actix_web::test]
async fn a_key_of_ones_own_is_revoked_without_a_factor() {
    for world in World::on_every_store().await {
        let ada = world.person("ada").await;
        let lost = world.key_of(&ada.id, &json!({ "name": "lost" })).await;
        world.enrol(&ada).await;
        let path = format!("/users/me/keys/{}", lost.key_id);
        assert_eq!(world.delete(&path).by(&ada).await.status, 204);
        assert!(!works(&world, &lost.key).await, "{}", world.name);
    }
}

#[actix_web::test]
async fn people_without_a_factor_and_agents_are_not_asked() {
    for world in World::on_every_store().await {
        let eve = world.administrator("eve").await;
        for change in CHANGES {
            let target = Target::of(&world, &eve).await;
            let answer = target.ask(&world, change, &eve).await;
            assert!(
                answer.status.is_success(),
                "{}: {change}: {answer:?}",
                world.name
            );
        }
        let agent = world.agent("agent_a_b").await;
        let body = json!({ "name": "x" });
        let answer = world.post("/users/me/keys").by(&agent).json(&body).await;
        assert_eq!(answer.status, 201);
    }
}

#[actix_web::test]
async fn a_login_with_both_factors_is_a_recent_proof() {
    for world in World::on_every_store().await {
        let (_, device) = world.person_with_mfa("ada").await;
        let session = world.session_with("ada", &device).await;
        let body = json!({ "name": "x" });
        let answer = world.post("/users/me/keys").by(&session).json(&body).await;
        assert_eq!(answer.status, 201, "{}: {answer:?}", world.name);
        world.clock.advance(270);
        let answer = world.post("/users/me/keys").by(&session).json(&body).await;
        answer.is_problem(403, "step-up-required");
    }
}

/// A key made by one that has shown the factor has not shown it itself.
#[actix_web::test]
async fn a_new_key_starts_without_a_proof() {
    for world in World::on_every_store().await {
        let (ada, device) = world.person_with_mfa("ada").await;
        fresh(&world, &ada, &device).await;
        let body = json!({ "name": "x" });
        let made = world.post("/users/me/keys").by(&ada).json(&body).await;
        let path = format!("/users/me/keys/{}/rotate", ada.key_id);
        let overlap = json!({ "overlap_seconds": 600 });
        let rotated = world.post(&path).by(&ada).json(&overlap).await;
        for answer in [made, rotated] {
            assert_eq!(answer.status, 201, "{}: {answer:?}", world.name);
            let key = text(&answer.json()["key"]);
            let answer = world.post("/users/me/keys").key(&key).json(&body).await;
            answer.is_problem(403, "step-up-required");
        }
    }
}

#[actix_web::test]
async fn where_there_is_a_factor_the_password_is_no_proof() {
    for world in World::on_every_store().await {
        let ada = world.person("ada").await;
        let body = json!({ "password": PASSWORD });
        let answer = world.post("/auth/step-up").by(&ada).json(&body).await;
        assert_eq!(answer.status, 200, "{}: {answer:?}", world.name);
        assert_eq!(
            answer.json(),
            json!({ "until": world.now().plus(300).to_string() })
        );
        let wrong = json!({ "password": "wrong horse battery" });
        let answer = world.post("/auth/step-up").by(&ada).json(&wrong).await;
        answer.is_problem(400, "invalid-password");

        world.enrol(&ada).await;
        world.clock.advance(300);
        for body in [body, wrong] {
            let answer = world.post("/auth/step-up").by(&ada).json(&body).await;
            answer.is_problem(422, "invalid");
            assert_eq!(answer.fields(), ["code"]);
        }
    }
}

/// What a password proves to who has no factor is worth nothing once there is one.
#[actix_web::test]
async fn a_proof_by_password_ends_when_a_factor_is_enrolled() {
    for world in World::on_every_store().await {
        let ada = world.person("ada").await;
        let body = json!({ "password": PASSWORD });
        let answer = world.post("/auth/step-up").by(&ada).json(&body).await;
        assert_eq!(answer.status, 200);
        world.clock.advance(1);
        let elsewhere = world.key_of(&ada.id, &json!({ "name": "elsewhere" })).await;
        confirm(&world, &elsewhere).await;
        let body = json!({ "name": "x" });
        let answer = world.post("/users/me/keys").by(&ada).json(&body).await;
        answer.is_problem(403, "step-up-required");
    }
}

/// A proof by an app that was replaced or taken away counts for nothing.
#[actix_web::test]
async fn a_proof_by_an_app_ends_with_the_app() {
    for world in World::on_every_store().await {
        let (ada, device) = world.person_with_mfa("ada").await;
        let other = world.key_of(&ada.id, &json!({ "name": "other" })).await;
        fresh(&world, &other, &device).await;
        let path = format!("/users/{}/mfa/reset", ada.id);
        assert_eq!(world.post(&path).by(&world.admin).await.status, 204);
        world.clock.advance(30);
        confirm(&world, &ada).await;
        let body = json!({ "name": "x" });
        let answer = world.post("/users/me/keys").by(&other).json(&body).await;
        answer.is_problem(403, "step-up-required");
    }
}

/// What a change is made to, new each time.
struct Target {
    user: String,
    key: String,
    own: String,
    name: String,
    credential: String,
    agent: String,
}

impl Target {
    async fn of(world: &World, eve: &Caller) -> Self {
        let name = format!("t{}", world.events());
        let user = world.person(&name).await;
        let own = world.key_of(&eve.id, &json!({ "name": "own" })).await;
        let detail = json!({ "provider": "openai", "api_key": "sk-0123456789abcdef" });
        let credential = world.credential(&world.admin, "llm", &detail).await;
        Self {
            user: user.id,
            key: user.key_id,
            own: own.key_id,
            credential: id_of(&credential).to_owned(),
            agent: world.agent(&format!("of_{name}")).await.id,
            name,
        }
    }

    async fn ask(&self, world: &World, change: &str, by: &Caller) -> Answer {
        let Self {
            user,
            key,
            own,
            name,
            credential,
            agent,
        } = self;
        let (method, path, body): (Method, String, Value) = match change {
            "new key" => (
                Method::POST,
                "/users/me/keys".into(),
                json!({ "name": "x" }),
            ),
            "rotate" => (
                Method::POST,
                format!("/users/me/keys/{own}/rotate"),
                json!({ "overlap_seconds": 0 }),
            ),
            "key of another" => {
                let body = json!({ "name": "x" });
                (Method::POST, format!("/users/{user}/keys"), body)
            }
            "revoke a key of another" => {
                let path = format!("/users/{user}/keys/{key}");
                (Method::DELETE, path, Value::Null)
            }
            "create" => {
                let name = format!("{name}_new");
                let body = json!({ "username": name, "password": PASSWORD });
                (Method::POST, "/users".into(), body)
            }
            "role" => (
                Method::PATCH,
                format!("/users/{user}"),
                json!({ "role": "admin" }),
            ),
            "status" => {
                let body = json!({ "status": "disabled" });
                (Method::PATCH, format!("/users/{user}"), body)
            }
            "delete" => (Method::DELETE, format!("/users/{user}"), Value::Null),
            "unlock" => (Method::POST, format!("/users/{user}/unlock"), json!({})),
            "rotation" => {
                let body = json!({ "action": "start" });
                (Method::POST, "/encryption/rotation".into(), body)
            }
            "mfa reset" => (Method::POST, format!("/users/{user}/mfa/reset"), json!({})),
            "open a credential" => {
                let path = format!("/credentials/{credential}/access");
                (Method::POST, path, json!({}))
            }
            "another host" => {
                let body = json!({ "detail": { "base_url": "https://another.example/v1" } });
                (Method::PATCH, format!("/credentials/{credential}"), body)
            }
            "agent" => (Method::POST, "/agents".into(), json!({ "name": name })),
            "rotate the key of an agent" => {
                let body = json!({ "overlap_seconds": 0 });
                (Method::POST, format!("/agents/{agent}/rotate-key"), body)
            }
            other => panic!("{other}"),
        };
        let ask = world.ask(&method, &path).by(by);
        if body.is_null() {
            ask.await
        } else {
            ask.json(&body).await
        }
    }
}

async fn refused(world: &World, change: &str, target: &Target, by: &Caller) {
    let rows = world.rows();
    let answer = target.ask(world, change, by).await;
    assert_eq!(answer.status, 403, "{}: {change}: {answer:?}", world.name);
    assert_eq!(answer.problem(), "step-up-required", "{change}");
    assert_eq!(world.rows(), rows, "{}: {change}", world.name);
}

/// Gives somebody a second factor, and lets no time go by in which proofs would end by themselves.
async fn confirm(world: &World, by: &Caller) {
    let device = world.pending(by).await;
    let body = json!({ "code": device.code(world) });
    let answer = world.mfa("verify", by, &body).await;
    assert_eq!(answer.status, 200, "{}: {answer:?}", world.name);
}

/// Shows the factor. Until when that counts.
async fn fresh(world: &World, by: &Caller, device: &Device) -> String {
    let answer = world.step_up(by, &device.code(world)).await;
    assert_eq!(answer.status, 200, "{}: {answer:?}", world.name);
    text(&answer.json()["until"])
}

const CHANGES: [&str; 15] = [
    "new key",
    "rotate",
    "key of another",
    "revoke a key of another",
    "create",
    "role",
    "status",
    "delete",
    "unlock",
    "mfa reset",
    "rotation",
    "open a credential",
    "another host",
    "agent",
    "rotate the key of an agent",
];
