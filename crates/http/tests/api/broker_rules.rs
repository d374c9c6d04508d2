//! What is kept beside the fields of a credential, for the broker.

use serde_json::{Value, json};

use crate::world::{World, id_of};

fn rules() -> Value {
    json!({
        "base_url": "https://api.example.com/v2",
        "auth": { "header": { "name": "X-Key", "field": "config.key", "prefix": "Token " } },
        "methods": ["GET", "POST"],
        "paths": ["/v2/search"],
        "max_body_bytes": 65_536,
        "requests_per_minute": 60,
    })
}

fn tool(broker: &Value) -> Value {
    let detail = json!({ "tool_type": "search", "config": { "key": "secret-0123456789" } });
    json!({ "name": "search", "credential_type": "tool", "detail": detail, "broker": broker })
}

#[actix_web::test]
async fn rules_are_shown_as_they_were_given_and_can_be_sent_back() {
    for world in World::on_every_store().await {
        for rules in [
            rules(),
            json!({}),
            Value::Null,
            json!({ "base_url": "https://a.example", "auth": { "query": { "name": "key", "field": "config.key" } } }),
            json!({ "base_url": "https://a.example", "auth": { "basic": { "username": "robot", "password_field": "config.key" } } }),
        ] {
            let made = world
                .post("/credentials")
                .by(&world.admin)
                .json(&tool(&rules))
                .await;
            assert_eq!(made.status, 201, "{}: {made:?}", world.name);
            let made = made.json();
            assert_eq!(made["broker"], rules, "{}", world.name);
            let path = format!("/credentials/{}", id_of(&made));
            let read = world.get(&path).by(&world.admin).await.json();
            let events = world.events();
            let same = world.patch(&path).by(&world.admin).json(&read).await;
            assert_eq!(same.json(), read, "{}", world.name);
            assert_eq!(
                world.events(),
                events,
                "{}: a change of nothing",
                world.name
            );
        }
    }
}

#[actix_web::test]
async fn a_change_of_rules_puts_them_in_place_of_all_or_drops_them() {
    for world in World::on_every_store().await {
        let mut given = rules();
        let made = world
            .post("/credentials")
            .by(&world.admin)
            .json(&tool(&given))
            .await
            .json();
        let path = format!("/credentials/{}", id_of(&made));
        let change = async |body: Value| {
            let changed = world.patch(&path).by(&world.admin).json(&body).await;
            assert_eq!(changed.status, 200, "{}: {changed:?}", world.name);
            let read = world.get(&path).by(&world.admin).await.json();
            assert_eq!(changed.json(), read);
            read
        };
        let kept = change(json!({ "name": "renamed" })).await;
        assert_eq!(kept["broker"], given);
        given["methods"] = json!(["GET"]);
        given.as_object_mut().unwrap().remove("paths");
        let replaced = change(json!({ "broker": given })).await;
        assert_eq!(replaced["broker"], given);
        assert_eq!(
            world.secrets(&made).await["config.key"],
            "secret-0123456789"
        );
        // Nowhere to go any more is another place too.
        let dropped = change(json!({ "broker": null })).await;
        assert_eq!(dropped["broker"], Value::Null);
        assert_eq!(dropped["detail"]["config"], json!({}));
    }
}

#[actix_web::test]
async fn a_secret_is_cleared_when_its_requests_are_to_go_to_another_host() {
    for world in World::on_every_store().await {
        for (url, stays) in [
            ("https://api.example.com/v3", true),
            ("https://API.example.com:443/v2", true),
            ("https://api.example.com:8443/v2", false),
            ("http://api.example.com/v2", false),
            ("https://evil.example/v2", false),
        ] {
            let made = world
                .post("/credentials")
                .by(&world.admin)
                .json(&tool(&rules()))
                .await
                .json();
            let mut moved = rules();
            moved["base_url"] = json!(url);
            let path = format!("/credentials/{}", id_of(&made));
            let changed = world
                .patch(&path)
                .by(&world.admin)
                .json(&json!({ "broker": moved }))
                .await;
            assert_eq!(changed.status, 200, "{url}: {changed:?}");
            let left = changed.json()["detail"]["config"]["key"]["set"] == json!(true);
            assert_eq!(left, stays, "{}: {url}", world.name);
        }
    }
}

#[actix_web::test]
async fn what_is_wrong_with_rules_is_named_and_nothing_is_kept() {
    let world = World::new().await;
    let auth = |rule: Value| json!({ "auth": rule });
    let header =
        |name: &str, field: &str| auth(json!({ "header": { "name": name, "field": field } }));
    for (broker, field) in [
        (json!({ "base_url": "ftp://a.example" }), "broker.base_url"),
        (
            json!({ "base_url": "https://u:p@a.example" }),
            "broker.base_url",
        ),
        (
            json!({ "base_url": "https://a.example/?q" }),
            "broker.base_url",
        ),
        (header("X Key", "config.key"), "broker.auth.header.name"),
        (header("Host", "config.key"), "broker.auth.header.name"),
        (
            header("content-length", "config.key"),
            "broker.auth.header.name",
        ),
        (
            header("Transfer-Encoding", "config.key"),
            "broker.auth.header.name",
        ),
        (header("X-Key", "tool_type"), "broker.auth.header.field"),
        (header("X-Key", "config"), "broker.auth.header.field"),
        (header("X-Key", "api_key"), "broker.auth.header.field"),
        (
            auth(json!({ "header": { "name": "X", "field": "config.key", "prefix": "a\r\nb" } })),
            "broker.auth.header.prefix",
        ),
        (
            auth(json!({ "query": { "name": "", "field": "config.key" } })),
            "broker.auth.query.name",
        ),
        (
            auth(json!({ "basic": { "username": "a:b", "password_field": "config.key" } })),
            "broker.auth.basic.username",
        ),
        (
            auth(json!({ "basic": { "password_field": "config.key" } })),
            "broker.auth.basic",
        ),
        (json!({ "methods": [] }), "broker.methods"),
        (json!({ "methods": ["GET", "get"] }), "broker.methods[1]"),
        (json!({ "methods": ["TRACE"] }), "broker.methods[0]"),
        (json!({ "paths": ["v1"] }), "broker.paths[0]"),
        (json!({ "paths": ["/v1", "/a/../b"] }), "broker.paths[1]"),
        (json!({ "paths": ["/a%2f"] }), "broker.paths[0]"),
        (
            json!({ "requests_per_minute": 0 }),
            "broker.requests_per_minute",
        ),
        // Those that the parser finds.
        (json!({ "hosts": [] }), "broker.hosts"),
        (json!({ "auth": { "cookie": {} } }), "broker.auth"),
        (
            json!({ "requests_per_minute": -1 }),
            "broker.requests_per_minute",
        ),
        (json!({ "max_body_bytes": "1" }), "broker.max_body_bytes"),
        (json!({ "methods": "GET" }), "broker.methods"),
        (json!("open"), "broker"),
    ] {
        let rows = world.rows();
        let refused = world
            .post("/credentials")
            .by(&world.admin)
            .json(&tool(&broker))
            .await;
        refused.is_problem(422, "invalid");
        let named = refused.errors();
        assert!(
            named.iter().any(|(name, _)| name.starts_with(field)),
            "{broker}: {named:?}"
        );
        assert_eq!(world.rows(), rows, "{broker}");
    }
    let llm = json!({
        "name": "n", "credential_type": "llm", "detail": { "provider": "openai" },
        "broker": { "base_url": "https://a.example" },
    });
    let refused = world.post("/credentials").by(&world.admin).json(&llm).await;
    assert!(
        refused.errors()[0].1.contains("detail.base_url"),
        "{refused:?}"
    );
}
