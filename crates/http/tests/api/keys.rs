//! `/users/me/keys` and `/users/{id}/keys`.

use serde_json::{Value, json};

use crate::world::{Caller, World, id_of, settled};

#[actix_web::test]
async fn a_key_is_shown_once() {
    for world in World::on_every_store().await {
        let ada = world.person("ada").await;
        let body =
            json!({ "name": "laptop", "scopes": ["read"], "expires_at": "2027-02-01T00:00:00Z" });
        let made = world.post("/users/me/keys").by(&ada).json(&body).await;
        assert_eq!(made.status, 201);
        assert_eq!(made.header("cache-control"), Some("no-store"));
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(settled(&made.json()), @r#"
            {
              "created_at": "2027-01-15T08:00:00Z",
              "expires_at": "2027-02-01T00:00:00Z",
              "id": "[key id]",
              "key": "[user key]",
              "kind": "user",
              "last_used_at": null,
              "name": "laptop",
              "revoked_at": null,
              "scopes": [
                "read"
              ]
            }
            "#);
        }

        let key = made.json()["key"].as_str().unwrap().to_owned();
        let secret = &key[key.len() - 49..];
        let listed = world.get("/users/me/keys").by(&ada).await;
        assert!(!listed.text().contains(secret));
        let mut shown = made.json();
        shown.as_object_mut().unwrap().remove("key");
        assert!(listed.json()["items"].as_array().unwrap().contains(&shown));
        assert!(!world.rows().contains(secret), "{}", world.name);
        assert_eq!(world.get("/auth/me").key(&key).await.status, 200);
    }
}

#[actix_web::test]
async fn what_is_not_given_is_that_of_the_asking_key() {
    let world = World::new().await;
    let expires_at = "2027-01-20T00:00:00Z";
    let body = json!({ "name": "narrow", "scopes": ["read", "credentials:use"], "expires_at": expires_at });
    let narrow = world.key_of(&world.admin.id, &body).await;
    let made = world
        .post("/users/me/keys")
        .by(&narrow)
        .json(&json!({ "name": "x" }))
        .await;
    assert_eq!(made.status, 201);
    assert_eq!(made.json()["scopes"], json!(["read", "credentials:use"]));
    assert_eq!(made.json()["expires_at"], expires_at);
}

#[actix_web::test]
async fn a_key_never_makes_a_stronger_key() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    let expires_at = "2027-01-20T00:00:00Z";
    let body =
        json!({ "name": "narrow", "scopes": ["read", "users:write"], "expires_at": expires_at });
    let narrow = world.key_of(&world.admin.id, &body).await;
    let rows = world.rows();
    let of_ada = format!("/users/{}/keys", ada.id);
    for (path, body) in [
        (
            "/users/me/keys",
            json!({ "name": "x", "scopes": ["admin"] }),
        ),
        (
            "/users/me/keys",
            json!({ "name": "x", "scopes": ["read", "audit:read"] }),
        ),
        (
            "/users/me/keys",
            json!({ "name": "x", "expires_at": "2027-01-20T00:00:01Z" }),
        ),
        (
            &of_ada,
            json!({ "name": "x", "scopes": ["credentials:write"] }),
        ),
        // The asking key has it, but the role of the owner has not.
        (&of_ada, json!({ "name": "x", "scopes": ["users:write"] })),
        (
            &of_ada,
            json!({ "name": "x", "expires_at": "2030-01-01T00:00:00Z" }),
        ),
    ] {
        let answer = world.post(path).by(&narrow).json(&body).await;
        answer.is_problem(403, "key-too-strong");
    }
    for (body, field) in [
        (
            json!({ "name": "x", "expires_at": "2027-01-15T08:00:00Z" }),
            "expires_at",
        ),
        (
            json!({ "name": "x", "expires_at": "2020-01-01T00:00:00Z" }),
            "expires_at",
        ),
        (json!({ "name": "x".repeat(101) }), "name"),
        (json!({ "name": "" }), "name"),
    ] {
        let answer = world.post("/users/me/keys").by(&narrow).json(&body).await;
        answer.is_problem(422, "invalid");
        assert_eq!(answer.fields(), [field]);
    }
    assert_eq!(world.rows(), rows);
}

#[actix_web::test]
async fn a_stronger_key_cannot_be_had_by_rotating_one() {
    let world = World::new().await;
    let narrow = world.admin_with(&["read"]).await;
    let path = rotation(&world.admin);
    let rows = world.rows();
    let answer = world
        .post(&path)
        .by(&narrow)
        .json(&json!({ "overlap_seconds": 0 }))
        .await;
    answer.is_problem(403, "key-too-strong");
    assert_eq!(world.rows(), rows);
}

/// Neither may a key that ends soon turn one that never ends into another one that never ends.
#[actix_web::test]
async fn a_longer_life_cannot_be_had_by_rotating_a_key() {
    let world = World::new().await;
    let expires_at = "2027-01-20T00:00:00Z";
    let short = json!({ "name": "short", "expires_at": expires_at });
    let short = world.key_of(&world.admin.id, &short).await;
    let lasting = world
        .key_of(&world.admin.id, &json!({ "name": "lasting" }))
        .await;
    let body = json!({ "overlap_seconds": 0 });
    let answer = world.post(&rotation(&lasting)).by(&short).json(&body).await;
    assert!(
        answer.status == 403 || answer.json()["expires_at"] == expires_at,
        "{answer:?}"
    );
}

#[actix_web::test]
async fn rotation_without_overlap_ends_the_old_key_at_once() {
    for world in World::on_every_store().await {
        let ada = world.person("ada").await;
        let new = rotated(&world, &ada, 0).await;
        assert!(!works(&world, &ada.key).await, "{}", world.name);
        assert!(works(&world, &new).await, "{}", world.name);
    }
}

#[actix_web::test]
async fn rotation_with_overlap_keeps_the_old_key_for_so_long() {
    for world in World::on_every_store().await {
        let ada = world.person("ada").await;
        let new = rotated(&world, &ada, 60).await;
        world.clock.advance(59);
        assert!(works(&world, &ada.key).await, "{}", world.name);
        world.clock.advance(1);
        assert!(!works(&world, &ada.key).await, "{}", world.name);
        assert!(works(&world, &new).await, "{}", world.name);
        world.clock.advance(10_000_000);
        assert!(works(&world, &new).await, "{}", world.name);
    }
}

#[actix_web::test]
async fn an_overlap_does_not_outlast_the_old_keys_own_end() {
    let world = World::new().await;
    let body = json!({ "name": "short", "expires_at": world.now().plus(30).to_string() });
    let short = world.key_of(&world.admin.id, &body).await;
    let new = rotated(&world, &short, u32::MAX).await;
    world.clock.advance(29);
    assert!(works(&world, &short.key).await);
    world.clock.advance(1);
    assert!(!works(&world, &short.key).await);
    assert!(
        !works(&world, &new).await,
        "the new key ends when the old one would have"
    );
}

#[actix_web::test]
async fn a_rotated_key_has_the_name_scopes_and_end_of_the_old_one() {
    let world = World::new().await;
    let body = json!({ "name": "ci", "scopes": ["read"], "expires_at": "2027-03-01T00:00:00Z" });
    let old = world.key_of(&world.admin.id, &body).await;
    let answer = world
        .post(&rotation(&old))
        .by(&old)
        .json(&json!({ "overlap_seconds": 5 }))
        .await;
    assert_eq!(answer.status, 201);
    let new = answer.json();
    assert_eq!(new["name"], "ci");
    assert_eq!(new["scopes"], json!(["read"]));
    assert_eq!(new["expires_at"], "2027-03-01T00:00:00Z");
    assert_ne!(new["id"], json!(old.key_id));
}

#[actix_web::test]
async fn an_ended_key_cannot_be_rotated_or_revoked_again() {
    let world = World::new().await;
    let key = world.admin_with(&["read"]).await;
    let revoke = format!("/users/me/keys/{}", key.key_id);
    assert_eq!(world.delete(&revoke).by(&world.admin).await.status, 204);
    let rows = world.rows();
    let body = json!({ "overlap_seconds": 60 });
    world
        .delete(&revoke)
        .by(&world.admin)
        .await
        .is_problem(404, "not-found");
    let answer = world
        .post(&rotation(&key))
        .by(&world.admin)
        .json(&body)
        .await;
    answer.is_problem(404, "not-found");
    assert_eq!(world.rows(), rows);
}

#[actix_web::test]
async fn a_revoked_key_fails_on_the_next_request() {
    for world in World::on_every_store().await {
        let ada = world.person("ada").await;
        let path = format!("/users/me/keys/{}", ada.key_id);
        let answer = world.delete(&path).by(&ada).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (204, 0));
        assert!(!works(&world, &ada.key).await, "{}", world.name);

        let path = format!("/users/{}/keys", ada.id);
        let listed = world.get(&path).by(&world.admin).await.json();
        assert_eq!(listed["items"][0]["revoked_at"], "2027-01-15T08:00:00Z");
    }
}

#[actix_web::test]
async fn all_keys_are_reached_page_by_page() {
    for world in World::on_every_store().await {
        let ada = world.person("ada").await;
        let mut made = vec![ada.key_id.clone()];
        for n in 0..5 {
            // Some within one second, so that the id has to decide.
            world.clock.advance(n % 2);
            made.push(
                world
                    .key_of(&ada.id, &json!({ "name": "more" }))
                    .await
                    .key_id,
            );
        }
        made.sort_unstable();
        for limit in [1, 2, 3, 6, 7] {
            let mut seen = pages(&world, "/users/me/keys", &ada, limit).await;
            let own: Vec<_> = seen.clone();
            assert_eq!(
                pages(
                    &world,
                    &format!("/users/{}/keys", ada.id),
                    &world.admin,
                    limit
                )
                .await,
                own
            );
            seen.sort_unstable();
            assert_eq!(seen, made, "{}: pages of {limit}", world.name);
        }
    }
}

#[actix_web::test]
async fn the_last_use_is_shown_to_the_minute() {
    for world in World::on_every_store().await {
        let ada = world.person("ada").await;
        world.clock.advance(90);
        assert!(works(&world, &ada.key).await);
        world.flush_last_used();
        let keys = world.get("/users/me/keys").by(&ada).await.json();
        assert_eq!(
            keys["items"][0]["last_used_at"], "2027-01-15T08:01:00Z",
            "{}",
            world.name
        );
    }
}

#[actix_web::test]
async fn keys_of_nobody_are_not_found() {
    let world = World::new().await;
    let gone = world.person("gone").await;
    let path = format!("/users/{}", gone.id);
    assert_eq!(world.delete(&path).by(&world.admin).await.status, 204);
    for user in [crate::world::unknown_id(), gone.id] {
        let path = format!("/users/{user}/keys");
        world
            .get(&path)
            .by(&world.admin)
            .await
            .is_problem(404, "not-found");
        let answer = world
            .post(&path)
            .by(&world.admin)
            .json(&json!({ "name": "x" }))
            .await;
        answer.is_problem(404, "not-found");
    }
}

#[actix_web::test]
async fn the_keys_of_agents_are_of_their_own_kind() {
    let world = World::new().await;
    let agent = world.agent("agent_flow_node").await;
    assert!(agent.key.starts_with("kw_agent_"));
    let made = world
        .post("/users/me/keys")
        .by(&agent)
        .json(&json!({ "name": "x" }))
        .await;
    assert_eq!(made.json()["kind"], "agent");
    assert!(
        made.json()["key"]
            .as_str()
            .unwrap()
            .starts_with("kw_agent_")
    );
}

pub(crate) async fn works(world: &World, key: &str) -> bool {
    let answer = world.get("/auth/me").key(key).await;
    match answer.status.as_u16() {
        200 => true,
        401 => false,
        _ => panic!("{answer:?}"),
    }
}

/// The ids of all items of a list, fetched in pages of `limit`. Checks that each page but the last
/// is full, and that `next` ends.
pub(crate) async fn pages(world: &World, path: &str, by: &Caller, limit: usize) -> Vec<String> {
    let mut ids = Vec::new();
    let mut cursor = String::new();
    loop {
        let answer = world
            .get(&format!("{path}?limit={limit}{cursor}"))
            .by(by)
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let body = answer.json();
        let items = body["items"].as_array().unwrap();
        let id = |item: &Value| match item.get("seq") {
            Some(seq) => seq.to_string(),
            None => id_of(item).to_owned(),
        };
        ids.extend(items.iter().map(id));
        match &body["next"] {
            Value::Null => {
                assert!(items.len() <= limit);
                return ids;
            }
            Value::String(next) => {
                assert_eq!(items.len(), limit, "a page before the last is full");
                cursor = format!("&cursor={next}");
            }
            other => panic!("`next` is {other}"),
        }
        assert!(ids.len() < 1_000, "the pages do not end");
    }
}

fn rotation(of: &Caller) -> String {
    format!("/users/me/keys/{}/rotate", of.key_id)
}

async fn rotated(world: &World, caller: &Caller, overlap_seconds: u32) -> String {
    let body = json!({ "overlap_seconds": overlap_seconds });
    let answer = world.post(&rotation(caller)).by(caller).json(&body).await;
    assert_eq!(answer.status, 201, "{}: {answer:?}", world.name);
    answer.json()["key"].as_str().unwrap().to_owned()
}
