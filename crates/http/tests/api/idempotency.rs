//! `Idempotency-Key`: a repeat of a request that creates gives the first answer again.

use std::future::IntoFuture as _;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::coverage::Operation;
use crate::world::{Answer, Caller, PASSWORD, World, id_of};

#[actix_web::test]
async fn a_repeat_gets_the_first_answer_and_makes_nothing() {
    for world in World::on_every_store().await {
        for (path, body) in creations(&world).await {
            let first = ask(&world, &path, &body, &path).await;
            assert_eq!(first.status, 201, "{}: {first:?}", world.name);
            let rows = world.rows();

            world.clock.advance(86_399);
            let again = ask(&world, &path, &body, &path).await;
            let slash = ask(&world, &format!("{path}/"), &body, &path).await;

            let mut expected = first.json();
            for key in ["key", "api_key"] {
                if expected.get(key).is_some() {
                    assert!(expected[key].is_string());
                    expected[key] = Value::Null;
                }
            }
            assert_eq!(
                (again.status.as_u16(), again.json()),
                (201, expected.clone()),
                "{}",
                world.name
            );
            assert_eq!((slash.status.as_u16(), slash.json()), (201, expected));
            assert_eq!(world.rows(), rows, "{}: {path}", world.name);
        }
    }
}

/// The list above is complete.
#[actix_web::test]
async fn every_creation_can_be_repeated() {
    let world = World::new().await;
    let operations = Operation::all(&world.document().await);
    let declared = operations
        .iter()
        .filter(|operation| operation.idempotent)
        .count();
    let creating = operations
        .iter()
        .filter(|operation| operation.success == "201")
        .count();
    assert_eq!(
        (declared, creating),
        (creations(&world).await.len(), creations(&world).await.len())
    );
}

#[actix_web::test]
async fn the_same_key_with_another_request_is_a_conflict() {
    for world in World::on_every_store().await {
        for (path, body) in creations(&world).await {
            assert_eq!(ask(&world, &path, &body, &path).await.status, 201);
            let rows = world.rows();
            let mut other = body.clone();
            match other.get("overlap_seconds") {
                Some(_) => other["overlap_seconds"] = json!(61),
                None if other.get("username").is_some() => other["username"] = json!("other"),
                None => other["name"] = json!("other"),
            }
            let answer = ask(&world, &path, &other, &path).await;
            answer.is_problem(409, "idempotency-conflict");
            let elsewhere = json!({ "name": "elsewhere" });
            let answer = ask(&world, "/users/me/keys", &elsewhere, &path).await;
            answer.is_problem(409, "idempotency-conflict");
            assert_eq!(world.rows(), rows, "{}: {path}", world.name);
        }
    }
}

#[actix_web::test]
async fn after_a_day_the_key_is_free_again() {
    for world in World::on_every_store().await {
        let body = json!({ "name": "x" });
        let first = ask(&world, "/users/me/keys", &body, "k").await.json();
        world.clock.advance(86_401);
        let second = ask(&world, "/users/me/keys", &body, "k").await.json();
        assert!(second["key"].is_string(), "{}", world.name);
        assert_ne!(first["id"], second["id"]);
    }
}

#[actix_web::test]
async fn the_keys_of_different_callers_never_meet() {
    for world in World::on_every_store().await {
        let ada = world.person("ada").await;
        let body = json!({ "name": "x" });
        let first = ask(&world, "/users/me/keys", &body, "k").await.json();
        let second = by(&world, &ada, "/users/me/keys", &body, "k").await.json();
        assert!(second["key"].is_string(), "{}", world.name);
        assert_ne!(first["id"], second["id"]);
    }
}

#[actix_web::test]
async fn a_refused_request_leaves_the_key_free() {
    for world in World::on_every_store().await {
        let taken = json!({ "username": "root", "password": PASSWORD });
        let answer = ask(&world, "/users", &taken, "k").await;
        answer.is_problem(409, "username-taken");
        let free = json!({ "username": "ada", "password": PASSWORD });
        assert_eq!(
            ask(&world, "/users", &free, "k").await.status,
            201,
            "{}",
            world.name
        );
    }
}

#[actix_web::test]
async fn of_sixteen_repeats_at_once_one_creates() {
    for world in World::on_every_store().await {
        for (path, body) in creations(&world).await {
            let before = world.events();
            let answers = join_all((0..16).map(|_| ask(&world, &path, &body, &path).into_future()));
            let answers = answers.await;

            let body = |answer: &Answer| {
                assert_eq!(answer.status, 201, "{}: {answer:?}", world.name);
                let mut body = answer.json();
                let fields = body.as_object_mut().unwrap();
                let key = fields.remove("key").or_else(|| fields.remove("api_key"));
                (body, key.is_some_and(|key| key.is_string()))
            };
            let bodies: Vec<_> = answers.iter().map(body).collect();
            assert!(
                bodies.iter().all(|(body, _)| *body == bodies[0].0),
                "{bodies:?}"
            );
            let shown = bodies.iter().filter(|(_, shown)| *shown).count();
            let has_key = path.contains("keys") || path.contains("agents");
            assert_eq!(shown, usize::from(has_key), "{}: {path}", world.name);
            assert_eq!(world.events(), before + 1, "{}: {path}", world.name);
        }
    }
}

/// All routes that create, each with a valid body.
async fn creations(world: &World) -> [(String, Value); 7] {
    let admin = &world.admin;
    let body = json!({ "name": "rotated" });
    let agent = world.post("/agents").by(admin).json(&body).await.json();
    [
        (
            "/users".to_owned(),
            json!({ "username": "ada", "password": PASSWORD }),
        ),
        ("/users/me/keys".to_owned(), json!({ "name": "x" })),
        ("/agents".to_owned(), json!({ "name": "x" })),
        (
            format!("/agents/{}/rotate-key", id_of(&agent)),
            json!({ "overlap_seconds": 60 }),
        ),
        (format!("/users/{}/keys", admin.id), json!({ "name": "x" })),
        (
            "/credentials".to_owned(),
            json!({
                "name": "x",
                "credential_type": "git",
                "detail": { "provider": "github", "auth": "token", "access_token": "0123456789abcdef" },
            }),
        ),
        // Last, and with an overlap, because it is the key that asks.
        (
            format!("/users/me/keys/{}/rotate", admin.key_id),
            json!({ "overlap_seconds": 1_000_000 }),
        ),
    ]
}

fn ask(world: &World, path: &str, body: &Value, key: &str) -> crate::world::Ask {
    by(world, &world.admin, path, body, key)
}

fn by(world: &World, caller: &Caller, path: &str, body: &Value, key: &str) -> crate::world::Ask {
    world
        .post(path)
        .by(caller)
        .json(body)
        .header("Idempotency-Key", key)
}
