use std::sync::Arc;

use keyward_agents::{AgentProofs, AgentsTx, ManageAgents};
use keyward_auth::Environment;
use keyward_core::Store;
use keyward_credentials::{CallServices, CredentialScope, CredentialsTx, ManageCredentials};

/// The services behind the tools. None of them gives away a stored secret: what comes back from
/// other services has none in it.
pub struct McpServices<S> {
    pub(crate) agents: ManageAgents<S>,
    pub(crate) proofs: AgentProofs<S>,
    pub(crate) credentials: ManageCredentials<S>,
    pub(crate) calls: Option<Arc<dyn CallServices>>,
}

impl<S: Store<Tx: AgentsTx + CredentialsTx> + Clone> McpServices<S> {
    /// Wires the services. `require_audience`: agents have to name the receiver of every code.
    pub fn new(
        environment: &Environment<S>,
        scope: CredentialScope,
        require_audience: bool,
    ) -> Self {
        Self {
            agents: ManageAgents::new(environment),
            proofs: AgentProofs::new(environment, require_audience),
            credentials: ManageCredentials::new(environment, scope),
            calls: None,
        }
    }

    /// Lets agents use credentials through `calls`. Without it there is no tool for that.
    #[must_use]
    pub fn calling(self, calls: Arc<dyn CallServices>) -> Self {
        Self {
            calls: Some(calls),
            ..self
        }
    }
}

/// What the tools need of a store.
pub(crate) trait McpStore: Store<Tx: AgentsTx + CredentialsTx> {}

impl<S: Store<Tx: AgentsTx + CredentialsTx>> McpStore for S {}
