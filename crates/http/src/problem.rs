mod calls;

use std::borrow::Cow;
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use keyward_agents::{AgentError, VerifyError};
use keyward_auth::{
    AuthenticateError, CodeError, Denied, KeyError, LoginError, MfaError, MissingScope, Overloaded,
    PasswordRefused, ProofError, Scope, UserError,
};
use keyward_core::StoreError;
use keyward_credentials::{AccessError, CredentialError};
use keyward_encryption::EncryptionError;
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

    fn too_many_attempts(retry_after: i64) -> Self {
        Self {
            retry_after: Some(u32::try_from(retry_after).unwrap_or(u32::MAX)),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-attempts",
                "too many attempts",
            )
        }
        .with_detail("the attempt was not looked at; wait as long as Retry-After says")
    }

    fn factor_disabled() -> Self {
        Self {
            retry_after: Some(ASK_SOMEBODY),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "factor-disabled",
                "too many wrong codes",
            )
        }
        .with_detail("waiting does not help: use a recovery code, or ask an administrator")
    }

    fn login_rejected() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "login-rejected",
            "the login was rejected",
        )
        .with_detail(
            "check user name, password and code; a code works once, a ticket for five minutes",
        )
    }

    fn invalid_code() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "invalid-code",
            "the code is wrong or was used before",
        )
        .with_detail("each code works once; wait for the next one")
    }

    fn invalid_password() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "invalid-password",
            "the current password is wrong",
        )
    }

    fn not_for_agents() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "not-for-agents",
            "an agent cannot do this",
        )
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

impl From<PasswordRefused> for Problem {
    fn from(refused: PasswordRefused) -> Self {
        match refused {
            PasswordRefused::Rejected => Self::invalid_password(),
            PasswordRefused::Limited(seconds) => Self::too_many_attempts(seconds),
            PasswordRefused::Overloaded(Overloaded) => Self::overloaded(),
            PasswordRefused::Store(error) => error.into(),
            _ => Self::internal(),
        }
    }
}

impl From<CodeError> for Problem {
    fn from(error: CodeError) -> Self {
        match error {
            CodeError::Rejected => Self::invalid_code(),
            CodeError::Limited(seconds) => Self::too_many_attempts(seconds),
            CodeError::Disabled => Self::factor_disabled(),
            CodeError::Store(error) => error.into(),
            _ => Self::internal(),
        }
    }
}

impl From<LoginError> for Problem {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Rejected => Self::login_rejected(),
            LoginError::Limited(seconds) => Self::too_many_attempts(seconds),
            LoginError::FactorDisabled => Self::factor_disabled(),
            LoginError::Overloaded(Overloaded) => Self::overloaded(),
            LoginError::Store(error) => error.into(),
            _ => Self::internal(),
        }
    }
}

impl From<MfaError> for Problem {
    fn from(error: MfaError) -> Self {
        match error {
            MfaError::NotFound => Self::not_found(),
            MfaError::NotForAgents => Self::not_for_agents(),
            MfaError::CodeRequired => Self::invalid(vec![FieldError::new(
                "code",
                "needed where there is a second factor",
            )]),
            MfaError::Password(refused) => refused.into(),
            MfaError::Code(error) => error.into(),
            MfaError::Denied(denied) => denied.into(),
            MfaError::Busy => Self::busy(),
            MfaError::Overloaded(Overloaded) => Self::overloaded(),
            MfaError::Store(error) => error.into(),
            _ => Self::internal(),
        }
    }
}

impl From<MissingScope> for Problem {
    fn from(MissingScope(scope): MissingScope) -> Self {
        Self::missing_scope(scope)
    }
}

impl From<KeyError> for Problem {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::NotFound => Self::not_found(),
            KeyError::Stronger(scopes) => Self::new(
                StatusCode::FORBIDDEN,
                "key-too-strong",
                "a key cannot make a stronger key",
            )
            .with_detail(format!("these scopes are too much here: {scopes}")),
            KeyError::OutlivesCreator => Self::new(
                StatusCode::FORBIDDEN,
                "key-too-strong",
                "a key cannot make a stronger key",
            )
            .with_detail("the new key would live longer than the key that asks for it"),
            KeyError::ExpiryInPast => {
                Self::invalid(vec![FieldError::new("expires_at", "this lies in the past")])
            }
            KeyError::Busy => Self::busy(),
            KeyError::Denied(denied) => denied.into(),
            KeyError::Idempotency(_) => Self::idempotency_conflict(),
            KeyError::Store(error) => error.into(),
            _ => Self::internal(),
        }
    }
}

impl From<UserError> for Problem {
    fn from(error: UserError) -> Self {
        match error {
            UserError::NotFound => Self::not_found(),
            UserError::NameTaken => Self::conflict("username-taken", "the user name is taken"),
            UserError::LastAdmin => Self::conflict(
                "last-admin",
                "the last active administrator cannot be removed, demoted or disabled",
            ),
            UserError::AgentAdmin => Self::invalid(vec![FieldError::new(
                "role",
                "an agent cannot be an administrator",
            )]),
            UserError::NotForAgents => Self::not_for_agents(),
            UserError::NameOfAgents => Self::invalid(vec![FieldError::new("username", error)]),
            UserError::ManagedAsAgent => {
                Self::conflict("managed-as-agent", "this user is an agent")
                    .with_detail(error.to_string())
            }
            UserError::Denied(denied) => denied.into(),
            UserError::Password(refused) => refused.into(),
            UserError::Overloaded(Overloaded) => Self::overloaded(),
            UserError::Busy => Self::busy(),
            UserError::Idempotency(_) => Self::idempotency_conflict(),
            UserError::Store(error) => error.into(),
            _ => Self::internal(),
        }
    }
}

impl From<AgentError> for Problem {
    fn from(error: AgentError) -> Self {
        match error {
            AgentError::NotFound => Self::not_found(),
            AgentError::NameTaken => Self::conflict("username-taken", "the user name is taken"),
            AgentError::Stronger(_) => Self::new(
                StatusCode::FORBIDDEN,
                "agent-too-strong",
                "an agent cannot do more than its creator",
            )
            .with_detail(error.to_string()),
            AgentError::OutlivesCreator | AgentError::ExpiryInPast => {
                Self::invalid(vec![FieldError::new("expires_at", error)])
            }
            AgentError::TooDeep => {
                Self::conflict("too-deep", "there are enough generations of agents")
                    .with_detail(error.to_string())
            }
            AgentError::Frozen | AgentError::FrozenAbove => {
                Self::conflict("frozen", "the agent is frozen").with_detail(error.to_string())
            }
            AgentError::Busy => Self::busy(),
            AgentError::Denied(denied) => denied.into(),
            AgentError::Idempotency(_) => Self::idempotency_conflict(),
            AgentError::Store(error) => error.into(),
            _ => Self::internal(),
        }
    }
}

impl From<EncryptionError> for Problem {
    fn from(error: EncryptionError) -> Self {
        match error {
            EncryptionError::NotRunning => {
                Self::conflict("rotation-not-running", "re-encryption does not run")
                    .with_detail("there is nothing to pause")
            }
            EncryptionError::NoneActive => {
                Self::conflict("no-active-key", "no encryption key is active")
                    .with_detail("run `keyward keys activate` on the host")
            }
            EncryptionError::NotHeld => Self::conflict(
                "key-not-held",
                "this node does not hold the active encryption key",
            )
            .with_detail(
                "add it to FIELD_ENCRYPTION_KEY of this node; `keyward keys status` names it",
            ),
            EncryptionError::Denied(denied) => denied.into(),
            EncryptionError::Store(error) => error.into(),
            _ => Self::internal(),
        }
    }
}

impl From<VerifyError> for Problem {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::AudienceRequired
            | VerifyError::PurposeNeedsAudience
            | VerifyError::NoSuchAudience => {
                Self::invalid(vec![FieldError::new("audience", error)])
            }
            VerifyError::Proof(error) => error.into(),
            VerifyError::Store(error) => error.into(),
            _ => Self::internal(),
        }
    }
}

impl From<ProofError> for Problem {
    fn from(error: ProofError) -> Self {
        match error {
            ProofError::OnlyAgents => Self::new(
                StatusCode::FORBIDDEN,
                "only-agents",
                "only an agent can do this",
            ),
            ProofError::Code(error) => error.into(),
            ProofError::Denied(denied) => denied.into(),
            ProofError::Store(error) => error.into(),
            _ => Self::internal(),
        }
    }
}

impl From<CredentialError> for Problem {
    fn from(error: CredentialError) -> Self {
        match error {
            CredentialError::NotFound => Self::not_found(),
            CredentialError::Invalid(problems) => Self::invalid_fields(&problems),
            CredentialError::Busy => Self::busy(),
            CredentialError::Denied(denied) => denied.into(),
            CredentialError::Idempotency(_) => Self::idempotency_conflict(),
            CredentialError::Store(error) => error.into(),
            _ => Self::internal(),
        }
    }
}

impl Problem {
    fn invalid_fields(problems: &[keyward_credentials::FieldProblem]) -> Self {
        let errors = problems
            .iter()
            .map(|problem| FieldError::new(problem.field.clone(), problem.problem))
            .collect();
        let masked = problems
            .iter()
            .any(|problem| problem.problem == keyward_credentials::Problem::LooksMasked);
        if masked {
            Self {
                slug: "looks-masked",
                title: "a mask was sent where a secret belongs",
                ..Self::invalid(errors)
            }
        } else {
            Self::invalid(errors)
        }
    }
}

impl From<AccessError> for Problem {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::NotFound => Self::not_found(),
            AccessError::NoSuchField => Self::new(
                StatusCode::NOT_FOUND,
                "no-such-secret",
                "the credential has no such secret, or it is not set",
            ),
            AccessError::Unreadable(paths) => Self {
                errors: paths
                    .iter()
                    .map(|path| FieldError::new(path.to_string(), "unreadable"))
                    .collect(),
                ..Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "unreadable",
                    "stored secrets cannot be opened",
                )
                .with_detail("an operator finds the reason in the log of the server")
            },
            AccessError::Denied(denied) => denied.into(),
            AccessError::Store(error) => error.into(),
            _ => Self::internal(),
        }
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
/// Seconds. Sooner or later somebody has to do something else.
const ASK_SOMEBODY: u32 = 3_600;
/// Seconds after which a retry may find the storage back.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("2");
