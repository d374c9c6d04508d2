//! What went wrong with credentials and their secrets.

use actix_web::http::StatusCode;
use keyward_credentials::{AccessError, CredentialError};

use super::{FieldError, Problem};

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
