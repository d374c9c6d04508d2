//! Agents: users that are programs. Who may make, freeze and revoke them, and how one of them
//! proves to another who it is.
//!
//! An agent has no password and no way to log in. It has keys of its own, a secret that nobody
//! ever sees, and a person who answers for it. What it may do lies within what its creator may do,
//! and so on upwards, so that a whole tree of agents never has more rights than its root.
//!
//! `docs/agent-identity.md` explains what a proof is worth, and what it does not protect against.

mod administrator;
mod error;
mod keys;
mod lineage;
mod manage;
mod model;
mod name;
mod ports;
mod proofs;
mod tree;
mod view;
mod who;

pub use administrator::{AgentAdministrator, Authority, Reach};
pub use error::AgentError;
pub use lineage::{Lineage, MAX_DEPTH, MalformedLineage};
pub use manage::{CreatedAgent, ManageAgents, NewAgent};
pub use model::{Agent, AgentRecord};
pub use name::{AgentName, MalformedAgentName};
pub use ports::{Agents, AgentsOf, AgentsTx};
pub use proofs::{AgentProofs, ProvenAgent, VerifyError};
pub use tree::{Affected, TreeChange};
pub use view::{AgentView, Named};
pub use who::Who;
