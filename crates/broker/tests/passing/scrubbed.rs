use std::io::Write as _;

use data_encoding::{BASE64, HEXLOWER};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use keyward_broker::Redirects;
use keyward_credentials::{CallError, Which};

use crate::upstream::{Upstream, with_headers};
use crate::world::{SECRET, World, request};

#[tokio::test]
async fn a_service_that_repeats_the_secret_is_cut_short() {
    let upstream = Upstream::answering(|_| {
        let forms = [
            SECRET.to_owned(),
            BASE64.encode(format!("user:{SECRET}").as_bytes()),
            HEXLOWER.encode(SECRET.as_bytes()),
            SECRET.replace('/', "\\/"),
            SECRET.replace('/', "%2F").replace('+', "%2b"),
        ];
        let lines = format!("x-debug: {SECRET}\r\nx-echo: Bearer {SECRET}\r\nx-echo: plain\r\n");
        with_headers("401 Unauthorized", &lines, forms.join(" ").as_bytes())
    });
    let world = World::new();
    let id = world.model(&upstream.url("/v1"));
    let answer = world.get(id, "/models").await.unwrap();
    assert_eq!(answer.status, 401);
    assert_eq!(answer.headers["x-debug"], "*".repeat(SECRET.len()));
    let echoes: Vec<_> = answer.headers.get_all("x-echo").iter().collect();
    assert_eq!(
        echoes,
        [&format!("Bearer {}", "*".repeat(SECRET.len())), "plain"]
    );
    assert_eq!(
        answer.headers["content-length"],
        answer.body.len().to_string()
    );
    let text = String::from_utf8(answer.body).unwrap();
    // Of the base64 only what depends on the neighbours of the secret is left.
    assert!(
        text.matches(|c: char| c.is_ascii_alphanumeric()).count() < 12,
        "{text}"
    );
}

#[tokio::test]
async fn a_coded_answer_is_decoded_and_scrubbed() {
    let body = format!("the key {SECRET} is wrong");
    let gzip = {
        let mut coder = GzEncoder::new(Vec::new(), Compression::fast());
        coder.write_all(body.as_bytes()).unwrap();
        coder.finish().unwrap()
    };
    let deflate = {
        let mut coder = ZlibEncoder::new(Vec::new(), Compression::fast());
        coder.write_all(body.as_bytes()).unwrap();
        coder.finish().unwrap()
    };
    for (coding, coded) in [("gzip", gzip), ("deflate", deflate)] {
        let lines = format!("content-encoding: {coding}\r\n");
        let upstream = Upstream::answering(move |_| with_headers("200 OK", &lines, &coded));
        let world = World::new();
        let id = world.model(&upstream.url("/v1"));
        let answer = world.get(id, "/models").await.unwrap();
        let text = String::from_utf8(answer.body).unwrap();
        assert_eq!(text, body.replace(SECRET, &"*".repeat(SECRET.len())));
        assert!(!answer.headers.contains_key("content-encoding"));
    }
}

#[tokio::test]
async fn an_answer_in_a_coding_that_nobody_can_look_into_is_refused() {
    for coding in ["zstd", "compress", "gzip, br", "made-up"] {
        let lines = format!("content-encoding: {coding}\r\n");
        let upstream = Upstream::answering(move |_| with_headers("200 OK", &lines, b"opaque"));
        let world = World::new();
        let id = world.model(&upstream.url("/v1"));
        let refused = world.get(id, "/models").await;
        assert!(
            matches!(refused, Err(CallError::BadAnswer)),
            "{coding}: {refused:?}"
        );
        assert_eq!(world.ends(1)[0]["outcome"], "coded");
    }
}

#[tokio::test]
async fn a_redirect_leads_through_the_broker_or_without_the_secret() {
    for (location, expected) in [
        ("/v1/other?a=1", "/broker/{id}/v1/other?a=1"),
        ("other", "/broker/{id}/v1/other"),
        ("http://{host}/v1/x", "/broker/{id}/v1/x"),
        ("http://{host}/elsewhere", "http://{host}/elsewhere"),
        ("https://evil.example/x", "https://evil.example/x"),
        ("//evil.example/x", "http://evil.example/x"),
    ] {
        let target = location.to_owned();
        let upstream = Upstream::answering(move |received| {
            let target = target.replace("{host}", received.header("host")[0]);
            with_headers("302 Found", &format!("location: {target}\r\n"), b"")
        });
        let world = World::new();
        let id = world.model(&upstream.url("/v1"));
        let answer = world.get(id, "/start").await.unwrap();
        assert_eq!(answer.status, 302);
        let expected = expected
            .replace("{id}", &id.to_string())
            .replace("{host}", &upstream.address.to_string());
        assert_eq!(answer.headers["location"], expected);
        assert_eq!(upstream.received().len(), 1, "the redirect was followed");
    }
}

#[tokio::test]
async fn a_client_that_would_take_its_key_along_is_told_of_a_redirect_and_not_led() {
    for (location, stays) in [
        ("/v1/other", true),
        ("/elsewhere", false),
        ("https://evil.example/x", false),
        ("//evil.example/x", false),
    ] {
        let upstream = Upstream::answering(move |_| {
            with_headers(
                "307 Temporary Redirect",
                &format!("location: {location}\r\n"),
                b"",
            )
        });
        let world = World::new();
        let id = world.model(&upstream.url("/v1"));
        let asked = request("POST", "/start", "{}");
        let relayed = (world.broker).relay(world.caller(), Which::Id(id), Redirects::Shown, asked);
        let answer = relayed.await.unwrap();
        let fields = answer.headers();
        assert_eq!(answer.status(), 307);
        assert_eq!(fields.contains_key("location"), stays, "{location}");
        let shown = fields.get("x-upstream-location");
        assert_eq!(shown.is_none(), stays, "{location}");
        if let Some(shown) = shown {
            assert!(shown.to_str().unwrap().starts_with("http"), "{shown:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_made_to_be_searched_for_ever_is_cut_off() {
    let secret = "\\".repeat(8_000);
    let body = secret.replace('\\', "\\\\").repeat(2_000);
    let upstream = Upstream::answering(move |_| crate::upstream::ok(body.as_bytes()));
    let world = World::new();
    let rules: keyward_credentials::BrokerRules = serde_json::from_value(serde_json::json!({
        "base_url": upstream.url(""),
        "auth": { "query": { "name": "key", "field": "key" } },
    }))
    .unwrap();
    let kind = keyward_credentials::CredentialType::Generic;
    let id = world.keep(kind, &[("key", &secret)], Some(rules));
    let started = std::time::Instant::now();
    let cut_off = world.get(id, "/x").await;
    // It is searched fast, or not to its end.
    let took = started.elapsed();
    assert!(cut_off.is_err() || took.as_secs() < 30, "{took:?}");
    let outcome = world.ends(1)[0]["outcome"].clone();
    let is_cut_off = outcome == "unsearchable";
    assert!(is_cut_off == cut_off.is_err(), "{outcome} {took:?}");
}
