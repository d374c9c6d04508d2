use keyward_auth::{AuthTx, User, UserId};
use keyward_core::StoreError;
use keyward_crypto::{Mac, Signed};

use crate::{Agent, AgentRecord, Lineage};

/// Agents, inside a unit of work. Their users are kept by [`Users`](keyward_auth::Users).
pub trait Agents {
    /// Keeps an agent, whose user has to be there.
    fn add_agent(&mut self, agent: &Signed<AgentRecord>) -> Result<(), StoreError>;

    /// The agent of this user, revoked ones included.
    fn agent(&mut self, id: UserId) -> Result<Option<Agent>, StoreError>;

    /// Up to `limit` agents after `after` in the order of ids, revoked ones excluded.
    fn agents_after(
        &mut self,
        of: &AgentsOf,
        after: Option<UserId>,
        limit: i64,
    ) -> Result<Vec<Agent>, StoreError>;

    /// An agent and everything below it, parents before their children, revoked ones excluded.
    fn agents_under(&mut self, root: &Lineage) -> Result<Vec<Agent>, StoreError>;

    /// Writes `new` over the record of the same agent, if the stored row still carries the MAC
    /// `old`, and says whether it did.
    fn replace_agent(&mut self, old: &Mac, new: &Signed<AgentRecord>) -> Result<bool, StoreError>;

    /// Writes status and version of users who are agents, each if its stored row still carries the
    /// MAC beside it, and says how many were written.
    fn set_agent_states(&mut self, changes: &[(Mac, Signed<User>)]) -> Result<usize, StoreError>;

    /// Drops the secrets of an agent and of everything below it.
    fn drop_secrets_under(&mut self, root: &Lineage) -> Result<(), StoreError>;
}

/// Which agents a list shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentsOf {
    /// All of them.
    Everybody,
    /// Those for which a person answers.
    Owner(UserId),
    /// Those below an agent.
    Below(Lineage),
}

/// All repositories that this crate's services use together.
///
/// Never implement it: it follows from the others.
pub trait AgentsTx: AuthTx + Agents {}

impl<Tx: AuthTx + Agents> AgentsTx for Tx {}
