use std::collections::HashMap;

use keyward_audit::{Action, Event};
use keyward_auth::{User, UserId, UserStatus};
use keyward_core::{Store, StoreError, Timestamp};
use keyward_crypto::{Mac, MacRing, Signed};
use serde::Serialize;

use crate::manage::subject;
use crate::{
    Agent, AgentAdministrator, AgentError, AgentRecord, Agents, AgentsTx, ManageAgents, Reach,
};

/// What can be done to an agent together with everything below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TreeChange {
    /// Their keys are refused from the commit on, until it is unfrozen.
    Freeze,
    /// Their keys work again, but for those that are frozen themselves and what is below them.
    Unfreeze,
    /// Their keys are refused for ever, and their names are free again.
    Revoke,
}

impl TreeChange {
    fn action(self) -> Action {
        match self {
            Self::Freeze => Action("agent.freeze"),
            Self::Unfreeze => Action("agent.unfreeze"),
            Self::Revoke => Action("agent.revoke"),
        }
    }
}

/// One of the agents that a change concerns.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Affected {
    /// Names the agent.
    pub id: UserId,
    /// Its user name.
    pub username: String,
    /// The agent that made it; `None` where a person did.
    #[serde(rename = "parent_id")]
    pub parent: Option<UserId>,
    /// How deep it stands in its tree, from 1.
    pub depth: usize,
}

impl<S: Store<Tx: AgentsTx>> ManageAgents<S> {
    /// What [`change_tree`](Self::change_tree) would do. Changes nothing.
    pub fn plan_tree(
        &self,
        by: &impl AgentAdministrator,
        root: UserId,
        change: TreeChange,
    ) -> Result<Vec<Affected>, AgentError> {
        let now = self.environment.clock.now();
        let plan = self
            .environment
            .store
            .read(|tx| self.plan(tx, by.reach(), root, change, now))?;
        Ok(plan.affected)
    }

    /// Freezes, unfreezes or revokes an agent and everything below it in one transaction, and says
    /// whose state it changed, parents before their children.
    pub fn change_tree(
        &self,
        by: &impl AgentAdministrator,
        root: UserId,
        change: TreeChange,
    ) -> Result<Vec<Affected>, AgentError> {
        let now = self.environment.clock.now();
        self.environment.store.write(|tx| {
            let authority = by.authorise(tx, &self.environment.macs, now)?;
            let plan = self.plan(tx, authority.reach, root, change, now)?;
            if let Some((old, new)) = &plan.record
                && !tx.replace_agent(old, new)?
            {
                return Err(AgentError::Busy);
            }
            if tx.set_agent_states(&plan.states)? != plan.states.len() {
                return Err(AgentError::Busy);
            }
            if change == TreeChange::Revoke {
                tx.drop_secrets_under(&plan.root.record.unverified().lineage)?;
            }
            if plan.record.is_some() || !plan.states.is_empty() {
                let event = Event::new(authority.actor, change.action(), subject(root))
                    .with("affected", plan.affected.len().to_string());
                self.environment.audit.record(tx, &event)?;
            }
            Ok(plan.affected)
        })
    }

    fn plan(
        &self,
        tx: &mut S::Tx,
        reach: Reach,
        root: UserId,
        change: TreeChange,
        now: Timestamp,
    ) -> Result<Plan, AgentError> {
        let macs = &self.environment.macs;
        let root = self.within_reach(tx, reach, root)?;
        let lineage = root.record.unverified().lineage.clone();
        if change == TreeChange::Unfreeze {
            require_thawed_above(tx, &root)?;
        }
        let record = changed_record(&root, change, now, macs);
        let subtree = tx.agents_under(&lineage)?;
        let mut plan = Plan {
            root,
            record,
            states: Vec::new(),
            affected: Vec::new(),
        };
        let mut states = HashMap::new();
        for agent in &subtree {
            let id = agent.user.unverified().id;
            let state = plan.state_of(agent, change, &states, macs);
            states.insert(id, state);
            plan.note(agent, state, macs);
        }
        Ok(plan)
    }
}

fn require_thawed_above<Tx: Agents>(tx: &mut Tx, agent: &Agent) -> Result<(), AgentError> {
    let Some(parent) = agent.record.unverified().lineage.parent() else {
        return Ok(());
    };
    let parent = tx
        .agent(parent)?
        .ok_or_else(|| StoreError::corrupt("agents", "an agent's parent is missing"))?;
    if parent.user.unverified().status == UserStatus::Active {
        Ok(())
    } else {
        Err(AgentError::FrozenAbove)
    }
}

/// What a change will write.
struct Plan {
    root: Agent,
    record: Option<(Mac, Signed<AgentRecord>)>,
    states: Vec<(Mac, Signed<User>)>,
    affected: Vec<Affected>,
}

impl Plan {
    /// The state of an agent after the change; its parent's is known.
    fn state_of(
        &self,
        agent: &Agent,
        change: TreeChange,
        states: &HashMap<UserId, UserStatus>,
        macs: &MacRing,
    ) -> UserStatus {
        let record = agent.record.unverified();
        let is_root = record.lineage == self.root.record.unverified().lineage;
        let parent = record.lineage.parent().filter(|_| !is_root);
        let parent_is_active = match parent {
            None => true,
            Some(parent) => states.get(&parent) == Some(&UserStatus::Active),
        };
        // Whoever writes to the database could have taken a mark away.
        let is_marked = record.frozen_at.is_some() || !agent.record.is_genuine(macs);
        match change {
            TreeChange::Revoke => UserStatus::Deleted,
            TreeChange::Unfreeze if is_root => UserStatus::Active,
            TreeChange::Unfreeze if parent_is_active && !is_marked => UserStatus::Active,
            TreeChange::Freeze | TreeChange::Unfreeze => UserStatus::Disabled,
        }
    }

    fn note(&mut self, agent: &Agent, state: UserStatus, macs: &MacRing) {
        let user = agent.user.unverified();
        if user.status == state {
            return;
        }
        // A row that is not genuine opens nothing; signing it would make it so.
        if !agent.user.is_genuine(macs) {
            tracing::error!(agent = %user.id, "the stored row of an agent is not genuine; it is left as it is");
            return;
        }
        let new = User {
            status: state,
            version: user.version.saturating_add(1),
            ..user.clone()
        };
        let lineage = &agent.record.unverified().lineage;
        self.affected.push(Affected {
            id: user.id,
            username: user.username.to_string(),
            parent: lineage.parent(),
            depth: lineage.depth(),
        });
        self.states
            .push((agent.user.mac().clone(), Signed::sign(new, macs)));
    }
}

/// The mark that the agent is frozen itself, where it changes.
fn changed_record(
    root: &Agent,
    change: TreeChange,
    now: Timestamp,
    macs: &MacRing,
) -> Option<(Mac, Signed<AgentRecord>)> {
    let record = root.record.unverified();
    let frozen_at = match change {
        TreeChange::Freeze => record.frozen_at.or(Some(now)),
        TreeChange::Unfreeze => None,
        TreeChange::Revoke => record.frozen_at,
    };
    let new = AgentRecord {
        frozen_at,
        ..record.clone()
    };
    (new != *record).then(|| (root.record.mac().clone(), Signed::sign(new, macs)))
}
