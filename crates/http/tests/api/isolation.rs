//! What belongs to somebody else is not there (Z-03): the answers are those to a random id, byte
//! for byte.

use actix_web::http::Method;
use keyward_credentials::CredentialScope;
use keyward_crypto::{ApiKey, ApiKeyKind};
use serde_json::{Value, json};

use crate::keys::{pages, works};
use crate::world::{Caller, World, id_of, unknown_id};

#[actix_web::test]
async fn the_keys_of_others_are_not_there() {
    for world in World::on_every_store().await {
        let (ada, eve) = (world.person("ada").await, world.person("eve").await);
        let random = ApiKey::generate(ApiKeyKind::User).id().to_string();
        let overlap = json!({ "overlap_seconds": 0 });
        let of_eve = format!("/users/{}/keys", eve.id);
        for (method, before, after, body, by) in [
            (Method::DELETE, "/users/me/keys", "", None, &eve),
            (
                Method::POST,
                "/users/me/keys",
                "/rotate",
                Some(&overlap),
                &eve,
            ),
            // An administrator, by the path of another user.
            (Method::DELETE, &of_eve, "", None, &world.admin),
        ] {
            let path = |id: &str| format!("{before}/{id}{after}");
            same(&world, &method, path, (&ada.key_id, &random), body, by).await;
        }
        assert!(works(&world, &ada.key).await);
        let listed = world.get("/users/me/keys").by(&eve).await;
        assert!(!listed.text().contains(&ada.key_id));
    }
}

#[actix_web::test]
async fn without_the_scope_nobody_learns_who_is_there() {
    let world = World::new().await;
    let (ada, eve) = (world.person("ada").await, world.person("eve").await);
    let random = unknown_id();
    let body = json!({ "name": "x" });
    for (method, after, body) in [
        (Method::GET, "", None),
        (Method::PATCH, "", Some(&json!({ "role": "admin" }))),
        (Method::DELETE, "", None),
        (Method::GET, "/keys", None),
        (Method::POST, "/keys", Some(&body)),
    ] {
        let path = |id: &str| format!("/users/{id}{after}");
        let answers = both(&world, &method, path, (&ada.id, &random), body, &eve).await;
        assert_eq!(answers[0].0, 403);
        assert_eq!(answers[0], answers[1]);
    }
}

#[actix_web::test]
async fn in_the_scope_of_the_owner_the_credentials_of_others_are_not_there() {
    for world in World::on_every_store_with(CredentialScope::Owner).await {
        let (ada, eve) = (world.person("ada").await, world.person("eve").await);
        let detail = json!({ "provider": "openai", "api_key": "sk-0123456789abcdef" });
        let kept = world.credential(&ada, "llm", &detail).await;
        let own = world.credential(&eve, "llm", &detail).await;
        let random = unknown_id();
        let rows = world.rows();

        let name = json!({ "name": "mine" });
        let wrong = json!({ "detail": { "nothing": "x" } });
        let all = json!({});
        let one = json!({ "field": "api_key" });
        let none = json!({ "field": "nothing" });
        for (method, after, body) in [
            (Method::GET, "", None),
            (Method::PATCH, "", Some(&name)),
            (Method::PATCH, "", Some(&wrong)),
            (Method::PATCH, "", Some(&kept)),
            (Method::DELETE, "", None),
            (Method::POST, "/access", Some(&all)),
            (Method::POST, "/access", Some(&one)),
            (Method::POST, "/access", Some(&none)),
            (Method::POST, "/test", None),
            (Method::GET, "/models", None),
        ] {
            let path = |id: &str| format!("/credentials/{id}{after}");
            same(&world, &method, path, (id_of(&kept), &random), body, &eve).await;
        }
        let mut answers = Vec::new();
        for id in [id_of(&kept), &random] {
            let body = json!({ "ids": [id_of(&own), id] });
            let answer = world
                .post("/credentials/batch-delete")
                .by(&eve)
                .json(&body)
                .await;
            answer.is_problem(404, "not-found");
            answers.push(answer.body);
        }
        assert_eq!(answers[0], answers[1]);
        assert_eq!(world.rows(), rows, "{}", world.name);

        assert_eq!(pages(&world, "/credentials", &eve, 1).await, [id_of(&own)]);
        assert_eq!(pages(&world, "/credentials", &ada, 1).await, [id_of(&kept)]);
        let both = [id_of(&kept), id_of(&own)];
        assert_eq!(pages(&world, "/credentials", &world.admin, 1).await, both);
        assert_eq!(world.secrets(&kept).await["api_key"], "sk-0123456789abcdef");
    }
}

#[actix_web::test]
async fn in_the_global_scope_everybody_shares() {
    for world in World::on_every_store().await {
        let (ada, eve) = (world.person("ada").await, world.person("eve").await);
        let detail = json!({ "provider": "openai", "api_key": "sk-0123456789abcdef" });
        let kept = world.credential(&ada, "llm", &detail).await;
        let path = format!("/credentials/{}", id_of(&kept));
        assert_eq!(world.get(&path).by(&eve).await.json(), kept);
        assert_eq!(pages(&world, "/credentials", &eve, 1).await, [id_of(&kept)]);
        let opened = world
            .post(&format!("{path}/access"))
            .by(&eve)
            .json(&json!({}))
            .await;
        assert_eq!(opened.json()["fields"]["api_key"], "sk-0123456789abcdef");
        let answer = world.post(&format!("{path}/test")).by(&eve).await;
        assert_eq!(answer.json()["ok"], true);
        let answer = world
            .patch(&path)
            .by(&eve)
            .json(&json!({ "name": "ours" }))
            .await;
        assert_eq!(answer.status, 200);
        assert_eq!(
            answer.json()["created_by_id"],
            json!(ada.id),
            "it stays whose it was"
        );
        assert_eq!(
            world.delete(&path).by(&eve).await.status,
            204,
            "{}",
            world.name
        );
    }
}

/// Fails unless both ids get the same 404.
async fn same(
    world: &World,
    method: &Method,
    path: impl Fn(&str) -> String,
    ids: (&str, &str),
    body: Option<&Value>,
    by: &Caller,
) {
    let answers = both(world, method, path, ids, body, by).await;
    assert_eq!(answers[0].0, 404, "{}: {method} {answers:?}", world.name);
    assert_eq!(answers[0], answers[1], "{}: {method}", world.name);
}

/// Status, headers without the request's id, and body of the answers for two ids.
async fn both(
    world: &World,
    method: &Method,
    path: impl Fn(&str) -> String,
    ids: (&str, &str),
    body: Option<&Value>,
    by: &Caller,
) -> Vec<(u16, Vec<String>, String)> {
    let mut answers = Vec::new();
    for id in [ids.0, ids.1] {
        let ask = world.ask(method, &path(id)).by(by);
        let answer = match body {
            Some(body) => ask.json(body).await,
            None => ask.await,
        };
        let mut headers: Vec<_> = answer
            .headers
            .iter()
            .filter(|(name, _)| *name != "x-request-id")
            .map(|(name, value)| format!("{name}: {value:?}"))
            .collect();
        headers.sort_unstable();
        answers.push((answer.status.as_u16(), headers, answer.text()));
    }
    answers
}
