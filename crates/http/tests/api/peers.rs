//! Who may connect at all, where only proxies should.

use std::net::SocketAddr;
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::test::TestRequest;
use actix_web::{App, HttpResponse, web};
use keyward_http::{Network, TrustedProxies, edge, trusted_peers};

use crate::coverage::unprotected;
use crate::world::{Answer, Handle, handle};

async fn guarded() -> Handle {
    let networks = ["10.0.0.0/8", "2001:db8:aaaa::/48"];
    let proxies: TrustedProxies = networks
        .iter()
        .map(|text| text.parse::<Network>().unwrap())
        .collect();
    let proxies = Arc::new(proxies);
    handle!(
        App::new()
            .wrap(from_fn(move |request, next| {
                trusted_peers(Arc::clone(&proxies), request, next)
            }))
            .wrap(from_fn(edge))
            .default_service(web::to(HttpResponse::Ok))
    )
}

async fn ask(app: &Handle, method: Method, path: &str, peer: Option<&str>) -> Answer {
    let request = TestRequest::default()
        .method(method)
        .uri(path)
        .append_header(("X-Forwarded-For", "127.0.0.1"));
    let request = match peer {
        Some(peer) => {
            let ip = peer.parse().unwrap();
            request.peer_addr(SocketAddr::new(ip, 4711))
        }
        None => request,
    };
    app(request).await
}

#[actix_web::test]
async fn a_peer_that_is_no_trusted_proxy_gets_nothing_and_is_cut_off() {
    let app = guarded().await;
    for peer in [
        Some("192.0.2.1"),
        Some("11.0.0.0"),
        Some("0.0.0.0"),
        Some("::ffff:192.0.2.1"),
        Some("2001:db8:bbbb::1"),
        Some("fe80::1"),
        None,
    ] {
        for path in ["/health/live", "/api/v1/auth/me", "/docs/", "/nothing"] {
            for method in [Method::GET, Method::POST, Method::OPTIONS] {
                let answer = ask(&app, method, path, peer).await;
                answer.is_problem(403, "untrusted-peer");
                assert!(answer.closes, "{peer:?} {path}");
                assert_eq!(unprotected(&answer), None);
            }
        }
    }
}

#[actix_web::test]
async fn this_machine_and_trusted_proxies_are_served() {
    let app = guarded().await;
    for peer in [
        "127.0.0.1",
        "127.0.0.2",
        "::1",
        "::ffff:127.0.0.1",
        "10.0.0.1",
        "::ffff:10.255.0.1",
        "2001:db8:aaaa::1",
    ] {
        let answer = ask(&app, Method::GET, "/health/live", Some(peer)).await;
        assert_eq!(answer.status, 200, "{peer}");
        assert!(!answer.closes, "{peer}");
    }
}
