use std::sync::Arc;

use keyward_agents::{Agent, AgentRecord, Agents, AgentsOf, Lineage};
use keyward_auth::{ProofUse, UsedProofs, User, UserId};
use keyward_core::StoreError;
use keyward_crypto::{Mac, Signed, TotpStep};

use super::{BrokenStore, BrokenTx, assert_found};
use crate::contract::{agents, proofs};

/// What is wrong with agents or their proofs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fault {
    /// A proof is used up for one purpose, and for all others.
    SharedPurposes,
    /// A proof can be used again.
    ProofStays,
    /// Whose mark was dropped is new again.
    NoFloor,
    /// Purposes are not kept.
    LosesPurpose,
    /// Everybody sees all agents.
    ListsEverybody,
    /// Children of children are not found.
    OneGeneration,
    /// States are written whatever MAC the row carries.
    IgnoresMac,
    /// The secrets of those below stay.
    SecretsStay,
}

impl BrokenTx {
    fn errs(&self, fault: Fault) -> bool {
        self.fault == super::Fault::Agents(fault)
    }
}

impl UsedProofs for BrokenTx {
    fn use_proof(&mut self, proof: &ProofUse, step: TotpStep) -> Result<bool, StoreError> {
        if self.errs(Fault::ProofStays) {
            return Ok(true);
        }
        let mut proof = proof.clone();
        if self.errs(Fault::SharedPurposes) {
            proof.purpose = None;
        }
        self.inner.use_proof(&proof, step)
    }

    fn forget_proofs(&mut self, before: TotpStep) -> Result<(), StoreError> {
        self.inner.forget_proofs(before)?;
        if self.errs(Fault::NoFloor) {
            self.inner.tables.proofs_floor = i64::MIN;
        }
        Ok(())
    }
}

impl Agents for BrokenTx {
    fn add_agent(&mut self, agent: &Signed<AgentRecord>) -> Result<(), StoreError> {
        let mut row = agent.unverified().clone();
        if self.errs(Fault::LosesPurpose) {
            row.purpose = None;
        }
        self.inner
            .add_agent(&Signed::from_stored(row, agent.mac().clone()))
    }

    fn agent(&mut self, id: UserId) -> Result<Option<Agent>, StoreError> {
        self.inner.agent(id)
    }

    fn agents_after(
        &mut self,
        of: &AgentsOf,
        after: Option<UserId>,
        limit: i64,
    ) -> Result<Vec<Agent>, StoreError> {
        let of = if self.errs(Fault::ListsEverybody) {
            &AgentsOf::Everybody
        } else {
            of
        };
        self.inner.agents_after(of, after, limit)
    }

    fn agents_under(&mut self, root: &Lineage) -> Result<Vec<Agent>, StoreError> {
        let mut agents = self.inner.agents_under(root)?;
        if self.errs(Fault::OneGeneration) {
            agents.retain(|agent| agent.record.unverified().lineage.depth() <= root.depth() + 1);
        }
        Ok(agents)
    }

    fn replace_agent(&mut self, old: &Mac, new: &Signed<AgentRecord>) -> Result<bool, StoreError> {
        self.inner.replace_agent(old, new)
    }

    fn set_agent_states(&mut self, changes: &[(Mac, Signed<User>)]) -> Result<usize, StoreError> {
        if !self.errs(Fault::IgnoresMac) {
            return self.inner.set_agent_states(changes);
        }
        let users = Arc::make_mut(&mut self.inner.tables.users);
        for (_, new) in changes {
            users.insert(new.unverified().id, Arc::new(new.clone()));
        }
        Ok(changes.len())
    }

    fn drop_secrets_under(&mut self, root: &Lineage) -> Result<(), StoreError> {
        if self.errs(Fault::SecretsStay) {
            Arc::make_mut(&mut self.inner.tables.totp_secrets).remove(&root.agent());
            return Ok(());
        }
        self.inner.drop_secrets_under(root)
    }
}

#[track_caller]
fn found(fault: Fault, promise: &str, check: impl FnOnce(&BrokenStore)) {
    assert_found(super::Fault::Agents(fault), promise, check);
}

#[test]
fn proofs_that_are_used_twice_or_for_too_much_are_found() {
    found(Fault::ProofStays, "was used", |store| {
        proofs::a_proof_is_used_once_for_each_receiver_and_purpose(store);
    });
    found(
        Fault::SharedPurposes,
        "used for something else only",
        |store| {
            proofs::a_proof_is_used_once_for_each_receiver_and_purpose(store);
        },
    );
    found(Fault::NoFloor, "accepted again", |store| {
        proofs::a_proof_that_was_forgotten_is_not_accepted_again(store);
    });
    assert_found(super::Fault::ReadThenWrite, "use_proof: of 24", |store| {
        proofs::of_racing_uses_of_a_proof_one_succeeds(store);
    });
}

#[test]
fn agents_that_are_kept_or_found_wrongly_are_found() {
    found(Fault::LosesPurpose, "agent", |store| {
        agents::an_agent_reads_back(store);
    });
    found(Fault::ListsEverybody, "agents_after", |store| {
        agents::lists_have_every_agent_of_their_kind_once(store);
    });
    found(Fault::OneGeneration, "agents_under", |store| {
        agents::a_subtree_has_the_root_and_everything_below_it(store);
    });
    found(Fault::IgnoresMac, "another MAC", |store| {
        agents::states_are_written_by_compare_and_set(store);
    });
    found(Fault::SecretsStay, "too much or too little", |store| {
        agents::secrets_are_dropped_in_the_subtree_alone(store);
    });
    assert_found(super::Fault::ReadThenWrite, "of racing changes", |store| {
        agents::of_racing_changes_one_is_written(store);
    });
}
