//! `/audit`.

use serde_json::json;

use crate::keys::pages;
use crate::world::{World, id_of, settled};

#[actix_web::test]
async fn every_change_is_there_with_who_and_what_newest_first() {
    for world in World::on_every_store().await {
        let ada = world.person("ada").await;
        let detail = json!({ "provider": "openai", "api_key": "sk-very-secret-text" });
        let made = world
            .post("/credentials")
            .by(&ada)
            .header("X-Request-Id", "req-1")
            .json(&json!({ "name": "x", "credential_type": "llm", "detail": detail }))
            .await
            .json();
        let answer = world.get("/audit?limit=1").by(&world.admin).await;
        assert_eq!(answer.status, 200);
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(settled(&answer.json()), @r#"
            {
              "items": [
                {
                  "action": "credential.create",
                  "actor": {
                    "id": "[uuid]",
                    "key_id": "[key id]",
                    "kind": "human"
                  },
                  "at": "2027-01-15T08:00:00Z",
                  "details": {
                    "secrets": "api_key",
                    "type": "llm"
                  },
                  "request_id": "req-1",
                  "seq": 5,
                  "subject": {
                    "id": "[uuid]",
                    "kind": "credential"
                  }
                }
              ],
              "next": "5"
            }
            "#);
        }
        let event = &answer.json()["items"][0];
        assert_eq!(event["actor"]["id"], json!(ada.id));
        assert_eq!(event["actor"]["key_id"], json!(ada.key_id));
        assert_eq!(event["subject"]["id"], made["id"]);

        let path = format!("/credentials/{}", id_of(&made));
        world
            .post(&format!("{path}/access"))
            .by(&ada)
            .json(&json!({}))
            .await;
        world
            .patch(&path)
            .by(&ada)
            .json(&json!({ "detail": { "api_key": null } }))
            .await;
        world.delete(&path).by(&ada).await;
        world
            .delete(&format!("/users/me/keys/{}", ada.key_id))
            .by(&ada)
            .await;
        world
            .delete(&format!("/users/{}", ada.id))
            .by(&world.admin)
            .await;
        let all = world.get("/audit").by(&world.admin).await;
        let actions: Vec<_> = all.json()["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| event["action"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(
            actions,
            [
                "user.delete",
                "api_key.revoke",
                "credential.delete",
                "credential.change",
                "credential.access",
                "credential.create",
                "api_key.create",
                "user.create",
                "api_key.create",
                "user.create",
            ],
            "{}",
            world.name
        );
        assert!(!all.text().contains("sk-very-secret"));
    }
}

#[actix_web::test]
async fn all_events_are_reached_page_by_page() {
    for world in World::on_every_store().await {
        world.person("ada").await;
        let expected: Vec<_> = (1..=4).rev().map(|seq: i32| seq.to_string()).collect();
        for limit in [1, 2, 3, 4, 5] {
            assert_eq!(pages(&world, "/audit", &world.admin, limit).await, expected);
        }
        let past = world.get("/audit?cursor=1").by(&world.admin).await.json();
        assert_eq!(past, json!({ "items": [], "next": null }));
    }
}

#[actix_web::test]
async fn reading_and_being_refused_leave_no_event() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    let rows = world.rows();
    world.get("/audit").by(&world.admin).await;
    world
        .get("/audit")
        .by(&ada)
        .await
        .is_problem(403, "missing-scope");
    world.get("/credentials").by(&ada).await;
    world
        .post("/users")
        .by(&ada)
        .json(&json!({}))
        .await
        .is_problem(403, "missing-scope");
    assert_eq!(world.rows(), rows);
}

/// A row that somebody broke in the database is still listed.
#[actix_web::test]
async fn a_broken_event_does_not_hide_the_others() {
    let world = World::new().await;
    let memory = world.memory.as_ref().unwrap();
    memory.tamper(|rows| rows.edit_audit_event(1, |event| event.details = "{".to_owned()));
    let events = world.get("/audit").by(&world.admin).await.json();
    assert_eq!(events["items"].as_array().unwrap().len(), 2);
    assert_eq!(events["items"][1]["details"], json!({}));
}
