use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderValue, Request};
use http_body::Frame;
use http_body_util::StreamBody;
use keyward_credentials::{BrokerRules, CallError, CredentialType, UseError};

use crate::upstream::{Upstream, ok, read_head};
use crate::world::{SECRET, World, request};

#[tokio::test]
async fn a_rule_refuses_before_anything_is_sent_and_says_which_it_is() {
    let upstream = Upstream::answering(|_| ok(b""));
    let world = World::new();
    let rules = BrokerRules {
        methods: Some(vec!["POST".to_owned()]),
        paths: Some(vec!["/v1/chat".to_owned()]),
        max_body_bytes: Some(4),
        requests_per_minute: Some(2),
        ..BrokerRules::default()
    };
    let id = world.model_with(&upstream.url("/v1"), rules);
    for (method, target, body, rule) in [
        ("GET", "/chat", "", "methods"),
        ("POST", "/models", "", "paths"),
        ("POST", "/chat%2F..%2Fmodels", "", "path"),
        ("POST", "/chat", "12345", "max_body_bytes"),
    ] {
        let refused = world
            .ask(id, request(method, target, body))
            .await
            .unwrap_err();
        assert!(
            refused.to_string().contains(rule),
            "{method} {target}: {refused}"
        );
    }
    assert_eq!(upstream.connections(), 0);
    for expected in [true, true, false] {
        let asked = world
            .ask(id, request("POST", "/chat/completions", "1234"))
            .await;
        assert_eq!(asked.is_ok(), expected, "{asked:?}");
    }
    let refused = world.events("credential.use").into_iter();
    let refused: Vec<_> = refused
        .filter_map(|one| Some(one["refused"].as_str()?.to_owned()))
        .collect();
    assert_eq!(refused, ["methods", "paths", "max_body_bytes"]);
}

#[tokio::test]
async fn a_body_of_unknown_length_is_stopped_at_the_limit() {
    let upstream = Upstream::answering(|_| ok(b""));
    let world = World::new();
    let rules = BrokerRules {
        max_body_bytes: Some(9),
        ..BrokerRules::default()
    };
    let id = world.model_with(&upstream.url("/v1"), rules);
    for (chunks, fits) in [(3, true), (4, false)] {
        let frames =
            (0..chunks).map(|_| Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"123"))));
        let body = StreamBody::new(futures_util::stream::iter(frames));
        let asked = Request::post("/chat").body(body).unwrap();
        let passed = world.pass(id, asked).await;
        match passed {
            Ok(answer) => assert!(fits && answer.status() == 200),
            Err(CallError::TooLarge { max }) => assert!(!fits && max == 9),
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(
        upstream.received().len(),
        1,
        "a whole request that is too large"
    );
    let outcomes: Vec<_> = world
        .ends(2)
        .iter()
        .map(|end| end["outcome"].clone())
        .collect();
    assert!(outcomes.contains(&"too-large".into()), "{outcomes:?}");
}

#[tokio::test]
async fn what_is_no_request_for_another_service_is_refused() {
    let upstream = Upstream::answering(|_| ok(b""));
    let world = World::new();
    let id = world.model(&upstream.url("/v1"));
    let mut upgrade = request("GET", "/realtime", "");
    upgrade
        .headers_mut()
        .insert("upgrade", HeaderValue::from_static("websocket"));
    upgrade
        .headers_mut()
        .insert("connection", HeaderValue::from_static("upgrade"));
    for asked in [
        upgrade,
        request("TRACE", "/", ""),
        request("GET", "/v1/../admin", ""),
        request("GET", "/v1/%2e%2e/admin", ""),
        request("GET", "/v1\\admin", ""),
    ] {
        let refused = world.ask(id, asked).await;
        assert!(
            matches!(refused, Err(CallError::Malformed(_))),
            "{refused:?}"
        );
    }
    assert_eq!(upstream.connections(), 0);
    assert_eq!(world.events("credential.use").len(), 0);
}

#[tokio::test]
async fn a_request_that_comes_back_is_refused_before_anything_is_sent() {
    let upstream = Upstream::answering(|_| ok(b""));
    let world = World::new();
    let id = world.model(&upstream.url("/v1"));
    world.get(id, "/models").await.unwrap();
    let first = upstream.received().remove(0);
    let via = first.header("via").concat();
    assert!(via.starts_with("1.1 keyward-"), "{via}");

    let mut again = request("GET", "/models", "");
    let value = format!("1.1 proxy, {via}").parse().unwrap();
    again.headers_mut().insert("via", value);
    let refused = world.ask(id, again).await;
    assert!(matches!(refused, Err(CallError::Loop)), "{refused:?}");
    assert_eq!(upstream.received().len(), 1);
    assert_eq!(world.events("credential.use").len(), 1);
}

#[tokio::test]
async fn a_user_has_so_many_requests_under_way_and_no_more() {
    let upstream = Upstream::accepting(|_stream| {
        std::thread::sleep(std::time::Duration::from_secs(2));
    });
    let world = World::new();
    let id = world.model(&upstream.url("/v1"));
    let asking = (0..524).map(|_| world.get(id, "/models"));
    let answers = futures_util::future::join_all(asking).await;
    let refused = answers
        .iter()
        .filter(|answer| matches!(answer, Err(CallError::TooManyUnderWay { max: 512 })));
    assert_eq!(refused.count(), 12);
    // Their places are free again.
    let answer = world.get(id, "/models").await;
    assert!(matches!(answer, Err(CallError::BadAnswer)), "{answer:?}");
}

#[tokio::test]
async fn an_interim_answer_that_nobody_asked_for_is_none() {
    let upstream =
        Upstream::answering(|_| b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n".to_vec());
    let world = World::new();
    let id = world.model(&upstream.url("/v1"));
    let refused = world.get(id, "/models").await;
    assert!(matches!(refused, Err(CallError::BadAnswer)), "{refused:?}");
}

#[tokio::test]
async fn a_service_that_is_not_there_or_speaks_no_http_is_told_apart() {
    let world = World::new();
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let id = world.model(&format!("http://{gone}/v1"));
    let refused = world.get(id, "/models").await;
    assert!(
        matches!(refused, Err(CallError::Unreachable)),
        "{refused:?}"
    );

    let silent = Upstream::accepting(drop);
    let id = world.model(&silent.url("/v1"));
    let refused = world.get(id, "/models").await;
    assert!(matches!(refused, Err(CallError::BadAnswer)), "{refused:?}");

    let noise = Upstream::answering(|_| b"220 smtp.example ESMTP\r\n".to_vec());
    let id = world.model(&noise.url("/v1"));
    let refused = world.get(id, "/models").await;
    assert!(matches!(refused, Err(CallError::BadAnswer)), "{refused:?}");
    let outcomes: Vec<_> = world
        .ends(3)
        .iter()
        .map(|end| end["outcome"].clone())
        .collect();
    assert_eq!(outcomes, ["unreachable", "bad-answer", "bad-answer"]);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_an_error_and_no_shorter_body() {
    let upstream = Upstream::accepting(|stream| {
        let mut reader = std::io::BufReader::new(stream.try_clone().unwrap());
        read_head(&mut reader);
        let mut stream = stream;
        std::io::Write::write_all(
            &mut stream,
            b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345",
        )
        .unwrap();
    });
    let world = World::new();
    let id = world.model(&upstream.url("/v1"));
    let broken = world.get(id, "/models").await;
    assert!(matches!(broken, Err(CallError::BadAnswer)), "{broken:?}");
    assert_eq!(world.ends(1)[0]["outcome"], "broken");
}

#[tokio::test]
async fn a_credential_that_cannot_be_used_says_why() {
    let world = World::new();
    let id = world.keep(CredentialType::Generic, &[("key", "secret-0123")], None);
    let refused = world.get(id, "/").await.unwrap_err();
    assert!(refused.to_string().contains("broker.base_url"), "{refused}");
    let fields = [("provider", "openai"), ("base_url", "http://127.0.0.1:9/")];
    let id = world.keep(CredentialType::Llm, &fields, None);
    let refused = world.get(id, "/").await;
    assert!(
        matches!(refused, Err(CallError::Use(UseError::NotSet(_)))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_secret_with_a_line_break_reaches_no_header() {
    let upstream = Upstream::answering(|_| ok(b""));
    let world = World::new();
    let rules = BrokerRules {
        base_url: Some(upstream.url("")),
        auth: Some(
            serde_json::from_str(r#"{"header": {"name": "x-key", "field": "key"}}"#).unwrap(),
        ),
        ..BrokerRules::default()
    };
    let secret = "first\r\nx-injected: 1";
    let id = world.keep(CredentialType::Generic, &[("key", secret)], Some(rules));
    let refused = world.get(id, "/").await;
    assert!(
        matches!(refused, Err(CallError::UnusableSecret)),
        "{refused:?}"
    );
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn no_error_has_the_secret_in_its_text() {
    let world = World::allowing("");
    let id = world.model("http://127.0.0.1:9/v1");
    let refused = world.get(id, "/models").await.unwrap_err();
    assert!(
        matches!(refused, CallError::ForbiddenAddress(_)),
        "{refused:?}"
    );
    assert!(!format!("{refused} {refused:?}").contains(SECRET));
}
