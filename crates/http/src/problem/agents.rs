//! What went wrong with agents and their proofs.

use actix_web::http::StatusCode;
use keyward_agents::{AgentError, VerifyError};
use keyward_auth::ProofError;

use super::{FieldError, Problem};

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
