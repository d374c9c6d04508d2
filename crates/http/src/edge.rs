use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _};
use keyward_core::Id;

use crate::Problem;
use crate::measure;
use crate::relay::FromElsewhere;
use crate::unread::Unread;

/// What every answer gets, whoever gives it: a request id, headers that keep browsers and caches
/// from doing what they should not, a problem document in place of a bare error, and a log line.
/// The connection ends with an answer that came before its request was complete.
///
/// Wrap the application with it: `App::new().wrap(from_fn(edge))`.
///
/// # Errors
///
/// Those of middleware that is wrapped inside of it, as they are; what handlers return as errors has
/// become an answer before.
pub async fn edge(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    let id = RequestId::of(request.headers());
    request.extensions_mut().insert(id.clone());
    let unread = Unread::of(&mut request);
    let response = next.call(request).await?.map_into_boxed_body();
    let mut response = with_problem(response);
    if let Some(unread) = unread {
        response = unread.until(response);
    }
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        headers.insert(X_REQUEST_ID, value);
    }
    for (name, value) in SECURITY_HEADERS {
        if !headers.contains_key(&name) {
            headers.insert(name, value);
        }
    }
    measure::answered(&response, started.elapsed());
    log(&response, &id, started);
    Ok(response)
}

/// Names one request in the log, in the audit log, and in the answer.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(String);

impl RequestId {
    /// The id that the client sent, if it is harmless; else a new one.
    fn of(headers: &HeaderMap) -> Self {
        let sent = headers.get(X_REQUEST_ID).and_then(|id| id.to_str().ok());
        let harmless = |id: &&str| {
            (1..=64).contains(&id.len())
                && id
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
                // A key sent in the wrong header must not end up in logs.
                && !id.contains("kw_")
        };
        Self(
            sent.filter(harmless)
                .map_or_else(|| Id::<Self>::generate().to_string(), str::to_owned),
        )
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Errors that actix answers by itself, such as a path that is not UTF-8, get a body too.
fn with_problem(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let status = response.status();
    let is_from_elsewhere = response.response().extensions().contains::<FromElsewhere>();
    let has_body = response.headers().contains_key(header::CONTENT_TYPE);
    if has_body || is_from_elsewhere || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let problem = if status.is_client_error() {
        Problem::malformed("the request is not one that this server understands")
    } else {
        Problem::internal()
    };
    let (request, _) = response.into_parts();
    let answer = actix_web::ResponseError::error_response(&problem.with_status(status));
    ServiceResponse::new(request, answer)
}

fn log(response: &ServiceResponse<BoxBody>, id: &RequestId, started: Instant) {
    let method = response.request().method();
    let status = response.status();
    if status.is_server_error() {
        line!(error, response, id, started);
    } else if status.is_client_error() || !method.is_safe() {
        line!(info, response, id, started);
    } else {
        line!(debug, response, id, started);
    }
}

/// One line of the log. Its fields are computed only when the level is wanted.
macro_rules! line {
    ($level:ident, $response:ident, $id:ident, $started:ident) => {
        tracing::$level!(
            method = %$response.request().method(),
            // The pattern and not the path: what a client puts into a path is not ours to keep.
            route = $response.request().match_pattern().as_deref().unwrap_or("unmatched"),
            status = $response.status().as_u16(),
            micros = u64::try_from($started.elapsed().as_micros()).unwrap_or(u64::MAX),
            request_id = $id.as_str(),
            "answered"
        )
    };
}
use line;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Secrets may be in any answer, so none is cached; nothing here is meant to be framed or run.
const SECURITY_HEADERS: [(HeaderName, HeaderValue); 6] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; form-action 'none'; frame-ancestors 'none'"),
    ),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];
