use std::sync::Arc;

use keyward_agents::{AgentProofs, AgentsTx, ManageAgents};
use keyward_audit::ReadAudit;
use keyward_auth::{
    Authenticate, Environment, LastUsed, Login, ManageKeys, ManageMfa, ManageUsers,
};
use keyward_core::Store;
use keyward_credentials::{
    AccessCredential, CallServices, CredentialScope, CredentialsTx, ManageCredentials,
};
use keyward_crypto::MacRing;
use keyward_encryption::{EncryptionTx, ManageEncryption};

use crate::Checklist;

/// The services behind the routes.
pub struct Services<S> {
    /// Asked whether it answers, for `/health/ready`.
    pub store: S,
    /// Signs fingerprints of requests that can be repeated.
    pub macs: MacRing,
    /// Turns keys into principals.
    pub authenticate: Authenticate<S>,
    /// Behind the two steps of a login, and its end.
    pub login: Login<S>,
    /// Behind `/auth/mfa` and `/auth/step-up`.
    pub mfa: ManageMfa<S>,
    /// Behind `/users`.
    pub users: ManageUsers<S>,
    /// Behind `/users/…/keys`.
    pub keys: ManageKeys<S>,
    /// Behind `/agents`.
    pub agents: ManageAgents<S>,
    /// Behind `/agents/me/totp-code` and `/agents/verify`.
    pub proofs: AgentProofs<S>,
    /// Behind `/credentials`.
    pub credentials: ManageCredentials<S>,
    /// Behind `/credentials/…/access`.
    pub access: AccessCredential<S>,
    /// Behind `/audit`.
    pub audit: ReadAudit<S>,
    /// Behind `/encryption`.
    pub encryption: ManageEncryption<S>,
    /// Behind `/credentials/…/test` and `/models`, which answer 501 without it.
    pub calls: Option<Arc<dyn CallServices>>,
    /// Behind `/checklist`, which answers 501 without it.
    pub checklist: Option<Arc<dyn Checklist>>,
    /// What the server is faster with, for `/health/ready`.
    pub(crate) aids: Vec<Aid>,
}

/// Something that the server can do without.
pub(crate) struct Aid {
    pub(crate) name: &'static str,
    pub(crate) is_well: Box<dyn Fn() -> bool + Send + Sync>,
}

/// What an operator can choose. By default credentials are everybody's, and agents may show codes that
/// are bound to no receiver.
#[derive(Clone, Copy, Debug, Default)]
pub struct ApiOptions {
    /// Who sees which credentials.
    pub credential_scope: CredentialScope,
    /// Whether agents have to name the receiver of every code.
    pub require_audience: bool,
}

#[expect(
    private_bounds,
    reason = "an alias for the repositories that the services ask for"
)]
impl<S: ApiStore + Clone> Services<S> {
    /// Wires all services over one environment.
    pub fn new(
        environment: &Environment<S>,
        options: ApiOptions,
        last_used: Arc<LastUsed>,
    ) -> Self {
        let Environment {
            store, macs, clock, ..
        } = environment;
        Self {
            store: store.clone(),
            macs: macs.clone(),
            authenticate: Authenticate::new(
                store.clone(),
                macs.clone(),
                Arc::clone(clock),
                last_used,
            ),
            login: Login::new(environment.clone()),
            mfa: ManageMfa::new(environment.clone()),
            users: ManageUsers::new(environment.clone()),
            keys: ManageKeys::new(environment.clone()),
            agents: ManageAgents::new(environment),
            proofs: AgentProofs::new(environment, options.require_audience),
            credentials: ManageCredentials::new(environment, options.credential_scope),
            access: AccessCredential::new(environment, options.credential_scope),
            audit: ReadAudit::new(store.clone()),
            encryption: ManageEncryption::new(environment.clone()),
            calls: None,
            checklist: None,
            aids: Vec::new(),
        }
    }

    /// Shows how the installation stands with the rules of `checklist`.
    #[must_use]
    pub fn checked_by(self, checklist: Arc<dyn Checklist>) -> Self {
        Self {
            checklist: Some(checklist),
            ..self
        }
    }

    /// Says at `/health/ready` whether something is well that the server can do without. It is ready
    /// all the same.
    #[must_use]
    pub fn aided_by(
        mut self,
        name: &'static str,
        is_well: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        let is_well = Box::new(is_well);
        self.aids.push(Aid { name, is_well });
        self
    }

    /// Asks the services of credentials through `calls`.
    #[must_use]
    pub fn calling(self, calls: Arc<dyn CallServices>) -> Self {
        Self {
            calls: Some(calls),
            ..self
        }
    }
}

/// What the routes need of a store.
pub(crate) trait ApiStore: Store<Tx: AgentsTx + CredentialsTx + EncryptionTx> {}

impl<S: Store<Tx: AgentsTx + CredentialsTx + EncryptionTx>> ApiStore for S {}
