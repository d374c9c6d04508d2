//! `/credentials/{id}/test` and `/credentials/{id}/models`.

use std::future::IntoFuture as _;
use std::sync::Arc;

use actix_web::App;
use actix_web::middleware::from_fn;
use futures_util::future::join_all;
use keyward_auth::LastUsed;
use keyward_core::{ManualClock, Store as _};
use keyward_credentials::{CallError, CredentialScope, Model, Tested};
use keyward_encryption::keep;
use keyward_http::{Api, ApiOptions, Services, edge};
use keyward_store_testing::MemoryStore;
use serde_json::{Value, json};

use crate::world::{Ask, NOW, Outcome, World, environment, handle, id_of, unknown_id};

#[actix_web::test]
async fn a_credential_that_its_service_takes_is_ok() {
    let (world, id) = with_openai().await;
    let answer = world.post(&test(&id)).by(&world.admin).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json(), json!({ "ok": true, "error": null }));
}

#[actix_web::test]
async fn what_is_wrong_at_the_service_is_the_outcome_of_a_test() {
    let (world, id) = with_openai().await;
    let cases: [(Outcome<Tested>, &str); 8] = [
        (|| Ok(Tested::Not("status 401")), "status 401"),
        (|| Ok(Tested::Not("status 503")), "status 503"),
        (|| Ok(Tested::Not("redirect")), "redirect"),
        (|| Err(CallError::Unreachable), "unreachable"),
        (|| Err(CallError::TimedOut), "timeout"),
        (|| Err(CallError::BadAnswer), "bad answer"),
        (
            || Err(CallError::ForbiddenAddress("it is private")),
            "refused address",
        ),
        (|| Err(CallError::UnusableSecret), "unusable secret"),
    ];
    for (tested, expected) in cases {
        world.elsewhere.tests_as(tested);
        let answer = world.post(&test(&id)).by(&world.admin).await;
        assert_eq!(answer.status, 200, "{expected}");
        assert_eq!(answer.json(), json!({ "ok": false, "error": expected }));
    }
}

#[actix_web::test]
async fn what_is_wrong_with_keyward_is_no_outcome_of_a_test() {
    let (world, id) = with_openai().await;
    let cases: [(Outcome<Tested>, u16, &str); 2] = [
        (|| Err(CallError::Overloaded), 503, "overloaded"),
        (|| Err(CallError::NotReady), 503, "unavailable"),
    ];
    for (tested, status, slug) in cases {
        world.elsewhere.tests_as(tested);
        let answer = world.post(&test(&id)).by(&world.admin).await;
        answer.is_problem(status, slug);
        assert!(answer.header("retry-after").is_some());
    }
}

#[actix_web::test]
async fn a_credential_that_cannot_be_tested_says_why() {
    let world = World::new().await;
    for (kind, detail, expected) in [
        ("generic", json!({ "token": "s3cret" }), "no built-in test"),
        (
            "tool",
            json!({ "tool_type": "search", "config": { "key": "s3cret" } }),
            "no built-in test",
        ),
        (
            "gateway",
            json!({ "adapter": "pigeon", "token": "s3cret" }),
            "no built-in test",
        ),
        (
            "llm",
            json!({ "provider": "openai_compatible", "api_key": "s3cret" }),
            "no base URL",
        ),
        ("llm", json!({ "provider": "openai" }), "no secret"),
        (
            "git",
            json!({ "provider": "github", "auth": "token" }),
            "no secret",
        ),
    ] {
        let made = world.credential(&world.admin, kind, &detail).await;
        let answer = world.post(&test(id_of(&made))).by(&world.admin).await;
        assert_eq!(answer.status, 200, "{kind}: {answer:?}");
        assert_eq!(answer.json(), json!({ "ok": false, "error": expected }));
    }
    assert_eq!(world.elsewhere.asked(), 0);
}

#[actix_web::test]
async fn models_are_a_plain_list() {
    let (world, id) = with_openai().await;
    let none = world.get(&models(&id)).by(&world.admin).await;
    assert_eq!((none.status.as_u16(), none.json()), (200, json!([])));

    world.elsewhere.lists(|| {
        Ok(vec![Model {
            id: "gpt-5".to_owned(),
            name: "GPT 5".to_owned(),
        }])
    });
    let some = world.get(&models(&id)).by(&world.admin).await;
    assert_eq!(some.json(), json!([{ "id": "gpt-5", "name": "GPT 5" }]));
}

#[actix_web::test]
async fn models_that_cannot_be_had_are_a_problem() {
    let (world, id) = with_openai().await;
    let cases: [(Outcome<Vec<Model>>, u16, &str); 6] = [
        (|| Err(CallError::Unreachable), 502, "upstream-unreachable"),
        (|| Err(CallError::BadAnswer), 502, "upstream-answer"),
        (|| Err(CallError::TimedOut), 504, "upstream-timeout"),
        (
            || Err(CallError::ForbiddenAddress("it is private")),
            403,
            "forbidden-address",
        ),
        (
            || Err(CallError::UnusableSecret),
            422,
            "unusable-credential",
        ),
        (|| Err(CallError::Overloaded), 503, "overloaded"),
    ];
    for (listed, status, slug) in cases {
        world.elsewhere.lists(listed);
        let answer = world.get(&models(&id)).by(&world.admin).await;
        answer.is_problem(status, slug);
    }
    let detail = json!({ "adapter": "slack", "token": "xoxb-0123456789" });
    let slack = world.credential(&world.admin, "gateway", &detail).await;
    let answer = world.get(&models(id_of(&slack))).by(&world.admin).await;
    answer.is_problem(422, "unusable-credential");
}

#[actix_web::test]
async fn what_is_not_there_is_404_for_both() {
    let world = World::new().await;
    for id in [unknown_id(), "not-an-id".to_owned(), "openai".to_owned()] {
        let answer = world.post(&test(&id)).by(&world.admin).await;
        answer.is_problem(404, "not-found");
        let answer = world.get(&models(&id)).by(&world.admin).await;
        answer.is_problem(404, "not-found");
    }
}

#[actix_web::test]
async fn a_test_takes_no_fields() {
    let (world, id) = with_openai().await;
    let body = json!({ "base_url": "https://evil.example" });
    let answer = world.post(&test(&id)).by(&world.admin).json(&body).await;
    answer.is_problem(422, "invalid");
    assert_eq!(answer.fields(), ["base_url"]);
    assert_eq!(world.elsewhere.asked(), 0);
}

#[actix_web::test]
async fn each_question_is_in_the_audit_log() {
    let (world, id) = with_openai().await;
    let before = world.events();
    world.post(&test(&id)).by(&world.admin).await;
    world.get(&models(&id)).by(&world.admin).await;
    let listed = world.get("/audit?limit=200").by(&world.admin).await.json();
    let events = listed["items"].as_array().unwrap();
    let uses = events
        .iter()
        .filter(|event| event["action"] == "credential.use")
        .map(|event| event["details"].clone());
    let mut uses: Vec<Value> = uses.collect();
    for details in &mut uses {
        let id = details.as_object_mut().unwrap().remove("use").unwrap();
        assert_eq!(id.as_str().unwrap().len(), 36);
    }
    uses.sort_by_key(|details| details["via"].as_str().unwrap().to_owned());
    let common = |via: &str| json!({ "via": via, "host": "api.openai.com", "method": "GET", "path": "/v1/models" });
    assert_eq!(uses, [common("models"), common("test")]);
    assert_eq!(world.events(), before + 2);
}

/// All other routes need the threads that would wait.
#[actix_web::test]
async fn the_fifth_that_waits_for_a_service_is_told_to_come_back() {
    let (world, id) = with_openai().await;
    world.elsewhere.hold();
    let (test, models) = (test(&id), models(&id));
    let waiting = [
        world.post(&test).by(&world.admin),
        world.post(&test).by(&world.admin),
        world.get(&models).by(&world.admin),
        world.get(&models).by(&world.admin),
    ];
    let waiting = waiting.map(|ask| actix_web::rt::spawn(ask.into_future()));
    while world.elsewhere.asked() < 4 {
        tokio::task::yield_now().await;
    }

    for fifth in [world.post(&test), world.get(&models)] {
        let answer = fifth.by(&world.admin).await;
        answer.is_problem(503, "overloaded");
        assert!(answer.header("retry-after").is_some());
    }
    let other = world.get("/credentials").by(&world.admin).await;
    assert_eq!(other.status, 200, "others go on");

    world.elsewhere.go_on();
    for answer in join_all(waiting).await {
        assert_eq!(answer.unwrap().status, 200);
    }
    let again = world.post(&test).by(&world.admin).await;
    assert_eq!(again.status, 200, "the places are free again");
}

#[actix_web::test]
async fn without_a_broker_both_say_what_to_do() {
    let store = Arc::new(MemoryStore::new());
    let clock = Arc::new(ManualClock::at(NOW));
    let environment = environment(&store, &clock);
    let (fields, macs) = (&environment.fields, &environment.macs);
    store.write(|tx| keep(tx, fields, macs, NOW)).unwrap();
    let first = keyward_auth::Setup::new(environment.clone())
        .first_admin(
            &keyward_auth::Username::parse("root").unwrap(),
            &crate::world::password(),
        )
        .unwrap();
    let options = ApiOptions {
        credential_scope: CredentialScope::Global,
        require_audience: false,
    };
    let api = Api::new(Services::new(
        &environment,
        options,
        Arc::new(LastUsed::default()),
    ));
    let app = App::new()
        .wrap(from_fn(edge))
        .configure(|config| api.mount(config));
    let handle = handle!(app);
    let id = unknown_id();
    for (method, path) in [("POST", test(&id)), ("GET", models(&id))] {
        let method = actix_web::http::Method::from_bytes(method.as_bytes()).unwrap();
        let answer = Ask::new(&handle, &method, &path)
            .key(first.key.expose())
            .await;
        answer.is_problem(501, "no-broker");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("keyward serve"), "{detail}");
    }
}

async fn with_openai() -> (World, String) {
    let world = World::new().await;
    let detail = json!({ "provider": "openai", "api_key": "sk-0123456789abcdef" });
    let made = world.credential(&world.admin, "llm", &detail).await;
    let id = id_of(&made).to_owned();
    (world, id)
}

fn test(id: &str) -> String {
    format!("/credentials/{id}/test")
}

fn models(id: &str) -> String {
    format!("/credentials/{id}/models")
}
