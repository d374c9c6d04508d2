//! `/users`.

use std::future::IntoFuture as _;

use serde_json::json;

use crate::keys::{pages, works};
use crate::world::{PASSWORD, World, id_of, settled, unknown_id};

#[actix_web::test]
async fn a_person_is_made_and_shown_without_the_password() {
    for world in World::on_every_store().await {
        let body = json!({
            "username": "Ada", "password": PASSWORD, "first_name": " Ada ", "last_name": "Lovelace",
        });
        let made = world.post("/users").by(&world.admin).json(&body).await;
        assert_eq!(made.status, 201);
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(settled(&made.json()), @r#"
            {
              "created_at": "2027-01-15T08:00:00Z",
              "first_name": "Ada",
              "id": "[uuid]",
              "kind": "human",
              "last_name": "Lovelace",
              "mfa_enabled": false,
              "role": "normal",
              "status": "active",
              "username": "ada"
            }
            "#);
        }
        let path = format!("/users/{}", id_of(&made.json()));
        let shown = world.get(&path).by(&world.admin).await;
        assert_eq!(shown.json(), made.json());
        assert!(!shown.text().contains("argon2"));
        assert!(!world.rows().contains(PASSWORD));
    }
}

#[actix_web::test]
async fn another_spelling_of_a_taken_name_is_taken() {
    for world in World::on_every_store().await {
        world.person("strasse").await;
        let users = world.get("/users").by(&world.admin).await.json();
        for spelling in [
            "strasse",
            "STRASSE",
            "Stra\u{df}e",
            "ｓｔｒａｓｓｅ",
            "strasſe",
        ] {
            let body = json!({ "username": spelling, "password": PASSWORD });
            let answer = world.post("/users").by(&world.admin).json(&body).await;
            answer.is_problem(409, "username-taken");
        }
        assert_eq!(
            world.get("/users").by(&world.admin).await.json(),
            users,
            "{}",
            world.name
        );
    }
}

#[actix_web::test]
async fn all_wrong_fields_are_named_at_once() {
    let world = World::new().await;
    let rows = world.rows();
    let long = "x".repeat(151);
    let body = json!({ "username": "аdmin", "password": "short", "first_name": long, "last_name": "a\nb" });
    let answer = world.post("/users").by(&world.admin).json(&body).await;
    answer.is_problem(422, "invalid");
    assert_eq!(
        answer.fields(),
        ["username", "password", "first_name", "last_name"]
    );
    for (body, field) in [
        (json!({ "username": "", "password": PASSWORD }), "username"),
        (
            json!({ "username": "a b", "password": PASSWORD }),
            "username",
        ),
        (
            json!({ "username": "x", "password": "y".repeat(1_025) }),
            "password",
        ),
        (
            json!({ "username": "x", "password": PASSWORD, "role": "Admin" }),
            "role",
        ),
        (
            json!({ "username": "x", "password": PASSWORD, "role": null }),
            "role",
        ),
    ] {
        let answer = world.post("/users").by(&world.admin).json(&body).await;
        answer.is_problem(422, "invalid");
        assert_eq!(answer.fields(), [field]);
    }
    assert_eq!(world.rows(), rows);
}

#[actix_web::test]
async fn the_limits_of_a_password_are_in_bytes_and_included() {
    let world = World::new().await;
    for (name, password) in [
        ("a", "twelve bytes".to_owned()),
        ("b", "twelve bytes and ".repeat(61)[..1_024].to_owned()),
        ("c", "ßüöäéè".to_owned()),
    ] {
        let body = json!({ "username": name, "password": password });
        let answer = world.post("/users").by(&world.admin).json(&body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
    }
}

#[actix_web::test]
async fn a_change_changes_what_it_names() {
    for world in World::on_every_store().await {
        let ada = world.person("ada").await;
        let path = format!("/users/{}", ada.id);
        let before = world.get(&path).by(&world.admin).await.json();
        for (body, field) in [
            (json!({ "first_name": "Augusta" }), "first_name"),
            (json!({ "last_name": "King" }), "last_name"),
            (json!({ "role": "admin" }), "role"),
            (json!({ "status": "disabled" }), "status"),
        ] {
            let answer = world.patch(&path).by(&world.admin).json(&body).await;
            assert_eq!(answer.status, 200);
            let mut expected = before.clone();
            expected[field] = body[field].clone();
            assert_eq!(answer.json(), expected, "{}", world.name);
            let back = json!({ field: before[field] });
            let answer = world.patch(&path).by(&world.admin).json(&back).await;
            assert_eq!(answer.json(), before, "{}", world.name);
        }
        let rows = world.rows();
        for same in [json!({}), json!({ "role": "normal", "status": "active" })] {
            let answer = world.patch(&path).by(&world.admin).json(&same).await;
            assert_eq!(
                (answer.status.as_u16(), answer.json()),
                (200, before.clone())
            );
        }
        assert_eq!(world.rows(), rows, "a change of nothing was recorded");
    }
}

#[actix_web::test]
async fn a_disabled_users_keys_fail_at_once_and_work_again_when_enabled() {
    for world in World::on_every_store().await {
        let ada = world.person("ada").await;
        let path = format!("/users/{}", ada.id);
        for (status, opens) in [("disabled", false), ("active", true)] {
            let body = json!({ "status": status });
            assert_eq!(
                world.patch(&path).by(&world.admin).json(&body).await.status,
                200
            );
            assert_eq!(
                works(&world, &ada.key).await,
                opens,
                "{}: {status}",
                world.name
            );
        }
    }
}

#[actix_web::test]
async fn a_demoted_administrators_key_loses_its_scopes_at_once() {
    let world = World::new().await;
    let eve = world.administrator("eve").await;
    assert_eq!(world.get("/users").by(&eve).await.status, 200);
    let path = format!("/users/{}", eve.id);
    let body = json!({ "role": "normal" });
    assert_eq!(
        world.patch(&path).by(&world.admin).json(&body).await.status,
        200
    );
    world
        .get("/users")
        .by(&eve)
        .await
        .is_problem(403, "missing-scope");
    assert_eq!(world.get("/users/me").by(&eve).await.status, 200);
}

#[actix_web::test]
async fn a_deleted_user_is_gone_and_the_name_is_free() {
    for world in World::on_every_store().await {
        let ada = world.person("ada").await;
        let path = format!("/users/{}", ada.id);
        let answer = world.delete(&path).by(&world.admin).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (204, 0));

        assert!(!works(&world, &ada.key).await, "{}", world.name);
        world
            .get(&path)
            .by(&world.admin)
            .await
            .is_problem(404, "not-found");
        world
            .delete(&path)
            .by(&world.admin)
            .await
            .is_problem(404, "not-found");
        let body = json!({ "status": "active" });
        let answer = world.patch(&path).by(&world.admin).json(&body).await;
        answer.is_problem(404, "not-found");
        let listed = world.get("/users").by(&world.admin).await;
        assert!(!listed.text().contains(&ada.id));

        let again = world.person("ada").await;
        assert_ne!(again.id, ada.id);
        assert!(!works(&world, &ada.key).await, "{}", world.name);
    }
}

#[actix_web::test]
async fn the_last_active_administrator_stays() {
    for world in World::on_every_store().await {
        let path = format!("/users/{}", world.admin.id);
        let disabled = world.administrator("off").await;
        let body = json!({ "status": "disabled" });
        let off = format!("/users/{}", disabled.id);
        assert_eq!(
            world.patch(&off).by(&world.admin).json(&body).await.status,
            200
        );

        let rows = world.rows();
        for body in [json!({ "role": "normal" }), json!({ "status": "disabled" })] {
            let answer = world.patch(&path).by(&world.admin).json(&body).await;
            answer.is_problem(409, "last-admin");
        }
        let answer = world.delete(&path).by(&world.admin).await;
        answer.is_problem(409, "last-admin");
        assert_eq!(world.rows(), rows, "{}", world.name);

        world.administrator("eve").await;
        let answer = world
            .patch(&path)
            .by(&world.admin)
            .json(&json!({ "role": "normal" }))
            .await;
        assert_eq!(
            answer.status, 200,
            "{}: with another one it goes",
            world.name
        );
    }
}

#[actix_web::test]
async fn of_two_administrators_who_remove_each_other_one_stays() {
    for world in World::on_every_store().await {
        for round in 0..8 {
            let eve = world.administrator(&format!("eve{round}")).await;
            let root = format!("/users/{}", world.admin.id);
            let other = format!("/users/{}", eve.id);
            let body = json!({ "role": "normal" });
            let (first, second) = futures_util::future::join(
                world.patch(&root).by(&eve).json(&body).into_future(),
                world
                    .patch(&other)
                    .by(&world.admin)
                    .json(&body)
                    .into_future(),
            )
            .await;
            let mut statuses = [first.status.as_u16(), second.status.as_u16()];
            statuses.sort_unstable();
            assert_eq!(statuses[0], 200, "{}: {first:?} {second:?}", world.name);
            assert!(
                matches!(statuses[1], 403 | 409),
                "{}: {first:?} {second:?}",
                world.name
            );
            // Back to the beginning, by whoever is left.
            if first.status == 200 {
                let body = json!({ "role": "admin" });
                assert_eq!(world.patch(&root).by(&eve).json(&body).await.status, 200);
                let body = json!({ "role": "normal" });
                assert_eq!(
                    world
                        .patch(&other)
                        .by(&world.admin)
                        .json(&body)
                        .await
                        .status,
                    200
                );
            }
        }
    }
}

#[actix_web::test]
async fn an_agent_is_never_an_administrator() {
    let world = World::new().await;
    let agent = world.agent("agent_a_b").await;
    let path = format!("/users/{}", agent.id);
    let answer = world
        .patch(&path)
        .by(&world.admin)
        .json(&json!({ "role": "admin" }))
        .await;
    answer.is_problem(422, "invalid");
    assert_eq!(answer.fields(), ["role"]);
}

#[actix_web::test]
async fn all_users_are_reached_page_by_page() {
    for world in World::on_every_store().await {
        let mut made = vec![world.admin.id.clone()];
        for n in 0..5 {
            made.push(world.person(&format!("p{n}")).await.id);
        }
        for limit in [1, 2, 3, 6, 200] {
            assert_eq!(
                pages(&world, "/users", &world.admin, limit).await,
                made,
                "{}",
                world.name
            );
        }
    }
}

#[actix_web::test]
async fn nobody_is_404() {
    let world = World::new().await;
    let path = format!("/users/{}", unknown_id());
    world
        .get(&path)
        .by(&world.admin)
        .await
        .is_problem(404, "not-found");
    world
        .delete(&path)
        .by(&world.admin)
        .await
        .is_problem(404, "not-found");
    let answer = world
        .patch(&path)
        .by(&world.admin)
        .json(&json!({ "role": "admin" }))
        .await;
    answer.is_problem(404, "not-found");
}
