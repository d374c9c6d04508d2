//! What went wrong between a caller and the service of a credential.

use actix_web::http::StatusCode;
use keyward_credentials::{CallError, RefusedBy, UseError};

use super::Problem;

impl Problem {
    /// Nothing behind the routes knows the rules.
    pub(crate) fn no_checklist() -> Self {
        Self::new(
            StatusCode::NOT_IMPLEMENTED,
            "no-checklist",
            "this server checks no installation",
        )
        .with_detail(
            "run `keyward serve`, or give `Services::checked_by` a checklist where the API is \
             mounted in a program of your own",
        )
    }

    /// A page of another site asked, by way of a browser.
    pub(crate) fn cross_site() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "cross-site",
            "pages of other sites cannot use credentials",
        )
        .with_detail("call the broker from a program, or from a page of this server")
    }

    /// Nothing behind the routes makes requests.
    pub(crate) fn no_broker() -> Self {
        Self::new(
            StatusCode::NOT_IMPLEMENTED,
            "no-broker",
            "this server makes no requests to other services",
        )
        .with_detail(
            "run `keyward serve`, or give `Services::calling` a broker where the API is mounted in \
             a program of your own",
        )
    }
}

impl From<UseError> for Problem {
    fn from(error: UseError) -> Self {
        match error {
            UseError::NotFound => Self::not_found(),
            UseError::Ambiguous => Self::new(
                StatusCode::BAD_REQUEST,
                "ambiguous-name",
                "several credentials have this name",
            )
            .with_detail("name the credential by its id"),
            UseError::NoDestination(why) => unusable(why.to_string()),
            UseError::NoTemplate => {
                unusable("Keyward has no request of its own for such a credential".to_owned())
            }
            UseError::Refused(by) => refused(by),
            UseError::NotSet(path) => unusable(format!("its secret `{path}` is not set")),
            UseError::Unreadable => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "unreadable",
                "stored secrets cannot be opened",
            )
            .with_detail("an operator finds the reason in the log of the server"),
            UseError::Rejected => Self::unauthenticated(),
            UseError::Denied(denied) => denied.into(),
            UseError::Store(error) => error.into(),
            _ => Self::internal(),
        }
    }
}

fn unusable(detail: String) -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "unusable-credential",
        "requests cannot be made with this credential as it is",
    )
    .with_detail(detail)
}

fn refused(by: RefusedBy) -> Problem {
    let (status, retry_after) = match by {
        RefusedBy::Method | RefusedBy::Path => (StatusCode::FORBIDDEN, None),
        RefusedBy::BodyBytes { .. } => (StatusCode::PAYLOAD_TOO_LARGE, None),
        RefusedBy::Rate { retry_after, .. } => (StatusCode::TOO_MANY_REQUESTS, Some(retry_after)),
    };
    Problem {
        retry_after: retry_after.map(|seconds| u32::try_from(seconds).unwrap_or(1)),
        ..Problem::new(
            status,
            "refused-by-rule",
            "a rule of the credential refuses this request",
        )
    }
    .with_detail(by.to_string())
}

impl From<CallError> for Problem {
    fn from(error: CallError) -> Self {
        let detail = error.to_string();
        match error {
            CallError::Use(error) => error.into(),
            CallError::Overloaded => Self::overloaded(),
            CallError::TooManyUnderWay { .. } => Self {
                retry_after: Some(1),
                ..Self::new(
                    StatusCode::TOO_MANY_REQUESTS,
                    "too-many-under-way",
                    "too many of your requests to other services are under way",
                )
            }
            .with_detail(detail),
            CallError::Loop => Self::new(
                StatusCode::LOOP_DETECTED,
                "loop-detected",
                "this request has come this way before",
            )
            .with_detail(detail),
            CallError::Malformed(detail) => Self::malformed(detail),
            CallError::UnusableSecret => unusable(detail),
            CallError::ForbiddenAddress(why) => Self::new(
                StatusCode::FORBIDDEN,
                "forbidden-address",
                "requests must not go to the address of this credential",
            )
            .with_detail(why),
            CallError::TooLarge { max } => refused(RefusedBy::BodyBytes { max }),
            CallError::BodyLost => Self::timed_out(),
            CallError::Unreachable => Self::new(
                StatusCode::BAD_GATEWAY,
                "upstream-unreachable",
                "the service of this credential cannot be reached",
            )
            .with_detail("nothing answers there, or not with a certificate that can be trusted; the log of the server says more"),
            CallError::TimedOut => Self::new(
                StatusCode::GATEWAY_TIMEOUT,
                "upstream-timeout",
                "the service of this credential did not answer in time",
            )
            .with_detail("it is unknown whether it did what was asked"),
            CallError::BadAnswer => Self::new(
                StatusCode::BAD_GATEWAY,
                "upstream-answer",
                "the answer of the service cannot be passed on",
            )
            .with_detail("it is not HTTP, or ended early, or is in a content coding that cannot be undone, which it has to be to keep secrets out of it"),
            CallError::NotReady => Self::unavailable(),
            _ => Self::internal(),
        }
    }
}
