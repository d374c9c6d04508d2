//! Requests that are passed on to other services: who may ask, what is passed, and what comes back.

use actix_web::http::Method;
use http::Response;
use http_body_util::{BodyExt as _, Full};
use keyward_credentials::{CallError, RefusedBy, UseError, Which};
use keyward_http::{AnswerBody, Relay, RelayRequest};
use serde_json::{Value, json};

use crate::world::{Caller, World};

/// Answers with what it was asked, or as the path says.
pub(crate) fn echo() -> Relay {
    Relay::new("/broker", |asked: RelayRequest| async move {
        let (parts, body) = asked.request.into_parts();
        let body = body
            .collect()
            .await
            .map_err(|_| CallError::BodyLost)?
            .to_bytes();
        let fields = parts.headers.iter();
        let echo = json!({
            "carries_key": asked.carries_key,
            "key_id": asked.key.id().to_string(),
            "which": match asked.which {
                Which::Id(id) => format!("id {id}"),
                Which::Name(name) => format!("name {name}"),
            },
            "method": parts.method.as_str(),
            "target": parts.uri.to_string(),
            "headers": fields.map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            "body": String::from_utf8_lossy(&body),
        });
        let mut answer = Response::new(whole(echo.to_string()));
        answer
            .headers_mut()
            .insert("x-upstream", "1".parse().unwrap());
        match parts.uri.path() {
            "/missing" => {
                *answer.status_mut() = http::StatusCode::NOT_FOUND;
                *answer.body_mut() = whole(String::new());
                Ok(answer)
            }
            "/head" => {
                answer
                    .headers_mut()
                    .insert("content-length", "4711".parse().unwrap());
                *answer.body_mut() = whole(String::new());
                Ok(answer)
            }
            "/refused" => Err(UseError::Refused(RefusedBy::Path).into()),
            "/rate" => Err(UseError::Refused(RefusedBy::Rate {
                limit: 7,
                retry_after: 23,
            })
            .into()),
            "/large" => Err(CallError::TooLarge { max: 9 }),
            "/rejected" => Err(UseError::Rejected.into()),
            "/ambiguous" => Err(UseError::Ambiguous.into()),
            "/unreachable" => Err(CallError::Unreachable),
            "/timeout" => Err(CallError::TimedOut),
            "/bad" => Err(CallError::BadAnswer),
            "/forbidden" => Err(CallError::ForbiddenAddress("somewhere inside")),
            "/overloaded" => Err(CallError::Overloaded),
            "/crowded" => Err(CallError::TooManyUnderWay { max: 9 }),
            "/loop" => Err(CallError::Loop),
            _ => Ok(answer),
        }
    })
}

fn whole(text: String) -> AnswerBody {
    let body = Full::from(text.into_bytes()).map_err(|never| match never {});
    AnswerBody::new(body)
}

async fn passed(world: &World, caller: &Caller, path: &str) -> Value {
    let answer = world.get(path).by(caller).await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.json()
}

#[actix_web::test]
async fn a_request_is_passed_on_without_the_key_and_with_its_target_as_it_was() {
    let world = World::new().await;
    for (path, which, target) in [
        (
            "//broker/openai/v1/chat?a=1&b=%2F",
            "name openai",
            "/v1/chat?a=1&b=%2F",
        ),
        ("//broker/openai", "name openai", "/"),
        ("//broker/openai/", "name openai", "/"),
        (
            "//broker/my%20key%2F1/x%2Fy//z/",
            "name my key/1",
            "/x%2Fy//z/",
        ),
        (
            "//broker/01890a5d-7e8f-7c3d-a1b2-c3d4e5f60718/x",
            "id 01890a5d-7e8f-7c3d-a1b2-c3d4e5f60718",
            "/x",
        ),
    ] {
        let echo = passed(&world, &world.admin, path).await;
        assert_eq!(echo["which"], which, "{path}");
        assert_eq!(echo["target"], target, "{path}");
        assert_eq!(echo["key_id"], json!(world.admin.key_id));
        assert!(!echo.to_string().contains("authorization"), "{echo}");
        assert!(!echo.to_string().contains(&world.admin.key), "{echo}");
    }
}

#[actix_web::test]
async fn every_method_and_its_body_is_passed_on() {
    let world = World::new().await;
    for method in [
        "GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND",
    ] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let answer = world
            .ask(&method, "//broker/openai/x")
            .by(&world.admin)
            .header("content-type", "text/plain")
            .header("content-length", TEXT.len().to_string())
            .body(TEXT)
            .await;
        assert_eq!(answer.status, 200, "{method}: {answer:?}");
        assert_eq!(answer.json()["method"], method.as_str());
        assert_eq!(answer.json()["body"], TEXT);
        assert_eq!(answer.header("x-upstream"), Some("1"));
    }
}

#[actix_web::test]
async fn a_client_that_shows_no_key_is_told_the_ways_to_show_one() {
    let world = World::new().await;
    let answer = world.get("//broker/openai/x").await;
    answer.is_problem(401, "unauthenticated");
    let challenges: Vec<_> = answer.headers.get_all("www-authenticate").collect();
    assert_eq!(challenges, ["Bearer", "Basic realm=\"keyward\""]);
}

#[actix_web::test]
async fn it_is_known_whether_a_client_would_take_its_key_along() {
    let world = World::new().await;
    let echo = passed(&world, &world.admin, "//broker/openai/x").await;
    assert_eq!(echo["carries_key"], false);
    let answer = world
        .get("//broker/openai/x")
        .header("x-api-key", &world.admin.key)
        .await;
    assert_eq!(answer.json()["carries_key"], true);
}

#[actix_web::test]
async fn a_page_of_another_site_uses_nothing() {
    let world = World::new().await;
    for (site, status) in [
        ("cross-site", 403),
        ("same-site", 403),
        ("same-origin", 200),
        ("none", 200),
    ] {
        let asked = world.get("//broker/openai/x").by(&world.admin);
        let answer = asked.header("sec-fetch-site", site).await;
        assert_eq!(answer.status, status, "{site}");
        if status == 403 {
            answer.is_problem(403, "cross-site");
        }
    }
}

#[actix_web::test]
async fn a_key_in_the_query_is_not_passed_on() {
    let world = World::new().await;
    let path = format!("//broker/openai/x?key={}", world.admin.key);
    let answer = world.get(&path).by(&world.admin).await;
    answer.is_problem(400, "malformed");
    assert!(!answer.text().contains(&world.admin.key));
}

#[actix_web::test]
async fn an_error_of_the_other_service_is_its_own() {
    let world = World::new().await;
    let answer = world.get("//broker/openai/missing").by(&world.admin).await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.text(), "");
    assert_eq!(answer.header("content-type"), None);
}

#[actix_web::test]
async fn each_failure_has_its_status_and_its_name() {
    let world = World::new().await;
    for (path, status, slug) in [
        ("rejected", 401, "unauthenticated"),
        ("refused", 403, "refused-by-rule"),
        ("rate", 429, "refused-by-rule"),
        ("large", 413, "refused-by-rule"),
        ("ambiguous", 400, "ambiguous-name"),
        ("unreachable", 502, "upstream-unreachable"),
        ("timeout", 504, "upstream-timeout"),
        ("bad", 502, "upstream-answer"),
        ("forbidden", 403, "forbidden-address"),
        ("overloaded", 503, "overloaded"),
        ("crowded", 429, "too-many-under-way"),
        ("loop", 508, "loop-detected"),
    ] {
        let path = format!("//broker/openai/{path}");
        let answer = world.get(&path).by(&world.admin).await;
        answer.is_problem(status, slug);
    }
    let answer = world.get("//broker/openai/rate").by(&world.admin).await;
    assert_eq!(answer.header("retry-after"), Some("23"));
}

const TEXT: &str = "not JSON";
