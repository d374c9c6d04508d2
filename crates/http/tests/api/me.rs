//! `/auth/me` and `/users/me`.

use serde_json::json;

use crate::world::{World, settled};

#[actix_web::test]
async fn a_key_says_whose_it_is_and_what_it_may_do() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    let answer = world.get("/auth/me").by(&ada).await;
    assert_eq!(answer.status, 200);
    insta::assert_json_snapshot!(settled(&answer.json()), @r#"
    {
      "id": "[uuid]",
      "key": {
        "expires_at": null,
        "id": "[key id]",
        "name": "main",
        "scopes": [
          "read",
          "credentials:write",
          "credentials:use",
          "credentials:access",
          "agents:write"
        ]
      },
      "kind": "human",
      "mfa_enabled": false,
      "role": "normal",
      "username": "ada"
    }
    "#);
    assert_eq!(answer.json()["id"], json!(ada.id));
    assert_eq!(answer.json()["key"]["id"], json!(ada.key_id));
}

#[actix_web::test]
async fn an_agent_is_shown_as_one() {
    let world = World::new().await;
    let agent = world.agent("agent_a_b").await;
    let me = world.get("/auth/me").by(&agent).await.json();
    assert_eq!(
        (&me["kind"], &me["role"]),
        (&json!("agent"), &json!("normal"))
    );
}

#[actix_web::test]
async fn the_profile_is_the_callers_own() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    let profile = world.get("/users/me").by(&ada).await;
    assert_eq!(profile.status, 200);
    let seen = world
        .get(&format!("/users/{}", ada.id))
        .by(&world.admin)
        .await;
    assert_eq!(profile.json(), seen.json());
}

#[actix_web::test]
async fn the_callers_names_can_be_changed_and_nothing_else() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    let mut expected = world.get("/users/me").by(&ada).await.json();

    let body = json!({ "first_name": "Ada", "last_name": "Lovelace" });
    let answer = world.patch("/users/me").by(&ada).json(&body).await;
    expected["first_name"] = json!("Ada");
    expected["last_name"] = json!("Lovelace");
    assert_eq!(
        (answer.status.as_u16(), answer.json()),
        (200, expected.clone())
    );
    let answer = world
        .patch("/users/me")
        .by(&ada)
        .json(&json!({ "last_name": "" }))
        .await;
    expected["last_name"] = json!("");
    assert_eq!(answer.json(), expected);

    let rows = world.rows();
    for (field, value) in [
        ("role", "admin"),
        ("status", "active"),
        ("username", "root"),
    ] {
        let body = json!({ "first_name": "Eve", field: value });
        let answer = world.patch("/users/me").by(&ada).json(&body).await;
        answer.is_problem(422, "invalid");
        assert_eq!(answer.errors()[0].1, format!("unknown field `{field}`"));
    }
    let body = json!({ "first_name": "x".repeat(151), "last_name": "\u{7}" });
    let answer = world.patch("/users/me").by(&ada).json(&body).await;
    assert_eq!(answer.fields(), ["first_name", "last_name"]);
    let answer = world.patch("/users/me").by(&ada).json(&json!({})).await;
    assert_eq!((answer.status.as_u16(), answer.json()), (200, expected));
    assert_eq!(world.rows(), rows);
}
