use keyward_auth::{Purpose, Scopes, UserId, UserStatus};
use keyward_core::{LegacyId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Agent;

/// An agent as those see it who manage it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentView {
    /// Names the agent.
    pub id: UserId,
    /// Its user name, which begins with `agent_` unless an import brought it.
    pub username: String,
    /// What it is for, in its creator's words.
    pub purpose: Option<String>,
    /// The person who answers for it.
    pub owner_id: Option<UserId>,
    /// The person or the agent that made it.
    pub created_by_id: UserId,
    /// The agents above it, the root first.
    pub lineage: Vec<UserId>,
    /// What it may do at most.
    pub scopes: Scopes,
    /// `active` or `frozen`.
    pub status: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on its keys are refused.
    pub expires_at: Option<Timestamp>,
    /// Its number in the system that it was imported from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legacy_id: Option<LegacyId>,
}

impl AgentView {
    pub(crate) fn of(agent: &Agent) -> Self {
        let (record, user) = (agent.record.unverified(), agent.user.unverified());
        let delegation = user.delegation;
        Self {
            id: user.id,
            username: user.username.to_string(),
            purpose: record.purpose.as_ref().map(Purpose::to_string),
            owner_id: delegation.map(|given| given.owner),
            created_by_id: record.creator,
            lineage: record.lineage.above().to_vec(),
            scopes: user.scopes(),
            status: match user.status {
                UserStatus::Active => "active",
                UserStatus::Disabled => "frozen",
                UserStatus::Deleted => "revoked",
            }
            .to_owned(),
            created_at: user.created_at,
            expires_at: delegation.and_then(|given| given.expires_at),
            legacy_id: user.legacy_id,
        }
    }
}

/// A user by id and name.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Named {
    /// Names the user.
    pub id: UserId,
    /// Their name.
    pub username: String,
}
