use keyward_agents::AgentError;

use crate::exit::Failure;
use crate::wiring::broken;

/// Why an agent was not made, found or changed, and what to do.
pub(super) fn no_change(error: &AgentError) -> Failure {
    Failure::refused(match error {
        AgentError::NotFound => {
            "there is no such agent; `keyward agent list` shows which there are"
        }
        AgentError::NameTaken => {
            "somebody else has made a user of this name; choose another one (`keyward agent tree` \
             shows who made which)"
        }
        AgentError::Stronger(_) => {
            "an agent can have read, credentials:write, credentials:use, credentials:access and \
             agents:write, as far as its owner has them"
        }
        AgentError::ExpiryInPast => "the expiry lies in the past; give a later one",
        AgentError::Frozen => "the agent is frozen; `keyward agent unfreeze NAME` comes first",
        AgentError::FrozenAbove => {
            "an agent above it is frozen; unfreeze that one (`keyward agent tree` shows it)"
        }
        AgentError::NoOwner => NO_SUCH_OWNER,
        AgentError::Busy => "the agent is being changed by somebody else; do this again",
        _ => return broken(error),
    })
}

pub(super) const NO_SUCH_OWNER: &str = "only an active person can own an agent, and there is no \
    such person; `keyward user list` shows who there is";
