//! Whole requests and whole answers, for those who have no use for streams.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use keyward_auth::Permit;
use keyward_auth::needs::CredentialsUse;
use keyward_credentials::{
    CallAnswer, CallError, CallRequest, CallServices, Caller, Calling, Model, Tested, Which,
};
use tokio::time::timeout;

use crate::Broker;
use crate::answer::Scrubbed;

impl CallServices for Broker {
    fn call(
        &self,
        caller: Permit<CredentialsUse>,
        which: Which,
        request: CallRequest,
    ) -> Calling<CallAnswer> {
        let broker = self.clone();
        Box::pin(async move {
            let request = assembled(request)?;
            let answered = async {
                let answer = broker
                    .pass(Caller::Known(caller), which, VIA, request)
                    .await?;
                collected(answer, MAX_ANSWER).await
            };
            timeout(PATIENCE, answered)
                .await
                .map_err(|_elapsed| CallError::TimedOut)?
        })
    }

    fn test(&self, caller: Permit<CredentialsUse>, which: Which) -> Calling<Tested> {
        let broker = self.clone();
        Box::pin(async move { broker.tested(caller, which).await })
    }

    fn models(&self, caller: Permit<CredentialsUse>, which: Which) -> Calling<Vec<Model>> {
        let broker = self.clone();
        Box::pin(async move { broker.listed(caller, which).await })
    }
}

fn assembled(request: CallRequest) -> Result<Request<Full<Bytes>>, CallError> {
    let method = Method::try_from(request.method.as_str());
    let mut assembled = Request::builder()
        .method(method.map_err(|_| CallError::Malformed("the method is none of HTTP"))?)
        .uri(request.target)
        .body(Full::new(Bytes::from(request.body)))
        .map_err(|_| CallError::Malformed("the path is not one that can be passed on"))?;
    for (name, value) in request.headers {
        let name = HeaderName::try_from(name);
        let value = HeaderValue::try_from(value);
        let (Ok(name), Ok(value)) = (name, value) else {
            return Err(CallError::Malformed(
                "a header field has a name or value that HTTP does not allow",
            ));
        };
        assembled.headers_mut().append(name, value);
    }
    Ok(assembled)
}

/// The answer with up to `max` bytes of its body. What is more is not waited for.
pub(crate) async fn collected(
    answer: Response<Scrubbed>,
    max: usize,
) -> Result<CallAnswer, CallError> {
    let (parts, mut rest) = answer.into_parts();
    let mut body = Vec::new();
    let mut truncated = false;
    while let Some(frame) = rest.frame().await {
        let frame = frame.map_err(|_| CallError::BadAnswer)?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let room = max - body.len();
        if data.len() > room {
            body.extend_from_slice(data.get(..room).unwrap_or_default());
            truncated = true;
            break;
        }
        body.extend_from_slice(&data);
    }
    let fields = parts.headers.iter();
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Ok(CallAnswer {
        status: parts.status.as_u16(),
        headers: fields
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect(),
        body,
        truncated,
    })
}

const VIA: &str = "mcp";
/// Bytes of a body that somebody reads as a whole.
const MAX_ANSWER: usize = 64 * 1_024;
/// Shorter than whoever asked waits.
const PATIENCE: Duration = Duration::from_secs(50);
