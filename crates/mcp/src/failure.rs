use keyward_admission::NotDone;
use keyward_agents::{AgentError, VerifyError};
use keyward_auth::{CodeError, Denied, MissingScope, ProofError};
use keyward_core::StoreError;
use keyward_credentials::{CallError, CredentialError, RefusedBy, UseError};
use serde::Serialize;

/// Why a tool did nothing, in words that an agent can act on. Never holds what was given.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Failure {
    /// A name that does not change.
    error: &'static str,
    /// What to do.
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_seconds: Option<i64>,
}

impl Failure {
    pub(crate) fn new(error: &'static str, message: impl Into<String>) -> Self {
        Self {
            error,
            message: message.into(),
            ..Self::default()
        }
    }

    pub(crate) fn arguments(message: impl Into<String>) -> Self {
        Self::new("invalid-arguments", message)
    }

    pub(crate) fn internal() -> Self {
        Self::new("internal", "Keyward failed; its log says more")
    }

    fn key_ended() -> Self {
        let message = "the API key was revoked, or its agent was frozen, while this call ran";
        Self::new("unauthenticated", message)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Self {
                retry_after_seconds: Some(1),
                ..Self::new("unavailable", "Keyward cannot answer now; call again later")
            },
            _ => Self::internal(),
        }
    }
}

impl From<NotDone> for Failure {
    fn from(why: NotDone) -> Self {
        let code = match why {
            NotDone::Overloaded => "overloaded",
            NotDone::StorageSilent => "unavailable",
            _ => return Self::internal(),
        };
        Self {
            retry_after_seconds: Some(1),
            ..Self::new(code, format!("{why}; call again later"))
        }
    }
}

impl From<MissingScope> for Failure {
    fn from(missing: MissingScope) -> Self {
        Self {
            scope: Some(missing.0.as_str()),
            ..Self::new(
                "missing-scope",
                format!("{missing}; ask whoever has made this agent for a key that has it"),
            )
        }
    }
}

impl From<Denied> for Failure {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::MissingScope(scope) => MissingScope(scope).into(),
            Denied::KeyEnded => Self::key_ended(),
            Denied::StepUpRequired => Self::new(
                "step-up-required",
                "a person with a second factor has to show it first: POST /api/v1/auth/step-up",
            ),
            Denied::Store(error) => error.into(),
            _ => Self::internal(),
        }
    }
}

impl From<AgentError> for Failure {
    fn from(error: AgentError) -> Self {
        match error {
            AgentError::Denied(denied) => denied.into(),
            AgentError::Store(error) => error.into(),
            AgentError::NotFound => Self::new("not-found", error.to_string()),
            AgentError::NameTaken => Self::new("username-taken", error.to_string()),
            AgentError::Stronger(_) => Self::new("agent-too-strong", error.to_string()),
            AgentError::OutlivesCreator | AgentError::ExpiryInPast => {
                Self::arguments(error.to_string())
            }
            AgentError::TooDeep => Self::new("too-deep", error.to_string()),
            AgentError::Frozen | AgentError::FrozenAbove => Self::new("frozen", error.to_string()),
            AgentError::Busy => Self::new("busy", "somebody else is changing this; call again"),
            _ => Self::internal(),
        }
    }
}

impl From<VerifyError> for Failure {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::AudienceRequired
            | VerifyError::PurposeNeedsAudience
            | VerifyError::NoSuchAudience => Self::arguments(format!("audience: {error}")),
            VerifyError::Proof(error) => error.into(),
            VerifyError::Store(error) => error.into(),
            _ => Self::internal(),
        }
    }
}

impl From<ProofError> for Failure {
    fn from(error: ProofError) -> Self {
        match error {
            ProofError::OnlyAgents => Self::new("only-agents", error.to_string()),
            ProofError::Code(CodeError::Limited(seconds)) => Self {
                retry_after_seconds: Some(seconds),
                ..Self::new(
                    "too-many-attempts",
                    "too many codes of this agent were wrong; wait, and ask it for a new one",
                )
            },
            ProofError::Denied(denied) => denied.into(),
            ProofError::Store(error) => error.into(),
            _ => Self::internal(),
        }
    }
}

impl From<CredentialError> for Failure {
    fn from(error: CredentialError) -> Self {
        match error {
            CredentialError::Denied(denied) => denied.into(),
            CredentialError::Store(error) => error.into(),
            _ => Self::internal(),
        }
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        let says = error.to_string();
        match error {
            CallError::Use(error) => error.into(),
            CallError::Overloaded => Self::new("overloaded", says),
            CallError::TooManyUnderWay { .. } => Self {
                retry_after_seconds: Some(1),
                ..Self::new("too-many-under-way", says)
            },
            CallError::Loop => Self::new("loop-detected", says),
            CallError::Malformed(_) => Self::arguments(says),
            CallError::UnusableSecret => Self::new("unusable-credential", says),
            CallError::ForbiddenAddress(_) => Self::new("forbidden-address", says),
            CallError::TooLarge { max } => RefusedBy::BodyBytes { max }.into(),
            CallError::Unreachable => Self::new("upstream-unreachable", says),
            CallError::TimedOut => Self::new("upstream-timeout", says),
            CallError::BadAnswer => Self::new("upstream-answer", says),
            CallError::NotReady => Self::new("unavailable", says),
            _ => Self::internal(),
        }
    }
}

impl From<UseError> for Failure {
    fn from(error: UseError) -> Self {
        let says = error.to_string();
        match error {
            UseError::NotFound => Self::new("not-found", says),
            UseError::Ambiguous => {
                Self::new("ambiguous-name", format!("{says}; name it by its id"))
            }
            UseError::NoDestination(_) | UseError::NotSet(_) => {
                Self::new("unusable-credential", says)
            }
            UseError::Refused(by) => by.into(),
            UseError::Unreadable => Self::new("unreadable", says),
            UseError::Rejected => Self::key_ended(),
            UseError::Denied(denied) => denied.into(),
            UseError::Store(error) => error.into(),
            _ => Self::internal(),
        }
    }
}

impl From<RefusedBy> for Failure {
    fn from(by: RefusedBy) -> Self {
        let retry_after_seconds = match by {
            RefusedBy::Rate { retry_after, .. } => Some(retry_after),
            _ => None,
        };
        Self {
            rule: Some(by.rule()),
            retry_after_seconds,
            ..Self::new("refused-by-rule", by.to_string())
        }
    }
}
