use http::HeaderValue;
use keyward_credentials::{
    AuthRule, BasicRule, BrokerRules, CredentialType, HeaderRule, QueryRule,
};

use crate::upstream::{Received, Upstream, ok};
use crate::world::{SECRET, World, request};

/// What a service gets of `GET /path?q=1` with a credential whose base URL is its own.
async fn received(
    kind: CredentialType,
    fields: &[(&str, &str)],
    auth: Option<AuthRule>,
) -> Received {
    let upstream = Upstream::answering(|_| ok(b""));
    let world = World::new();
    let url = upstream.url("");
    let mut all = fields.to_vec();
    let rules = if kind == CredentialType::Llm {
        all.push(("base_url", &url));
        None
    } else {
        Some(BrokerRules {
            base_url: Some(url.clone()),
            auth,
            ..BrokerRules::default()
        })
    };
    let id = world.keep(kind, &all, rules);
    let answer = world.get(id, "/path?q=1").await.unwrap();
    assert_eq!(answer.status, 200);
    upstream.received().remove(0)
}

#[tokio::test]
async fn each_provider_of_models_gets_its_key_where_it_looks_for_it() {
    for (provider, header, value) in [
        ("openai", "authorization", format!("Bearer {SECRET}")),
        (
            "openai-compatible",
            "authorization",
            format!("Bearer {SECRET}"),
        ),
        ("my own", "authorization", format!("Bearer {SECRET}")),
        ("anthropic", "x-api-key", SECRET.to_owned()),
        ("gemini", "x-goog-api-key", SECRET.to_owned()),
        ("azure_openai", "api-key", SECRET.to_owned()),
    ] {
        let fields = [("provider", provider), ("api_key", SECRET)];
        let received = received(CredentialType::Llm, &fields, None).await;
        assert_eq!(received.header(header), [value], "{provider}");
        assert_eq!(received.target(), "/path?q=1");
        assert_eq!(
            received.head.matches(SECRET).count(),
            1,
            "{}",
            received.head
        );
    }
}

#[tokio::test]
async fn custom_headers_and_the_organization_go_along() {
    let fields = [
        ("provider", "openai"),
        ("api_key", SECRET),
        ("organization_id", "org-7"),
        ("custom_headers.X-Team", "team-secret"),
    ];
    let received = received(CredentialType::Llm, &fields, None).await;
    assert_eq!(received.header("x-team"), ["team-secret"]);
    assert_eq!(received.header("openai-organization"), ["org-7"]);
}

#[tokio::test]
async fn a_git_host_gets_user_name_and_token() {
    let fields = [
        ("provider", "gitea"),
        ("auth", "token"),
        ("username", "robot"),
        ("access_token", "token-0123456789"),
    ];
    let received = received(CredentialType::Git, &fields, None).await;
    // robot:token-0123456789
    let expected = "Basic cm9ib3Q6dG9rZW4tMDEyMzQ1Njc4OQ==";
    assert_eq!(received.header("authorization"), [expected]);
}

#[tokio::test]
async fn a_bot_has_its_token_in_the_path() {
    let fields = [("adapter", "telegram"), ("token", "123:AAbb_cc-dd")];
    let received = received(CredentialType::Gateway, &fields, None).await;
    assert_eq!(received.target(), "/bot123:AAbb_cc-dd/path?q=1");
}

#[tokio::test]
async fn a_rule_says_where_the_secret_of_another_service_goes() {
    let header = AuthRule::Header(HeaderRule {
        name: "X-Key".to_owned(),
        field: "key".to_owned(),
        prefix: "Token ".to_owned(),
    });
    let fields = [("key", "secret-0123"), ("user", "robot")];
    let got = received(CredentialType::Generic, &fields, Some(header)).await;
    assert_eq!(got.header("x-key"), ["Token secret-0123"]);
    assert!(!got.head.contains("robot"), "a secret that is not needed");

    let query = AuthRule::Query(QueryRule {
        name: "api key".to_owned(),
        field: "config.key".to_owned(),
    });
    let fields = [("tool_type", "search"), ("config.key", "a+b&c=\u{e9}")];
    let got = received(CredentialType::Tool, &fields, Some(query)).await;
    assert_eq!(got.target(), "/path?q=1&api%20key=a%2Bb%26c%3D%C3%A9");

    let basic = AuthRule::Basic(BasicRule {
        username: None,
        username_field: Some("user".to_owned()),
        password_field: "key".to_owned(),
    });
    let fields = [("key", "secret-0123"), ("user", "robot")];
    let got = received(CredentialType::Generic, &fields, Some(basic)).await;
    // robot:secret-0123
    assert_eq!(
        got.header("authorization"),
        ["Basic cm9ib3Q6c2VjcmV0LTAxMjM="]
    );
}

#[tokio::test]
async fn what_the_client_sends_goes_along_and_what_is_about_it_does_not() {
    let upstream = Upstream::answering(|_| ok(b""));
    let world = World::new();
    let id = world.model(&upstream.url("/v1"));
    let mut asked = request("POST", "/chat/completions?stream=1", "{\"a\": 1}");
    for (name, value) in [
        ("authorization", "Bearer of-the-client"),
        ("content-type", "application/json"),
        ("x-stainless-lang", "python"),
        ("user-agent", "OpenAI/Python"),
        ("cookie", "session=1"),
        ("x-forwarded-for", "192.0.2.1"),
        ("connection", "x-hop"),
        ("x-hop", "1"),
        ("host", "keyward.example"),
        ("accept-encoding", "gzip, br"),
        ("expect", "100-continue"),
    ] {
        asked
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    world.ask(id, asked).await.unwrap();
    let received = upstream.received().remove(0);
    assert_eq!(received.target(), "/v1/chat/completions?stream=1");
    assert_eq!(received.body, b"{\"a\": 1}");
    assert_eq!(received.header("content-type"), ["application/json"]);
    assert_eq!(received.header("x-stainless-lang"), ["python"]);
    assert_eq!(received.header("user-agent"), ["OpenAI/Python"]);
    assert_eq!(
        received.header("authorization"),
        [format!("Bearer {SECRET}")]
    );
    assert_eq!(received.header("host"), [upstream.address.to_string()]);
    assert_eq!(received.header("accept-encoding"), ["identity"]);
    assert_eq!(received.header("content-length"), ["8"]);
    for gone in ["cookie", "x-forwarded-for", "x-hop", "connection", "expect"] {
        assert_eq!(received.header(gone), [""; 0], "{gone}");
    }
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let upstream = Upstream::answering(|_| ok(b"x"));
    let world = World::new();
    let id = world.model(&upstream.url("/v1"));
    for _ in 0..20 {
        world.get(id, "/models").await.unwrap();
    }
    assert_eq!(upstream.connections(), 1);
    assert_eq!(upstream.received().len(), 20);
}
