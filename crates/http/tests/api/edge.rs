//! What every answer has, and the few paths that need no key.

use actix_web::http::Method;

use actix_web::middleware::from_fn;
use actix_web::{App, HttpResponse, web};

use crate::coverage::unprotected;
use crate::world::{Ask, World, handle};

#[actix_web::test]
async fn health_needs_no_key() {
    for world in World::on_every_store().await {
        for path in ["//health/live", "//health/ready"] {
            let answer = world.get(path).await;
            assert_eq!(answer.status, 200, "{}: {answer:?}", world.name);
            assert_eq!(answer.text(), r#"{"status":"ok"}"#);
            assert_eq!(unprotected(&answer), None);
        }
    }
}

#[actix_web::test]
async fn what_needs_no_key_takes_only_get_and_says_so() {
    let world = World::new().await;
    for path in ["//health/live", "//health/ready", "//openapi.json"] {
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
            let answer = world.ask(&method, path).await;
            answer.is_problem(405, "method-not-allowed");
            assert_eq!(answer.header("allow"), Some("GET"), "{method} {path}");
        }
    }
}

#[actix_web::test]
async fn a_trailing_slash_is_accepted_where_no_key_is_needed() {
    let world = World::new().await;
    for path in ["//health/live/", "//health/ready/", "//openapi.json/"] {
        assert_eq!(world.get(path).await.status, 200, "{path}");
    }
}

#[actix_web::test]
async fn the_pages_load_nothing_from_elsewhere() {
    let world = World::new().await;
    let page = world.get("//docs/").await;
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self';"),
        "{policy}"
    );
    for part in ["//", "data:text", "unsafe-eval", "'unsafe-inline' 'self'"] {
        assert!(!policy.contains(part), "{policy}");
    }
    assert!(!page.text().contains("http://") && !page.text().contains("https://"));
    assert_eq!(world.get("//docs").await.header("location"), Some("/docs/"));
    for path in [
        "//docs/../Cargo.toml",
        "//docs/%2e%2e/Cargo.toml",
        "//docs/nothing.js",
    ] {
        let answer = world.get(path).await;
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
    }
}

#[actix_web::test]
async fn a_harmless_request_id_is_kept_and_another_replaced() {
    let world = World::new().await;
    for id in ["a", "01a20ac7-7b74-721b-a29d-b451c5458d69", &"x".repeat(64)] {
        let answer = world.get("/auth/me").header("X-Request-Id", id).await;
        assert_eq!(answer.header("x-request-id"), Some(id));
    }
    let key = &world.admin.key;
    for id in ["", "a b", "a\tb", "<script>", &"x".repeat(65), key, "ä"] {
        let answer = world.get("/auth/me").header("X-Request-Id", id).await;
        assert_eq!(unprotected(&answer), None);
        assert_ne!(answer.header("x-request-id"), Some(id));
    }
}

#[actix_web::test]
async fn a_bare_error_of_an_embedders_own_route_becomes_a_problem() {
    let app = handle!(
        App::new()
            .wrap(from_fn(keyward_http::edge))
            .route("/gone", web::get().to(HttpResponse::Gone))
            .route("/broken", web::get().to(HttpResponse::BadGateway))
            .route(
                "/own",
                web::get().to(async || HttpResponse::Conflict().json("own"))
            )
    );
    let gone = Ask::new(&app, &Method::GET, "//gone").await;
    gone.is_problem(410, "malformed");
    let broken = Ask::new(&app, &Method::GET, "//broken").await;
    broken.is_problem(502, "internal");
    let own = Ask::new(&app, &Method::GET, "//own").await;
    assert_eq!(
        (own.status.as_u16(), own.text()),
        (409, "\"own\"".to_owned())
    );
    for answer in [gone, broken, own] {
        assert_eq!(unprotected(&answer), None);
    }
}
