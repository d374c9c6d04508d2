use std::sync::Arc;

use keyward_agents::{Agent, AgentRecord, Agents, AgentsOf, Lineage};
use keyward_auth::{ProofUse, Purpose, UsedProofs, User, UserId, UserStatus};
use keyward_core::StoreError;
use keyward_crypto::{Mac, Signed, TotpStep};

use super::{MemoryTx, insert, limited};

/// For what a proof was used: prover, verifier, purpose.
pub(crate) type ProofPlace = (UserId, Option<UserId>, String);

impl Agents for MemoryTx {
    fn add_agent(&mut self, agent: &Signed<AgentRecord>) -> Result<(), StoreError> {
        let record = agent.unverified();
        self.require_user(record.lineage.agent())?;
        self.require_user(record.creator)?;
        self.refuse_retired_secrets([agent.mac()])?;
        let id = record.lineage.agent();
        insert(&mut self.tables_mut()?.agents, id, agent.clone())
    }

    fn agent(&mut self, id: UserId) -> Result<Option<Agent>, StoreError> {
        Ok(self
            .tables
            .agents
            .get(&id)
            .and_then(|record| self.with_user(record)))
    }

    fn agents_after(
        &mut self,
        of: &AgentsOf,
        after: Option<UserId>,
        limit: i64,
    ) -> Result<Vec<Agent>, StoreError> {
        let agents = self.present_agents().filter(|agent| {
            let user = agent.user.unverified();
            let is_meant = match of {
                AgentsOf::Everybody => true,
                AgentsOf::Owner(person) => {
                    user.delegation.is_some_and(|given| given.owner == *person)
                }
                AgentsOf::Below(root) => agent.record.unverified().lineage.is_below(root.agent()),
            };
            is_meant && Some(user.id) > after
        });
        Ok(limited(agents, limit))
    }

    fn agents_under(&mut self, root: &Lineage) -> Result<Vec<Agent>, StoreError> {
        let mut agents: Vec<_> = self
            .present_agents()
            .filter(|agent| is_under(&agent.record, root))
            .collect();
        agents.sort_by_key(|agent| agent.record.unverified().lineage.to_string());
        Ok(agents)
    }

    fn replace_agent(&mut self, old: &Mac, new: &Signed<AgentRecord>) -> Result<bool, StoreError> {
        self.refuse_retired_secrets([new.mac()])?;
        let id = new.unverified().lineage.agent();
        let agents = &mut self.tables_mut()?.agents;
        let is_old = agents.get(&id).is_some_and(|agent| agent.mac() == old);
        if is_old {
            Arc::make_mut(agents).insert(id, Arc::new(new.clone()));
        }
        Ok(is_old)
    }

    fn set_agent_states(&mut self, changes: &[(Mac, Signed<User>)]) -> Result<usize, StoreError> {
        self.refuse_retired_secrets(changes.iter().map(|(_, new)| new.mac()))?;
        let users = Arc::make_mut(&mut self.tables_mut()?.users);
        let mut written = 0;
        for (old, new) in changes {
            let id = new.unverified().id;
            if users.get(&id).is_some_and(|user| user.mac() == old) {
                users.insert(id, Arc::new(new.clone()));
                written += 1;
            }
        }
        Ok(written)
    }

    fn drop_secrets_under(&mut self, root: &Lineage) -> Result<(), StoreError> {
        let under: Vec<UserId> = self
            .tables
            .agents
            .values()
            .filter(|record| is_under(record, root))
            .map(|record| record.unverified().lineage.agent())
            .collect();
        let secrets = Arc::make_mut(&mut self.tables_mut()?.totp_secrets);
        for id in under {
            secrets.remove(&id);
        }
        Ok(())
    }
}

impl UsedProofs for MemoryTx {
    fn use_proof(&mut self, proof: &ProofUse, step: TotpStep) -> Result<bool, StoreError> {
        let tables = self.tables_mut()?;
        let purpose = proof.purpose.as_ref().map_or("", Purpose::as_str);
        let place = (proof.prover, proof.verifier, purpose.to_owned());
        let used = tables.used_proofs.get(&place).map(|step| **step);
        let step = step.number();
        if step < tables.proofs_floor || used >= Some(step) {
            return Ok(false);
        }
        Arc::make_mut(&mut tables.used_proofs).insert(place, Arc::new(step));
        Ok(true)
    }

    fn forget_proofs(&mut self, before: TotpStep) -> Result<(), StoreError> {
        let tables = self.tables_mut()?;
        let steps = tables.used_proofs.values().map(|step| **step);
        let Some(latest) = steps.filter(|step| *step < before.number()).max() else {
            return Ok(());
        };
        tables.proofs_floor = tables.proofs_floor.max(latest.saturating_add(1));
        Arc::make_mut(&mut tables.used_proofs).retain(|_, step| **step > latest);
        Ok(())
    }
}

impl MemoryTx {
    fn with_user(&self, record: &Arc<Signed<AgentRecord>>) -> Option<Agent> {
        let user = self
            .tables
            .users
            .get(&record.unverified().lineage.agent())?;
        Some(Agent {
            record: (**record).clone(),
            user: (**user).clone(),
        })
    }

    fn present_agents(&self) -> impl Iterator<Item = Agent> {
        self.tables
            .agents
            .values()
            .filter_map(|record| self.with_user(record))
            .filter(|agent| agent.user.unverified().status != UserStatus::Deleted)
    }
}

fn is_under(record: &Signed<AgentRecord>, root: &Lineage) -> bool {
    let lineage = &record.unverified().lineage;
    lineage == root || lineage.is_below(root.agent())
}
