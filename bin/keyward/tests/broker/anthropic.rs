//! The API of Anthropic, as far as the clients here ask for it.

use serde_json::{Value, json};

use crate::fake::{Fake, Received, Reply};
use crate::openai::PAUSE;
use crate::watched::REAL;

pub(crate) fn anthropic() -> Fake {
    Fake::start(|received| {
        let is_real = received.header("x-api-key") == Some(REAL);
        if !is_real || received.header("anthropic-version").is_none() {
            return error(401, "authentication_error", &[]);
        }
        answer(received)
    })
}

fn answer(received: &Received) -> Reply {
    match (received.method(), received.path()) {
        ("GET", "/v1/models") => Reply::Json(
            200,
            &[],
            json!({
                "data": [{ "type": "model", "id": "model-a", "display_name": "Model A", "created_at": "2026-01-01T00:00:00Z" }],
                "has_more": false, "first_id": "model-a", "last_id": "model-a",
            }),
        ),
        ("POST", "/v1/messages") => messages(&received.json()),
        ("POST", "/v1/messages/count_tokens") => {
            Reply::Json(200, &[], json!({ "input_tokens": 42 }))
        }
        ("POST", "/v1/files") => {
            let whole = received.body.windows(4).any(|part| part == b"a,b\n");
            assert!(whole, "the upload is not what was sent");
            Reply::Json(200, &[], file())
        }
        ("GET", "/v1/files/file-1/content") => Reply::Bytes(b"a,b\n1,2\n".to_vec()),
        ("DELETE", "/v1/files/file-1") => {
            Reply::Json(200, &[], json!({ "id": "file-1", "type": "file_deleted" }))
        }
        _ => error(404, "not_found_error", &[]),
    }
}

fn messages(asked: &Value) -> Reply {
    match asked["model"].as_str().unwrap() {
        "limited" => return error(429, "rate_limit_error", &[("retry-after", "1")]),
        "overloaded" => return error(529, "overloaded_error", &[]),
        "missing" => return error(404, "not_found_error", &[]),
        "wrong" => return error(400, "invalid_request_error", &[]),
        _ => {}
    }
    let last = asked["messages"].as_array().unwrap().last().unwrap();
    let answers_tool = last["content"].is_array();
    let calls = asked["tools"].is_array() && !answers_tool;
    if asked["stream"] == json!(true) {
        return Reply::Events(PAUSE, events(calls));
    }
    let content = if calls {
        json!([{ "type": "tool_use", "id": "tool-1", "name": "weather", "input": { "city": "Oslo" } }])
    } else {
        json!([{ "type": "text", "text": "hello" }])
    };
    Reply::Json(
        200,
        &[("request-id", "req-upstream")],
        message(&content, if calls { "tool_use" } else { "end_turn" }),
    )
}

fn message(content: &Value, reason: &str) -> Value {
    json!({ "id": "msg-1", "type": "message", "role": "assistant", "model": "model-a", "content": content,
        "stop_reason": reason, "stop_sequence": null, "usage": { "input_tokens": 1, "output_tokens": 2 } })
}

fn events(calls: bool) -> Vec<String> {
    let (block, deltas) = if calls {
        let deltas = ["{\"city\":", " \"Oslo\"}"]
            .map(|part| json!({ "type": "input_json_delta", "partial_json": part }));
        (
            json!({ "type": "tool_use", "id": "tool-1", "name": "weather", "input": {} }),
            deltas,
        )
    } else {
        let deltas = ["hel", "lo"].map(|text| json!({ "type": "text_delta", "text": text }));
        (json!({ "type": "text", "text": "" }), deltas)
    };
    let mut start = message(&json!([]), "");
    start["stop_reason"] = Value::Null;
    let mut events = vec![
        json!({ "type": "message_start", "message": start }),
        json!({ "type": "content_block_start", "index": 0, "content_block": block }),
        json!({ "type": "ping" }),
    ];
    events.extend(
        deltas.map(|delta| json!({ "type": "content_block_delta", "index": 0, "delta": delta })),
    );
    events.extend([
        json!({ "type": "content_block_stop", "index": 0 }),
        json!({ "type": "message_delta", "usage": { "output_tokens": 2 },
            "delta": { "stop_reason": if calls { "tool_use" } else { "end_turn" }, "stop_sequence": null } }),
        json!({ "type": "message_stop" }),
    ]);
    events
        .into_iter()
        .map(|event| {
            format!(
                "event: {}\ndata: {event}\n\n",
                event["type"].as_str().unwrap()
            )
        })
        .collect()
}

fn file() -> Value {
    json!({ "id": "file-1", "type": "file", "filename": "a.csv", "mime_type": "text/csv", "size_bytes": 8,
        "created_at": "2026-01-01T00:00:00Z", "downloadable": true })
}

fn error(status: u16, kind: &str, headers: &'static [(&str, &str)]) -> Reply {
    Reply::Json(
        status,
        headers,
        json!({ "type": "error", "error": { "type": kind, "message": format!("it is {kind}") } }),
    )
}
