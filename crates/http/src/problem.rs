//! Error answers. What each error of a service becomes is in the file of its service.

mod agents;
mod calls;
mod credentials;
mod encryption;
mod people;

use std::borrow::Cow;
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use keyward_auth::{AuthenticateError, Denied, MissingScope, Scope};
use keyward_core::StoreError;
use serde::Serialize;

use crate::measure;

/// An error answer (RFC 9457).
///
/// It says what a client can act on and never repeats what the client sent. The cause goes to the
/// log.
#[derive(Debug, Serialize)]
pub struct Problem {
    #[serde(rename = "type", serialize_with = "as_type")]
    slug: &'static str,
    title: &'static str,
    #[serde(serialize_with = "as_number")]
    status: StatusCode,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<Cow<'static, str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    #[serde(skip)]
    allow: Option<String>,
    /// Seconds.
    #[serde(skip)]
    retry_after: Option<u32>,
}

/// What is wrong with one field of a request.
#[derive(Debug, Serialize)]
pub(crate) struct FieldError {
    field: String,
    problem: String,
}

impl FieldError {
    pub(crate) fn new(field: impl Into<String>, problem: impl fmt::Display) -> Self {
        Self {
            field: field.into(),
            problem: problem.to_string(),
        }
    }
}

impl Problem {
    fn new(status: StatusCode, slug: &'static str, title: &'static str) -> Self {
        Self {
            slug,
            title,
            status,
            detail: None,
            errors: Vec::new(),
            allow: None,
            retry_after: None,
        }
    }

    pub(crate) fn with_detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// The same problem under the status that actix has chosen.
    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn malformed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "malformed",
            "the request is malformed",
        )
        .with_detail(detail)
    }

    pub(crate) fn unauthenticated() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
            "a valid API key is required",
        )
        .with_detail("send the header `Authorization: Bearer kw_…` once, with a key that is in use")
    }

    pub(crate) fn missing_scope(scope: Scope) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "missing-scope",
            "the API key lacks a scope",
        )
        .with_detail(format!(
            "this needs a key with the scope `{scope}`, of a user whose role allows it"
        ))
    }

    pub(crate) fn untrusted_peer() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "untrusted-peer",
            "requests are taken from trusted proxies only",
        )
        .with_detail("connect by HTTPS to the proxy in front of Keyward; a proxy has to be named in TRUSTED_PROXIES")
    }

    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "there is no such thing")
    }

    pub(crate) fn method_not_allowed(allow: String) -> Self {
        Self {
            allow: Some(allow),
            ..Self::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "this resource does not take this method",
            )
        }
    }

    pub(crate) fn timed_out() -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "request-timeout",
            "the request took too long to arrive",
        )
    }

    pub(crate) fn too_large() -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "payload-too-large",
            "the body is larger than 64 KiB",
        )
    }

    pub(crate) fn media_type() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported-media-type",
            "the body has to be JSON",
        )
        .with_detail("send `Content-Type: application/json` and no content coding")
    }

    pub(crate) fn invalid(errors: Vec<FieldError>) -> Self {
        Self {
            errors,
            ..Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid",
                "some fields are not valid",
            )
        }
    }

    pub(crate) fn unavailable() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "Keyward cannot do this at the moment",
        )
        .with_detail(
            "if the request was to change something, it is unknown whether it did; a creation can be \
             repeated safely with the same Idempotency-Key, for anything else read before you try \
             again",
        )
    }

    pub(crate) fn overloaded() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "overloaded",
            "too much is under way at the moment",
        )
        .with_detail("nothing was looked at, changed or sent; try again in a moment")
    }

    pub(crate) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "Keyward failed",
        )
        .with_detail("the log of the server says more under this request's X-Request-Id")
    }

    fn conflict(slug: &'static str, title: &'static str) -> Self {
        Self::new(StatusCode::CONFLICT, slug, title)
    }

    fn busy() -> Self {
        Self::conflict("busy", "somebody else is changing this")
            .with_detail("read it again and retry")
    }

    fn idempotency_conflict() -> Self {
        Self::conflict(
            "idempotency-conflict",
            "this Idempotency-Key was used for another request",
        )
        .with_detail("use a new key for a new request; a key is remembered for 24 hours")
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        tracing::error!(%error, cause = cause.as_deref().unwrap_or_default(), "the storage failed");
        match error {
            StoreError::Unavailable(_) => Self::unavailable(),
            _ => Self::internal(),
        }
    }
}

impl From<AuthenticateError> for Problem {
    fn from(error: AuthenticateError) -> Self {
        match error {
            AuthenticateError::Store(error) => error.into(),
            _ => Self::unauthenticated(),
        }
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::KeyEnded => Self::unauthenticated(),
            Denied::MissingScope(scope) => Self::missing_scope(scope),
            Denied::StepUpRequired => Self::new(
                StatusCode::FORBIDDEN,
                "step-up-required",
                "this needs a recent second factor",
            )
            .with_detail("send a code to POST /api/v1/auth/step-up with this key, then try again"),
            Denied::Store(error) => error.into(),
            _ => Self::internal(),
        }
    }
}

impl From<MissingScope> for Problem {
    fn from(MissingScope(scope): MissingScope) -> Self {
        Self::missing_scope(scope)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.title)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        measure::problem(self.slug);
        let mut response = HttpResponse::build(self.status);
        response.insert_header((header::CONTENT_TYPE, PROBLEM_JSON));
        match self.status {
            StatusCode::UNAUTHORIZED => {
                response.insert_header((header::WWW_AUTHENTICATE, BEARER));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                response.insert_header((header::RETRY_AFTER, RETRY_AFTER));
            }
            _ => {}
        }
        if let Some(seconds) = self.retry_after {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        if let Some(allow) = &self.allow {
            response.insert_header((header::ALLOW, allow.as_str()));
        }
        response.body(serde_json::to_vec(self).unwrap_or_default())
    }
}

fn as_type<S: serde::Serializer>(slug: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("/problems/{slug}"))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn as_number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
const BEARER: HeaderValue = HeaderValue::from_static("Bearer");
/// Seconds after which a retry may find the storage back.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("2");
