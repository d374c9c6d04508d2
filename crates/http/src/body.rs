use std::time::Duration;

use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use actix_web::{HttpRequest, rt::time::timeout, web};
use futures_util::StreamExt as _;
use serde::de::{DeserializeOwned, IgnoredAny};
use zeroize::Zeroizing;

use crate::Problem;
use crate::problem::FieldError;

/// Reads the body of a request: at most 64 KiB of JSON, within five seconds.
pub(crate) async fn read(
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let body = timeout(DEADLINE, collect(payload))
        .await
        .map_err(|_| Problem::timed_out())??;
    if !body.is_empty() && !is_json(request) {
        return Err(Problem::media_type());
    }
    Ok(body)
}

async fn collect(mut payload: web::Payload) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let mut body = Zeroizing::new(Vec::new());
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Problem::malformed("the body ended early"))?;
        if body.len() + chunk.len() > MAX_BODY {
            return Err(Problem::too_large());
        }
        grow(&mut body, chunk.len());
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Makes room without leaving a copy of what is there behind, as a plain reallocation would.
fn grow(body: &mut Zeroizing<Vec<u8>>, more: usize) {
    if body.capacity() - body.len() < more {
        let capacity = (body.len() + more).next_power_of_two().min(MAX_BODY);
        let mut larger = Zeroizing::new(Vec::with_capacity(capacity));
        larger.extend_from_slice(body);
        *body = larger;
    }
}

fn is_json(request: &HttpRequest) -> bool {
    let mut types = request.headers().get_all(CONTENT_TYPE);
    let (Some(only), None) = (types.next(), types.next()) else {
        return false;
    };
    let essence = only.to_str().unwrap_or_default().split(';').next();
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
        && !request.headers().contains_key(CONTENT_ENCODING)
}

/// Reads JSON. An absent body is an empty object.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let body = if body.is_empty() { b"{}" } else { body };
    if depth(body) > MAX_DEPTH {
        return Err(Problem::malformed("the JSON is nested more than 32 deep"));
    }
    // serde would take the fields of a struct from a list, by their order.
    if body.trim_ascii_start().starts_with(b"[") {
        let error = FieldError::new("body", "expected an object");
        return Err(Problem::invalid(vec![error]));
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let value =
        serde_path_to_error::deserialize(&mut json).map_err(|error| problem(&error, body))?;
    json.end()
        .map_err(|_| Problem::malformed("something follows the JSON value"))?;
    Ok(value)
}

/// The deepest nesting of brackets outside of strings.
fn depth(json: &[u8]) -> usize {
    let (mut deepest, mut depth) = (0_usize, 0_usize);
    let (mut in_string, mut escaped) = (false, false);
    for byte in json {
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b'[' | b'{') => depth += 1,
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// Says where and what without quoting a value: a secret may stand in the wrong place.
fn problem(error: &serde_path_to_error::Error<serde_json::Error>, body: &[u8]) -> Problem {
    let cause = error.inner();
    let message = cause.to_string();
    // serde_json speaks of a syntax error, too, where it wants a word of a list and finds a number.
    let is_json = cause.is_data()
        || message.starts_with("expected value")
            && serde_json::from_slice::<IgnoredAny>(body).is_ok();
    if !is_json {
        return Problem::malformed(format!(
            "not JSON: line {}, column {}",
            cause.line(),
            cause.column()
        ));
    }
    let path = error.path().to_string();
    let field = if path == "." {
        "body".to_owned()
    } else {
        shown(&path)
    };
    Problem::invalid(vec![FieldError::new(field, what(&message))])
}

/// The part of serde's message that comes from us and not from the request. Names of unknown
/// fields are the exception; they are shortened.
fn what(message: &str) -> String {
    if let Some((_, expected)) = message.rsplit_once(", expected ")
        && !message.starts_with("unknown field")
    {
        return format!("expected {}", plainly(without_place(expected)));
    }
    for (start, says) in [
        ("unknown field `", "unknown field"),
        ("missing field `", "missing field"),
        ("duplicate field `", "duplicate field"),
    ] {
        let name = message
            .strip_prefix(start)
            .and_then(|rest| rest.split_once('`'));
        if let Some((name, _)) = name {
            return format!("{says} `{}`", shown(name));
        }
    }
    match without_place(message) {
        "expected value" => "expected one of the values that this field takes".to_owned(),
        message => message.to_owned(),
    }
}

/// What serde expects, in words of JSON and not of Rust.
fn plainly(expected: &str) -> &str {
    match expected {
        "u32" => "a whole number from 0 to 4294967295",
        "a sequence" => "a list",
        _ if expected.starts_with("struct ") => "an object",
        other => other,
    }
}

fn without_place(message: &str) -> &str {
    message
        .rsplit_once(" at line ")
        .map_or(message, |(message, _)| message)
}

fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(100).collect()
}

/// No body of this API comes near it.
const MAX_BODY: usize = 64 * 1_024;
const MAX_DEPTH: usize = 32;
/// With the five seconds that the server gives the head, no request takes more than ten to arrive.
const DEADLINE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        #[serde(default)]
        _flag: bool,
    }

    fn error(json: &str) -> String {
        let problem = parse::<Body>(json.as_bytes()).unwrap_err();
        serde_json::to_string(&problem).unwrap()
    }

    #[test]
    fn no_error_repeats_a_value() {
        for json in [
            r#"{"_flag": "marker-4711"}"#,
            r#"{"_flag": ", expected marker-4711"}"#,
            r#"{"_flag": "` marker-4711 at line "}"#,
            r#""marker-4711""#,
            r#"{"_flag": {"a": "marker-4711"}}"#,
            r#"{"_flag": 4711.4711}"#,
            r#"{"_flag": true, "_flag": "marker-4711"}"#,
            r#"{"_flag": true} marker-4711"#,
        ] {
            let text = error(json);
            assert!(!text.contains("4711"), "{json} gave {text}");
        }
    }

    #[test]
    fn no_error_speaks_of_the_types_of_this_program() {
        for json in [r#""x""#, "null", "1", "[]", "[true]"] {
            let text = error(json);
            assert!(text.contains("expected an object"), "{json} gave {text}");
        }
    }

    #[test]
    fn an_unknown_field_is_named() {
        let text = error(r#"{"falg": true}"#);
        assert!(text.contains("unknown field `falg`"), "{text}");
    }

    #[test]
    fn brackets_in_strings_are_not_nesting() {
        assert_eq!(depth(br#"{"a": "[[[[\"[[[["}"#), 1);
        assert_eq!(depth(br#"[[{"a": []}]]"#), 4);
    }

    #[test]
    fn deep_nesting_is_refused_and_does_not_overflow() {
        let deep = "[".repeat(60_000);
        assert!(error(&deep).contains("nested"));
    }
}
