//! `/credentials`, but for the fields of each type and access to secrets.

use std::future::IntoFuture as _;

use serde_json::{Value, json};

use crate::credential_fields::{full, least};
use crate::keys::pages;
use crate::world::{World, id_of, settled, unknown_id};

#[actix_web::test]
async fn a_credential_is_shown_with_masks() {
    for world in World::on_every_store().await {
        let made = world.credential(&world.admin, "llm", &full("llm")).await;
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(settled(&made), @r#"
            {
              "broker": null,
              "created_at": "2027-01-15T08:00:00Z",
              "created_by_id": "[uuid]",
              "credential_type": "llm",
              "detail": {
                "api_key": {
                  "last4": "cdef",
                  "set": true
                },
                "base_url": "https://api.example.com/v1",
                "custom_headers": {
                  "X-Team": {
                    "last4": "abcd",
                    "set": true
                  },
                  "set": {
                    "last4": "abcd",
                    "set": true
                  }
                },
                "organization_id": "org-1",
                "provider": "openai"
              },
              "id": "[uuid]",
              "name": "kept",
              "updated_at": "2027-01-15T08:00:00Z"
            }
            "#);
        }
        assert_eq!(made["created_by_id"], json!(world.admin.id));
        let path = format!("/credentials/{}", id_of(&made));
        assert_eq!(world.get(&path).by(&world.admin).await.json(), made);
        let listed = world.get("/credentials").by(&world.admin).await.json();
        assert_eq!(listed, json!({ "items": [made], "next": null }));
        assert!(!world.rows().contains("sk-0123456789"), "{}", world.name);
    }
}

#[actix_web::test]
async fn what_is_not_set_is_shown_as_not_set() {
    let world = World::new().await;
    let unset = json!({ "set": false, "last4": null });
    for (kind, detail) in [
        (
            "llm",
            json!({ "provider": "openai", "api_key": unset, "base_url": null,
                    "organization_id": null, "custom_headers": {} }),
        ),
        (
            "git",
            json!({ "provider": "github", "auth": "ssh_key", "username": null,
                    "access_token": unset, "ssh_private_key": unset, "webhook_secret": unset }),
        ),
        (
            "gateway",
            json!({ "adapter": "slack", "token": unset, "config": {} }),
        ),
        ("tool", json!({ "tool_type": "search", "config": {} })),
        ("generic", json!({})),
    ] {
        let made = world.credential(&world.admin, kind, &least(kind)).await;
        assert_eq!(made["detail"], detail);
    }
}

#[actix_web::test]
async fn a_name_is_one_line_and_need_not_be_unique() {
    let world = World::new().await;
    let post = |name: Value| {
        let body = json!({ "name": name, "credential_type": "generic", "detail": {} });
        world
            .post("/credentials")
            .by(&world.admin)
            .json(&body)
            .into_future()
    };
    for name in ["", "  ", "a\nb", "a\0b", &"x".repeat(256)] {
        let answer = post(json!(name)).await;
        answer.is_problem(422, "invalid");
        assert_eq!(answer.fields(), ["name"], "{name:?}");
    }
    let longest = "ß".repeat(255);
    for name in ["same", " same ", &longest] {
        let answer = post(json!(name)).await;
        assert_eq!(answer.status, 201);
        assert_eq!(answer.json()["name"], name.trim());
    }
    let path = format!("/credentials/{}", id_of(&post(json!("x")).await.json()));
    let answer = world
        .patch(&path)
        .by(&world.admin)
        .json(&json!({ "name": "\n" }))
        .await;
    answer.is_problem(422, "invalid");
    let answer = world
        .patch(&path)
        .by(&world.admin)
        .json(&json!({ "name": " y " }))
        .await;
    assert_eq!(answer.json()["name"], "y");
}

#[actix_web::test]
async fn all_credentials_are_reached_page_by_page() {
    for world in World::on_every_store().await {
        let mut made = Vec::new();
        for kind in ["llm", "git", "gateway", "tool", "generic"] {
            let credential = world.credential(&world.admin, kind, &full(kind)).await;
            made.push(id_of(&credential).to_owned());
        }
        for limit in [1, 2, 4, 5, 6] {
            assert_eq!(
                pages(&world, "/credentials", &world.admin, limit).await,
                made,
                "{}",
                world.name
            );
        }
    }
}

#[actix_web::test]
async fn a_deleted_credential_is_gone() {
    for world in World::on_every_store().await {
        let made = world.credential(&world.admin, "llm", &full("llm")).await;
        let path = format!("/credentials/{}", id_of(&made));
        let answer = world.delete(&path).by(&world.admin).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (204, 0));
        let access = format!("{path}/access");
        let body = json!({});
        for answer in [
            world.get(&path).by(&world.admin).await,
            world.delete(&path).by(&world.admin).await,
            world.patch(&path).by(&world.admin).json(&made).await,
            world.post(&access).by(&world.admin).json(&body).await,
        ] {
            answer.is_problem(404, "not-found");
        }
        assert_eq!(
            world.get("/credentials").by(&world.admin).await.json()["items"],
            json!([])
        );
    }
}

#[actix_web::test]
async fn a_batch_is_deleted_whole_or_not_at_all() {
    for world in World::on_every_store().await {
        let mut ids = Vec::new();
        for _ in 0..3 {
            let made = world.credential(&world.admin, "llm", &full("llm")).await;
            ids.push(id_of(&made).to_owned());
        }
        let delete = |ids: Value| {
            let body = json!({ "ids": ids });
            let ask = world.post("/credentials/batch-delete").by(&world.admin);
            ask.json(&body).into_future()
        };
        let rows = world.rows();
        for missing in [
            json!([ids[0], ids[1], unknown_id()]),
            json!([unknown_id(), ids[2]]),
        ] {
            delete(missing).await.is_problem(404, "not-found");
        }
        let many: Vec<_> = (0..201).map(|_| unknown_id()).collect();
        for wrong in [
            json!([]),
            json!(many),
            json!(ids[0]),
            json!(["x"]),
            json!([null]),
        ] {
            delete(wrong).await.is_problem(422, "invalid");
        }
        assert_eq!(world.rows(), rows, "{}", world.name);

        let events = world.events();
        let answer = delete(json!([ids[0], ids[2], ids[0]])).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (204, 0));
        assert_eq!(
            pages(&world, "/credentials", &world.admin, 10).await,
            [&*ids[1]]
        );
        assert_eq!(world.events(), events + 2, "{}: one for each", world.name);
    }
}

#[actix_web::test]
async fn the_credentials_of_a_deleted_user_stay() {
    for world in World::on_every_store().await {
        let ada = world.person("ada").await;
        let made = world.credential(&ada, "llm", &full("llm")).await;
        let path = format!("/users/{}", ada.id);
        assert_eq!(world.delete(&path).by(&world.admin).await.status, 204);
        assert_eq!(
            world.secrets(&made).await["api_key"],
            "sk-0123456789abcdef",
            "{}",
            world.name
        );
    }
}

/// Whatever is stored in between, a reader sees one state or the other.
#[actix_web::test]
async fn of_many_changes_at_once_none_is_lost_or_half_done() {
    for world in World::on_every_store().await {
        let made = world.credential(&world.admin, "generic", &json!({})).await;
        let path = format!("/credentials/{}", id_of(&made));
        let changes = (0..8).map(|n| {
            let body = json!({ "detail": { format!("f{n}"): format!("value-{n}") } });
            world
                .patch(&path)
                .by(&world.admin)
                .json(&body)
                .into_future()
        });
        let answers = futures_util::future::join_all(changes).await;
        let secrets = world.secrets(&made).await;
        let mut done = 0;
        for (n, answer) in answers.iter().enumerate() {
            let name = format!("f{n}");
            match answer.status.as_u16() {
                200 => assert_eq!(secrets[&name], format!("value-{n}"), "{}", world.name),
                409 => {
                    answer.is_problem(409, "busy");
                    assert!(secrets.get(&name).is_none(), "{}", world.name);
                }
                _ => panic!("{}: {answer:?}", world.name),
            }
            done += usize::from(answer.status == 200);
        }
        assert!(done > 0, "{}", world.name);
        assert_eq!(secrets.as_object().unwrap().len(), done, "{}", world.name);
    }
}
