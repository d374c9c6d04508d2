//! The tool by which agents ask other services.

use std::collections::BTreeMap;
use std::sync::Arc;

use data_encoding::BASE64;
use keyward_auth::Permit;
use keyward_auth::needs::CredentialsUse;
use keyward_credentials::{CallAnswer, CallRequest, CallServices, Which};
use rmcp::model::ToolAnnotations;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::failure::Failure;
use crate::tool::{Declared, Later};

pub(crate) fn tool<S: 'static>() -> Declared<S> {
    let annotations = ToolAnnotations::with_title("Use a credential")
        .read_only(false)
        .destructive(true)
        .open_world(true);
    Declared::asking(USE, annotations, use_credential)
}

const USE: (&str, &str) = (
    "use_credential",
    "Sends an HTTP request to the service of a credential, with the credential in it, and gives you \
     the answer. You never need the key of the service: leave out headers that carry it. Name the \
     credential as list_credentials does, and the path as the service documents it. Answers are cut \
     off after 64 KiB.",
);

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// The id or the name of the credential.
    credential: String,
    /// `GET`, `POST`, …; if not given, `GET`, or `POST` where there is something to send.
    method: Option<String>,
    /// Path and query below the base URL of the credential, such as `/models?limit=5`.
    path: String,
    /// Header fields to send along.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// The body, as text.
    body: Option<String>,
    /// The body, as JSON, in place of `body`.
    json: Option<Value>,
}

#[derive(Serialize, JsonSchema)]
struct Answered {
    /// The status of the answer.
    status: u16,
    /// Its header fields.
    headers: BTreeMap<String, String>,
    /// Its body, where that is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    /// Its body in base64, where that is no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
    /// Whether only the beginning of the body is here.
    truncated: bool,
}

fn use_credential(
    calls: &Arc<dyn CallServices>,
    caller: Permit<CredentialsUse>,
    asked: Asked,
) -> Later<Answered> {
    let which = Which::parse(&asked.credential)
        .map_err(|_| Failure::arguments("credential: expected an id or a name"));
    let request = asked.request();
    let calling = which.and_then(|which| Ok(calls.call(caller, which, request?)));
    Box::pin(async move { Ok(calling?.await?.into()) })
}

impl Asked {
    fn request(self) -> Result<CallRequest, Failure> {
        let mut headers: Vec<_> = self.headers.into_iter().collect();
        let has_type = |headers: &[(String, String)]| {
            headers
                .iter()
                .any(|(name, _)| name.eq_ignore_ascii_case(CONTENT_TYPE))
        };
        let body = match (self.body, self.json) {
            (Some(_), Some(_)) => return Err(Failure::arguments("give either `body` or `json`")),
            (None, None) => None,
            (Some(text), None) => Some(text),
            (None, Some(json)) => {
                if !has_type(&headers) {
                    headers.push((CONTENT_TYPE.to_owned(), "application/json".to_owned()));
                }
                Some(json.to_string())
            }
        };
        let method = if body.is_some() { "POST" } else { "GET" };
        let slash = if self.path.starts_with('/') { "" } else { "/" };
        Ok(CallRequest {
            method: self.method.unwrap_or_else(|| method.to_owned()),
            target: format!("{slash}{}", self.path),
            headers,
            body: body.unwrap_or_default().into_bytes(),
        })
    }
}

impl From<CallAnswer> for Answered {
    fn from(answer: CallAnswer) -> Self {
        let mut headers: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in answer.headers {
            headers
                .entry(name)
                .and_modify(|values| *values = format!("{values}, {value}"))
                .or_insert(value);
        }
        let (body, body_base64) = match text(answer.body, answer.truncated) {
            Ok(text) => (Some(text), None),
            Err(bytes) => (None, Some(BASE64.encode(&bytes))),
        };
        Self {
            status: answer.status,
            headers,
            body,
            body_base64,
            truncated: answer.truncated,
        }
    }
}

/// The bytes as text, if they are. What was cut off may end within a character.
fn text(bytes: Vec<u8>, truncated: bool) -> Result<String, Vec<u8>> {
    String::from_utf8(bytes).or_else(|error| {
        let problem = error.utf8_error();
        let mut bytes = error.into_bytes();
        if !truncated || problem.error_len().is_some() {
            return Err(bytes);
        }
        bytes.truncate(problem.valid_up_to());
        String::from_utf8(bytes).map_err(|error| error.into_bytes())
    })
}

const CONTENT_TYPE: &str = "content-type";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(asked: Value) -> Result<CallRequest, Failure> {
        serde_json::from_value::<Asked>(asked).unwrap().request()
    }

    #[test]
    fn what_is_left_out_of_a_request_is_what_one_expects() {
        let got = request(json!({ "credential": "c", "path": "models?limit=5" })).unwrap();
        assert_eq!(
            (got.method.as_str(), got.target.as_str()),
            ("GET", "/models?limit=5")
        );
        assert!(got.headers.is_empty() && got.body.is_empty());
        let got = request(json!({ "credential": "c", "path": "/x", "json": { "a": 1 } })).unwrap();
        assert_eq!(
            (got.method.as_str(), got.body.as_slice()),
            ("POST", br#"{"a":1}"#.as_slice())
        );
        assert_eq!(
            got.headers,
            [("content-type".to_owned(), "application/json".to_owned())]
        );
        let headers = json!({ "Content-Type": "application/x-ndjson" });
        let asked = json!({ "credential": "c", "path": "/x", "json": 1, "method": "PUT", "headers": headers });
        let got = request(asked).unwrap();
        assert_eq!((got.method.as_str(), got.headers.len()), ("PUT", 1));
        let both = json!({ "credential": "c", "path": "/x", "json": 1, "body": "x" });
        assert!(request(both).is_err());
    }

    #[test]
    fn bytes_that_are_no_text_are_told_from_text_that_was_cut_off() {
        let whole = "\u{e9}".as_bytes().to_vec();
        assert_eq!(text(whole.clone(), false), Ok("\u{e9}".to_owned()));
        let cut = [whole.as_slice(), &whole[..1]].concat();
        assert_eq!(text(cut.clone(), true), Ok("\u{e9}".to_owned()));
        assert_eq!(text(cut.clone(), false), Err(cut));
        let noise = vec![0xff, 0xfe, b'a'];
        assert_eq!(text(noise.clone(), true), Err(noise));
    }
}
