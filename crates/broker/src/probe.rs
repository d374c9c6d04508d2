//! What Keyward itself asks services: whether a credential is taken, and which models there are.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::Empty;
use keyward_auth::Permit;
use keyward_auth::needs::CredentialsUse;
use keyward_credentials::{
    Asked, CallAnswer, CallError, Caller, Model, Probe, Template, Tested, UseError, Wanted, Which,
};
use serde::Deserialize;
use tokio::time::timeout;

use crate::broker::{Broker, Outgoing};
use crate::calls::collected;
use crate::inject::address;

impl Broker {
    pub(crate) async fn tested(
        &self,
        caller: Permit<CredentialsUse>,
        which: Which,
    ) -> Result<Tested, CallError> {
        match self.probed(caller, which, Probe::Test).await {
            Ok((answer, template)) => Ok(verdict(&answer, &template)),
            Err(CallError::Use(UseError::NoTemplate)) => Ok(Tested::Not("no built-in test")),
            Err(CallError::Unreachable) => Ok(Tested::Not("unreachable")),
            Err(CallError::TimedOut) => Ok(Tested::Not("timeout")),
            Err(CallError::BadAnswer) => Ok(Tested::Not("no HTTP answer")),
            Err(CallError::ForbiddenAddress(_)) => Ok(Tested::Not("forbidden address")),
            Err(CallError::UnusableSecret) => Ok(Tested::Not("unusable secret")),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn listed(
        &self,
        caller: Permit<CredentialsUse>,
        which: Which,
    ) -> Result<Vec<Model>, CallError> {
        let (answer, _) = self.probed(caller, which, Probe::Models).await?;
        if answer.status != StatusCode::OK.as_u16() || answer.truncated {
            return Err(CallError::BadAnswer);
        }
        models(&answer.body).ok_or(CallError::BadAnswer)
    }

    async fn probed(
        &self,
        caller: Permit<CredentialsUse>,
        which: Which,
        probe: Probe,
    ) -> Result<(CallAnswer, Template), CallError> {
        let wanted = Wanted {
            caller: Caller::Known(caller),
            which,
            asked: Asked::Probe(probe),
            body_bytes: Some(0),
        };
        let lease = self.desk.open(wanted).await?;
        let template = lease.call.template.ok_or(UseError::NoTemplate)?;
        let mut headers = HeaderMap::new();
        headers.insert(
            header::ACCEPT_ENCODING,
            HeaderValue::from_static("identity"),
        );
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static("keyward"));
        if let Some((name, value)) = template.header {
            headers.insert(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        let out = Outgoing {
            method: Method::try_from(template.method).map_err(|_| UseError::NoTemplate)?,
            url: address(&lease, template.query)?,
            headers,
            body: Empty::<Bytes>::new(),
        };
        let answered = async { collected(self.send(&lease, out).await?, MAX_ANSWER).await };
        let answer = timeout(PATIENCE, answered).await;
        Ok((answer.map_err(|_elapsed| CallError::TimedOut)??, template))
    }
}

/// Only a class of answers is told: what a service says may be about anything.
fn verdict(answer: &CallAnswer, template: &Template) -> Tested {
    let says_ok = template.says_ok.is_none_or(|member| {
        let body: Option<serde_json::Value> = serde_json::from_slice(&answer.body).ok();
        body.is_some_and(|body| body.get(member) == Some(&serde_json::Value::Bool(true)))
    });
    match answer.status {
        200..=299 if says_ok => Tested::Accepted,
        200..=299 => Tested::Not("refused by the service"),
        300..=399 => Tested::Not("redirect"),
        401 => Tested::Not("status 401"),
        403 => Tested::Not("status 403"),
        404 => Tested::Not("status 404"),
        429 => Tested::Not("status 429"),
        400..=499 => Tested::Not("status 4xx"),
        _ => Tested::Not("status 5xx"),
    }
}

/// The lists of most providers (`data`), and of Gemini (`models`).
fn models(body: &[u8]) -> Option<Vec<Model>> {
    let list: List = serde_json::from_slice(body).ok()?;
    let entries = list.data.or(list.models)?;
    Some(
        entries
            .into_iter()
            .filter_map(Entry::model)
            .take(MAX_MODELS)
            .collect(),
    )
}

#[derive(Deserialize)]
struct List {
    data: Option<Vec<Entry>>,
    models: Option<Vec<Entry>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    id: Option<String>,
    name: Option<String>,
    #[serde(alias = "display_name")]
    display_name: Option<String>,
}

impl Entry {
    fn model(self) -> Option<Model> {
        let id = self.id.or_else(|| self.name.clone())?;
        // Gemini's names are paths.
        let id = id.strip_prefix("models/").unwrap_or(&id).to_owned();
        let name = self
            .display_name
            .or(self.name)
            .unwrap_or_else(|| id.clone());
        let is_shown = |text: &str| {
            (1..=200).contains(&text.chars().count()) && !text.chars().any(char::is_control)
        };
        (is_shown(&id) && is_shown(&name)).then_some(Model { id, name })
    }
}

const MAX_ANSWER: usize = 1 << 20;
const MAX_MODELS: usize = 1_000;
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> CallAnswer {
        CallAnswer {
            status,
            headers: Vec::new(),
            body: body.as_bytes().to_vec(),
            truncated: false,
        }
    }

    const PLAIN: Template = Template {
        method: "GET",
        base_url: None,
        path: "/",
        query: None,
        header: None,
        says_ok: None,
    };

    #[test]
    fn a_verdict_tells_a_class_of_answers_and_nothing_of_them() {
        for (status, expected) in [
            (200, Tested::Accepted),
            (204, Tested::Accepted),
            (302, Tested::Not("redirect")),
            (401, Tested::Not("status 401")),
            (418, Tested::Not("status 4xx")),
            (500, Tested::Not("status 5xx")),
            (101, Tested::Not("status 5xx")),
        ] {
            assert_eq!(verdict(&answer(status, "secret"), &PLAIN), expected);
        }
    }

    #[test]
    fn an_answer_that_says_no_with_a_status_of_yes_is_no() {
        let slack = Template {
            says_ok: Some("ok"),
            ..PLAIN
        };
        let no = Tested::Not("refused by the service");
        for (body, expected) in [
            (r#"{"ok": true}"#, Tested::Accepted),
            (r#"{"ok": false}"#, no),
            (r#"{"ok": "true"}"#, no),
            ("", no),
        ] {
            assert_eq!(verdict(&answer(200, body), &slack), expected, "{body}");
        }
    }

    #[test]
    fn the_lists_of_providers_are_read() {
        let model = |id: &str, name: &str| Model {
            id: id.to_owned(),
            name: name.to_owned(),
        };
        for (body, expected) in [
            (
                r#"{"data": [{"id": "gpt-x", "object": "model"}]}"#,
                vec![model("gpt-x", "gpt-x")],
            ),
            (
                r#"{"data": [{"id": "claude-x", "display_name": "Claude X"}]}"#,
                vec![model("claude-x", "Claude X")],
            ),
            (
                r#"{"models": [{"name": "models/gemini-x", "displayName": "Gemini X"}]}"#,
                vec![model("gemini-x", "Gemini X")],
            ),
            (r#"{"data": [{"id": "a\nb"}, {"id": ""}, {}]}"#, vec![]),
        ] {
            assert_eq!(models(body.as_bytes()), Some(expected), "{body}");
        }
        assert_eq!(models(b"[]"), None);
        assert_eq!(models(br#"{"error": 1}"#), None);
    }
}
