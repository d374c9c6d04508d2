//! The packages of `OpenAI` and Anthropic for Python and Node.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::anthropic::anthropic;
use crate::fake::{Fake, Reply};
use crate::openai::{PAUSE, openai};
use crate::programs::{node, python, report, script};
use crate::scanner::Scanner;
use crate::watched::{REAL, Watched};

#[test]
fn the_python_package_of_openai_works_as_it_is() {
    let Some(python) = python() else { return };
    with_openai(Command::new(python).arg(script("openai_client.py")));
}

#[test]
fn the_node_package_of_openai_works_as_it_is() {
    let Some(packages) = node() else { return };
    std::fs::copy(
        script("openai_client.mjs"),
        packages.join("openai_client.mjs"),
    )
    .unwrap();
    with_openai(
        Command::new("node")
            .arg("openai_client.mjs")
            .current_dir(packages),
    );
}

#[test]
fn the_python_package_of_anthropic_works_as_it_is() {
    let Some(python) = python() else { return };
    let client = &mut Command::new(python);
    with_anthropic(client.arg(script("anthropic_client.py")));
}

#[test]
fn the_node_package_of_anthropic_works_as_it_is() {
    let Some(packages) = node() else { return };
    std::fs::copy(
        script("anthropic_client.mjs"),
        packages.join("anthropic_client.mjs"),
    )
    .unwrap();
    let client = &mut Command::new("node");
    let client = client.arg("anthropic_client.mjs").current_dir(packages);
    with_anthropic(client);
}

fn with_openai(client: &mut Command) {
    let fake = openai();
    let watched = Watched::start();
    let detail = json!({ "provider": "openai", "api_key": REAL, "base_url": fake.url("/v1") });
    watched.keep("my models", "llm", &detail, &Value::Null);
    let url = watched.url("my%20models");
    let variables = [
        ("OPENAI_BASE_URL", url.as_str()),
        ("OPENAI_API_KEY", &watched.key),
    ];
    let mut report = report(client, &variables);
    assert_streamed(&mut report, 5);
    assert_eq!(
        report,
        json!({
            "models": ["model-a"],
            "chat": "You said: good morning",
            "streamed": "sky is blue",
            "tool": ["weather", { "city": "Oslo" }],
            "after_tool": "You said: rain",
            "tool_streamed": "{\"city\":\"Oslo\"}",
            "response": "hello",
            "response_streamed": "hello",
            "embedding": [0.5, -0.25],
            "file": "file-1",
            "files": ["file-1"],
            "content_is_whole": true,
            "deleted": true,
            "errors": {
                "limited": ["RateLimitError", 429, "rate_limit_exceeded"],
                "broken": ["InternalServerError", 500, "server_error"],
                "missing": ["NotFoundError", 404, "model_not_found"],
                "wrong": ["BadRequestError", 400, "invalid_request_error"],
            },
            "waited_as_told": true,
            "wrong_key": 401,
        })
    );
    watched.assert_apart(&fake.bytes(), REAL);
}

fn with_anthropic(client: &mut Command) {
    let fake = anthropic();
    let watched = Watched::start();
    let detail = json!({ "provider": "anthropic", "api_key": REAL, "base_url": fake.url("") });
    let id = watched.keep("claude", "llm", &detail, &Value::Null);
    let url = watched.url(&id);
    let variables = [
        ("ANTHROPIC_BASE_URL", url.as_str()),
        ("ANTHROPIC_API_KEY", &watched.key),
    ];
    let mut report = report(client, &variables);
    assert_streamed(&mut report, 3);
    assert_eq!(
        report,
        json!({
            "models": ["model-a"],
            "chat": "hello",
            "tokens": 42,
            "streamed": "hello",
            "tool": ["weather", { "city": "Oslo" }],
            "after_tool": "hello",
            "tool_streamed": { "city": "Oslo" },
            "file": "file-1",
            "content": "a,b\n1,2\n",
            "deleted": "file-1",
            "errors": {
                "limited": ["RateLimitError", 429, "rate_limit_error"],
                "overloaded": ["OverloadedError", 529, "overloaded_error"],
                "missing": ["NotFoundError", 404, "not_found_error"],
                "wrong": ["BadRequestError", 400, "invalid_request_error"],
            },
            "wrong_key": 401,
        })
    );
    watched.assert_apart(&fake.bytes(), REAL);
}

/// The pieces came one after the other, as they were sent, and not all at the end.
fn assert_streamed(report: &mut Value, pauses: u32) {
    let report = report.as_object_mut().unwrap();
    let took = report.remove("stream_seconds").unwrap().as_f64().unwrap();
    let sent = (PAUSE * pauses).as_secs_f64();
    assert!(
        took > sent / 2.0,
        "{took} s for what was sent within {sent} s"
    );
}

/// The control of the look at every byte: a service that repeats the key, in a header field, a body,
/// and in events across the borders of chunks, is noticed at the service, and only there.
#[test]
fn a_service_that_repeats_the_key_repeats_it_to_nobody() {
    let fake = Fake::start(|received| {
        let line = received.header("authorization").unwrap().to_owned();
        if received.path() == "/v1/events" {
            let (first, second) = line.split_at(line.len() / 2);
            let halves = [format!("data: {first}"), format!("{second}\n\n")];
            return Reply::Events(Duration::from_millis(20), halves.to_vec());
        }
        let head = format!(
            "HTTP/1.1 500 Oops\r\nx-debug: {line}\r\ncontent-length: {}\r\n\r\n",
            line.len()
        );
        Reply::Raw(vec![
            head.into_bytes(),
            line[..20].into(),
            line[20..].into(),
        ])
    });
    let watched = Watched::start();
    let detail = json!({ "provider": "openai", "api_key": REAL, "base_url": fake.url("/v1") });
    let id = watched.keep("leaky", "llm", &detail, &Value::Null);
    let agent = watched.client();
    for path in ["events", "body"] {
        let answer = agent.get(&format!("/broker/{id}/{path}"));
        let stars = "*".repeat(REAL.len());
        assert!(answer.body.contains(&stars), "{answer:?}");
    }
    let metrics = watched.admin.get("/metrics").body;
    let counted =
        format!("keyward_broker_requests_total{{credential=\"{id}\",outcome=\"answered\"}} 2");
    assert!(metrics.contains(&counted), "{metrics}");
    assert!(
        metrics.contains("keyward_broker_scrubbed_total 3"),
        "{metrics}"
    );
    watched.assert_apart(&fake.bytes(), REAL);
    // Without the broker the same bytes are found.
    let direct = Watched::directly(fake.address, REAL);
    assert!(
        !Scanner::new([("real", REAL)])
            .scan(direct.get("/v1/body").all().as_bytes())
            .is_empty()
    );
}

#[test]
fn a_credential_is_tested_and_its_models_are_listed() {
    let (first, second) = (openai(), anthropic());
    let watched = Watched::start();
    for (provider, url, model) in [
        (
            "openai",
            first.url("/v1"),
            json!({ "id": "model-a", "name": "model-a" }),
        ),
        (
            "anthropic",
            second.url(""),
            json!({ "id": "model-a", "name": "Model A" }),
        ),
    ] {
        for (key, ok, error) in [
            (REAL, true, Value::Null),
            ("sk-wrong-0123", false, json!("status 401")),
        ] {
            let detail = json!({ "provider": provider, "api_key": key, "base_url": url });
            let id = watched.keep("tested", "llm", &detail, &Value::Null);
            let path = format!("/api/v1/credentials/{id}");
            let tested = watched.client().post(&format!("{path}/test"), &json!({}));
            assert_eq!(tested.expect(200), json!({ "ok": ok, "error": error }));
            let models = watched.client().get(&format!("{path}/models"));
            if ok {
                assert_eq!(models.expect(200), json!([model]));
            } else {
                models.expect(502);
            }
        }
    }
    watched.assert_apart(&[first.bytes(), second.bytes()].concat(), REAL);
}
