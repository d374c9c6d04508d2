//! The API of `OpenAI`, as far as the clients here ask for it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::fake::{Fake, Received, Reply};
use crate::watched::REAL;

pub(crate) fn openai() -> Fake {
    Fake::start(|received| {
        if received.header("authorization") != Some(&format!("Bearer {REAL}")) {
            return error(401, "invalid_api_key", &[]);
        }
        answer(received)
    })
}

fn answer(received: &Received) -> Reply {
    match (received.method(), received.path()) {
        ("GET", "/v1/models") => Reply::Json(
            200,
            &[],
            json!({ "object": "list", "data": [
            { "id": "model-a", "object": "model", "created": 1, "owned_by": "nobody" },
        ] }),
        ),
        ("POST", "/v1/chat/completions") => chat(&received.json()),
        ("POST", "/v1/responses") => responses(&received.json()),
        ("POST", "/v1/embeddings") => Reply::Json(
            200,
            &[],
            json!({
                "object": "list", "model": "e", "usage": { "prompt_tokens": 1, "total_tokens": 1 },
                "data": [{ "object": "embedding", "index": 0, "embedding": [0.5, -0.25] }],
            }),
        ),
        ("POST", "/v1/files") => {
            let is_form = received
                .header("content-type")
                .unwrap()
                .starts_with("multipart/form-data");
            let whole = received
                .body
                .windows(FILE.len())
                .any(|part| part == FILE.as_bytes());
            assert!(is_form && whole, "the upload is not what was sent");
            Reply::Json(200, &[], file())
        }
        ("GET", "/v1/files") => Reply::Json(
            200,
            &[],
            json!({ "object": "list", "data": [file()], "has_more": false }),
        ),
        ("GET", "/v1/files/file-1/content") => Reply::Bytes(FILE.repeat(1_000).into_bytes()),
        ("DELETE", "/v1/files/file-1") => Reply::Json(
            200,
            &[],
            json!({ "id": "file-1", "object": "file", "deleted": true }),
        ),
        _ => error(404, "not_found", &[]),
    }
}

fn chat(asked: &Value) -> Reply {
    match asked["model"].as_str().unwrap() {
        "limited" => return error(429, "rate_limit_exceeded", &[("retry-after", "1")]),
        "broken" => return error(500, "server_error", &[]),
        "missing" => return error(404, "model_not_found", &[]),
        "wrong" => return error(400, "invalid_request_error", &[]),
        _ => {}
    }
    let last = asked["messages"].as_array().unwrap().last().unwrap();
    let calls = asked["tools"].is_array() && last["role"] != "tool";
    if asked["stream"] == json!(true) {
        return Reply::Events(PAUSE, if calls { tool_events() } else { text_events() });
    }
    let message = if calls {
        json!({ "role": "assistant", "content": null, "tool_calls": [{
            "id": "call-1", "type": "function",
            "function": { "name": "weather", "arguments": "{\"city\":\"Oslo\"}" },
        }] })
    } else {
        json!({ "role": "assistant", "content": format!("You said: {}", last["content"].as_str().unwrap()) })
    };
    let reason = if calls { "tool_calls" } else { "stop" };
    Reply::Json(
        200,
        &[("x-request-id", "req-upstream")],
        json!({
            "id": "chat-1", "object": "chat.completion", "created": 1, "model": "model-a",
            "choices": [{ "index": 0, "message": message, "finish_reason": reason }],
            "usage": { "prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3 },
        }),
    )
}

fn text_events() -> Vec<String> {
    let words = ["s", "k", "y", " is", " blue"]
        .map(|word| chunk(&json!({ "content": word }), &Value::Null));
    let last = chunk(&json!({}), &json!("stop"));
    words
        .into_iter()
        .chain([last, "data: [DONE]\n\n".to_owned()])
        .collect()
}

fn tool_events() -> Vec<String> {
    let call = |index: usize, part: &Value| {
        chunk(
            &json!({ "tool_calls": [part] }),
            &if index == 2 {
                json!("tool_calls")
            } else {
                Value::Null
            },
        )
    };
    let parts = [
        json!({ "index": 0, "id": "call-1", "type": "function", "function": { "name": "weather", "arguments": "" } }),
        json!({ "index": 0, "function": { "arguments": "{\"city\":" } }),
        json!({ "index": 0, "function": { "arguments": "\"Oslo\"}" } }),
    ];
    let chunks = parts
        .iter()
        .enumerate()
        .map(|(index, part)| call(index, part));
    chunks.chain(["data: [DONE]\n\n".to_owned()]).collect()
}

fn chunk(delta: &Value, reason: &Value) -> String {
    let chunk = json!({
        "id": "chat-1", "object": "chat.completion.chunk", "created": 1, "model": "model-a",
        "choices": [{ "index": 0, "delta": delta, "finish_reason": reason }],
    });
    format!("data: {chunk}\n\n")
}

fn responses(asked: &Value) -> Reply {
    let whole = json!({
        "id": "resp-1", "object": "response", "created_at": 1, "status": "completed", "model": "model-a",
        "error": null, "incomplete_details": null, "instructions": null, "metadata": {},
        "parallel_tool_calls": true, "temperature": 1.0, "tool_choice": "auto", "tools": [], "top_p": 1.0,
        "output": [{ "type": "message", "id": "msg-1", "status": "completed", "role": "assistant",
            "content": [{ "type": "output_text", "text": "hello", "annotations": [] }] }],
        "usage": { "input_tokens": 1, "output_tokens": 1, "total_tokens": 2,
            "input_tokens_details": { "cached_tokens": 0 }, "output_tokens_details": { "reasoning_tokens": 0 } },
    });
    if asked["stream"] != json!(true) {
        return Reply::Json(200, &[], whole);
    }
    let delta = |number: u32, text: &str| {
        json!({
            "type": "response.output_text.delta", "item_id": "msg-1", "output_index": 0, "content_index": 0,
            "sequence_number": number, "delta": text, "logprobs": [],
        })
    };
    let done = json!({ "type": "response.completed", "sequence_number": 3, "response": whole });
    let events = [delta(1, "hel"), delta(2, "lo"), done].map(|event| {
        format!(
            "event: {}\ndata: {event}\n\n",
            event["type"].as_str().unwrap()
        )
    });
    Reply::Events(PAUSE, events.to_vec())
}

fn file() -> Value {
    json!({ "id": "file-1", "object": "file", "bytes": 9, "created_at": 1, "filename": "a.jsonl",
        "purpose": "batch", "status": "processed" })
}

fn error(status: u16, code: &str, headers: &'static [(&str, &str)]) -> Reply {
    Reply::Json(
        status,
        headers,
        json!({ "error": {
        "message": format!("it is {code}"), "type": code, "param": null, "code": code,
    } }),
    )
}

/// Long enough to tell a stream from a whole answer.
pub(crate) const PAUSE: Duration = Duration::from_millis(60);
/// What clients upload, a line of it.
const FILE: &str = "{\"line\": \"of a file that is uploaded\"}\n";
