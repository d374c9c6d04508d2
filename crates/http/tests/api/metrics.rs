//! What is counted is for administrators.

use serde_json::json;

use crate::world::World;

/// What the application of the tests shows.
pub(crate) const SHOWN: &str = "keyward_things_total 7\n";

#[actix_web::test]
async fn metrics_are_shown_to_keys_of_administrators() {
    let world = World::new().await;
    let answer = world.get("//metrics").by(&world.admin).await;
    assert_eq!(
        (answer.status.as_u16(), answer.text().as_str()),
        (200, SHOWN)
    );
    let kind = answer.header("content-type");
    assert_eq!(kind, Some("text/plain; version=0.0.4; charset=utf-8"));
}

#[actix_web::test]
async fn metrics_are_shown_to_nobody_else() {
    let world = World::new().await;
    world
        .get("//metrics")
        .await
        .is_problem(401, "unauthenticated");
    let wrong = world.get("//metrics").key("kw_user_wrong").await;
    wrong.is_problem(401, "unauthenticated");
    let reader = json!({ "name": "reader", "scopes": ["read", "audit:read"] });
    let reader = world.key_of(&world.admin.id, &reader).await;
    let refused = world.get("//metrics").by(&reader).await;
    refused.is_problem(403, "missing-scope");
    let person = world.person("ada").await;
    let refused = world.get("//metrics").by(&person).await;
    refused.is_problem(403, "missing-scope");
    assert!(!refused.text().contains(SHOWN));
}
