use keyward_agents::{AgentProofs, AgentsTx, ManageAgents};
use keyward_auth::Environment;
use keyward_core::Store;
use keyward_credentials::{CredentialScope, CredentialsTx, ManageCredentials};

/// The services behind the tools. None of them gives away a stored secret.
pub struct McpServices<S> {
    pub(crate) agents: ManageAgents<S>,
    pub(crate) proofs: AgentProofs<S>,
    pub(crate) credentials: ManageCredentials<S>,
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
        }
    }
}

/// What the tools need of a store.
pub(crate) trait McpStore: Store<Tx: AgentsTx + CredentialsTx> {}

impl<S: Store<Tx: AgentsTx + CredentialsTx>> McpStore for S {}
