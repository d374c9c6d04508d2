use keyward_audit::Event;
use keyward_auth::{AuthenticateError, Denied};
use keyward_core::StoreError;

use crate::{FieldPath, NoDestination};

/// Why no secret was handed out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UseError {
    /// There is no such credential, or the caller may not see it.
    #[error("no such credential")]
    NotFound,
    /// Several credentials have the name.
    #[error("several credentials have this name")]
    Ambiguous,
    /// Nobody has said where requests with it go.
    #[error(transparent)]
    NoDestination(NoDestination),
    /// Keyward has no request of its own for such a credential.
    #[error("there is no built-in request for this credential")]
    NoTemplate,
    /// A rule of the credential does not allow the request.
    #[error("{0}")]
    Refused(RefusedBy),
    /// A secret that the request needs is not set.
    #[error("the secret `{0}` is not set")]
    NotSet(FieldPath),
    /// A stored secret cannot be opened. The log says which and why.
    #[error("stored secrets cannot be opened")]
    Unreadable,
    /// The key opens nothing.
    #[error("the API key is not valid")]
    Rejected,
    /// The caller may not.
    #[error(transparent)]
    Denied(Denied),
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Denied> for UseError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Store(error) => Self::Store(error),
            denied => Self::Denied(denied),
        }
    }
}

impl From<AuthenticateError> for UseError {
    fn from(error: AuthenticateError) -> Self {
        match error {
            AuthenticateError::Store(error) => Self::Store(error),
            _ => Self::Rejected,
        }
    }
}

/// The rule that refused a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefusedBy {
    /// `methods`
    #[error("the rule `methods` of this credential does not allow the method")]
    Method,
    /// `paths`
    #[error("the rule `paths` of this credential does not allow the path")]
    Path,
    /// `max_body_bytes`
    #[error("the rule `max_body_bytes` of this credential allows bodies of up to {max} bytes")]
    BodyBytes {
        /// What is allowed.
        max: u64,
    },
    /// `requests_per_minute`
    #[error("the rule `requests_per_minute` of this credential allows {limit} for each caller")]
    Rate {
        /// What is allowed.
        limit: u32,
        /// Seconds until there is another minute.
        retry_after: i64,
    },
}

impl RefusedBy {
    /// The name of the rule, as in the credential.
    #[must_use]
    pub fn rule(self) -> &'static str {
        match self {
            Self::Method => "methods",
            Self::Path => "paths",
            Self::BodyBytes { .. } => "max_body_bytes",
            Self::Rate { .. } => "requests_per_minute",
        }
    }

    /// Whether the refusal is written down. What comes too often would fill the log.
    pub(super) fn is_event(self) -> bool {
        !matches!(self, Self::Rate { .. })
    }
}

/// A refusal on its way, with the event of it.
pub(super) struct Stop(Box<(UseError, Option<Event>)>);

impl Stop {
    pub(super) fn of(error: UseError, event: Option<Event>) -> Self {
        Self(Box::new((error, event)))
    }

    pub(super) fn apart(self) -> (UseError, Option<Event>) {
        *self.0
    }
}

impl<E: Into<UseError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::of(error.into(), None)
    }
}
