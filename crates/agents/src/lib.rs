//! Agents: users that are programs. Who may make, freeze and revoke them, and how one of them
//! proves to another who it is.
//!
//! An agent has no password and no way to log in. It has keys of its own, a secret that nobody
//! ever sees, and a person who answers for it. What it may do lies within what its creator may do,
//! and so on upwards, so that a whole tree of agents never has more rights than its root.
//!
//! ```
//! use keyward_agents::{AgentName, AgentProofs, ManageAgents, NewAgent, Who};
//! use keyward_auth::{Authenticate, GivenProof, Purpose, Username};
//! # use std::sync::Arc;
//! # use keyward_auth::{Environment, Setup};
//! # use keyward_crypto::{FieldKey, KeyRing, MacRing, Password};
//! # let store = Arc::new(keyward_store_testing::MemoryStore::new());
//! # let fields = KeyRing::new(vec![FieldKey::generate()])?;
//! # let macs = MacRing::parse(MacRing::generate_secret().expose())?;
//! # let environment = Environment::new(store, fields, macs);
//! # let password = Password::new_secret("correct horse battery".to_owned().into())?;
//! # let admin = Setup::new(environment.clone()).first_admin(&Username::parse("ada")?, &password)?;
//! # let Environment { store, macs, clock, .. } = environment.clone();
//! # let authenticate = Authenticate::new(store, macs, clock, Arc::default());
//!
//! // `environment`, `authenticate` and `admin` are as on the page of `keyward-auth`.
//! let agents = ManageAgents::new(&environment);
//! let permit = authenticate.principal(&admin.key)?.permit()?;
//! let make = |name| {
//!     let name = AgentName::parse(name)?;
//!     let new = NewAgent { name, purpose: None, scopes: None, expires_at: None, rotate: false };
//!     let (_, key) = agents.create(&permit, &new, None)?;
//!     key.ok_or("it was there before").map_err(Box::<dyn std::error::Error>::from)
//! };
//! let (writer, publisher) = (make("writer")?, make("publisher")?);
//!
//! // One agent proves to another who it is, for one purpose and once.
//! let proofs = AgentProofs::new(&environment, true);
//! let purpose = Purpose::parse("publish")?;
//! let caller = authenticate.principal(&writer)?.permit()?;
//! let shown = proofs.show(&caller, Some(&Who::new("agent_publisher")), Some(&purpose))?;
//!
//! let verifier = authenticate.principal(&publisher)?.permit()?;
//! let verify = |purpose: &Purpose| {
//!     let code = GivenProof::parse(shown.code.expose())?;
//!     let (who, purpose) = (Who::new("agent_writer"), Some(purpose.clone()));
//!     Ok::<_, Box<dyn std::error::Error>>(proofs.verify(&verifier, &who, code, purpose)?)
//! };
//! assert!(verify(&Purpose::parse("delete")?)?.is_none());
//! let proven = verify(&purpose)?.ok_or("it is the writer")?;
//! assert_eq!((proven.username.as_str(), proven.owner_id), ("agent_writer", admin.user));
//! assert!(verify(&purpose)?.is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
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

/// Runs the example of README.md.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
