use keyward_auth::{
    Any, CodeError, Environment, GivenProof, Permit, PresentedProof, ProofError, Proofs, Purpose,
    Scopes, ShownProof, User, UserId, UserKind,
};
use keyward_core::{Store, StoreError};
use serde::Serialize;

use crate::{AgentsTx, Named, Who};

/// Gives agents their codes, and tells receivers who an agent is.
///
/// ```
/// use keyward_agents::{AgentName, AgentProofs, ManageAgents, NewAgent, VerifyError, Who};
/// use keyward_auth::{Authenticate, Host, Username};
/// # use std::sync::Arc;
/// # use keyward_auth::{Environment, Setup};
/// # use keyward_crypto::{FieldKey, KeyRing, MacRing, Password};
/// # let store = Arc::new(keyward_store_testing::MemoryStore::new());
/// # let fields = KeyRing::new(vec![FieldKey::generate()])?;
/// # let macs = MacRing::parse(MacRing::generate_secret().expose())?;
/// # let environment = Environment::new(store, fields, macs);
/// # let password = Password::new_secret("correct horse battery".to_owned().into())?;
/// # let admin = Setup::new(environment.clone()).first_admin(&Username::parse("ada")?, &password)?;
/// # let Environment { store, macs, clock, .. } = environment.clone();
/// # let authenticate = Authenticate::new(store, macs, clock, Arc::default());
///
/// // `environment`, `authenticate` and `admin` are as on the page of `keyward-auth`.
/// let name = AgentName::parse("writer")?;
/// let new = NewAgent { name, purpose: None, scopes: None, expires_at: None, rotate: false };
/// let (_, key) = ManageAgents::new(&environment).create_for(Host, admin.user, &new)?;
/// let writer = authenticate.principal(&key.ok_or("a new agent has a key")?)?.permit()?;
///
/// // People verify agents, too. A code for one receiver has eight digits.
/// let proofs = AgentProofs::new(&environment, true);
/// let shown = proofs.show(&writer, Some(&Who::new("ada")), None)?;
/// assert_eq!(shown.code.expose().len(), 8);
/// let ada = authenticate.principal(&admin.key)?.permit()?;
/// let proven = proofs.verify(&ada, &Who::new("agent_writer"), shown.code, None)?;
/// assert!(proven.is_some_and(|agent| agent.bound));
///
/// // Whoever gets one that is for nobody in particular could hand it on.
/// let plain = proofs.show(&writer, None, None);
/// assert!(matches!(plain, Err(VerifyError::AudienceRequired)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct AgentProofs<S> {
    store: S,
    proofs: Proofs<S>,
    require_audience: bool,
}

impl<S: Store<Tx: AgentsTx>> AgentProofs<S> {
    /// Wires the service. With `require_audience` plain codes are neither given nor accepted.
    pub fn new(environment: &Environment<S>, require_audience: bool) -> Self
    where
        S: Clone,
    {
        Self {
            store: environment.store.clone(),
            proofs: Proofs::new(environment.clone()),
            require_audience,
        }
    }

    /// The code by which the calling agent proves to `audience` who it is.
    pub fn show(
        &self,
        caller: &Permit<Any>,
        audience: Option<&Who>,
        purpose: Option<&Purpose>,
    ) -> Result<ShownProof, VerifyError> {
        let audience = match audience {
            None if self.require_audience => return Err(VerifyError::AudienceRequired),
            None if purpose.is_some() => return Err(VerifyError::PurposeNeedsAudience),
            None => None,
            Some(who) => {
                let found = self.store.lookup(|tx| who.find(tx))?;
                let found = found.ok_or(VerifyError::NoSuchAudience)?;
                Some(found.unverified().id)
            }
        };
        Ok(self.proofs.show(caller, audience, purpose)?)
    }

    /// Who an agent is that has handed the caller a code; `None` when the code does not show it.
    /// A code shows it once.
    pub fn verify(
        &self,
        verifier: &Permit<Any>,
        agent: &Who,
        code: GivenProof,
        purpose: Option<Purpose>,
    ) -> Result<Option<ProvenAgent>, VerifyError> {
        if self.require_audience && !code.is_bound() {
            return Err(VerifyError::AudienceRequired);
        }
        let found = self.store.lookup(|tx| agent.find(tx))?;
        let is_agent = |user: &User| user.kind == UserKind::Agent;
        let Some(prover) = found.filter(|user| is_agent(user.unverified())) else {
            return Ok(None);
        };
        let proof = PresentedProof {
            code,
            verifier: verifier.user,
            purpose,
        };
        let prover = prover.unverified().id;
        let accepted = self.proofs.accept(verifier, prover, &proof, |tx, user| {
            describe(tx, user, &proof)
        });
        match accepted {
            Ok(agent) => Ok(Some(agent)),
            Err(ProofError::Code(CodeError::Rejected)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn describe<Tx: AgentsTx>(
    tx: &mut Tx,
    user: &User,
    proof: &PresentedProof,
) -> Result<ProvenAgent, StoreError> {
    let missing = || StoreError::corrupt("agents", "an agent has no row of its own");
    let agent = tx.agent(user.id)?.ok_or_else(missing)?;
    let owner = user.delegation.ok_or_else(missing)?.owner;
    let above = agent.record.unverified().lineage.above().to_vec();
    let lineage = [owner].into_iter().chain(above).map(|id| {
        let user = tx.user(id)?.ok_or_else(missing)?;
        let username = user.unverified().username.to_string();
        Ok::<_, StoreError>(Named { id, username })
    });
    let lineage = lineage.collect::<Result<_, _>>()?;
    let bound = proof.code.is_bound();
    Ok(ProvenAgent {
        bound,
        id: user.id,
        username: user.username.to_string(),
        owner_id: owner,
        lineage,
        scopes: user.scopes(),
        purpose: proof
            .purpose
            .as_ref()
            .filter(|_| bound)
            .map(Purpose::to_string),
    })
}

/// An agent that has shown who it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProvenAgent {
    /// Whether the code was made for this receiver and this purpose. One that was not can have
    /// been handed to somebody else, who handed it on.
    pub bound: bool,
    /// Names the agent.
    pub id: UserId,
    /// Its user name.
    pub username: String,
    /// The person who answers for it.
    pub owner_id: UserId,
    /// Where it comes from: the person, then the agents above it.
    pub lineage: Vec<Named>,
    /// What it may do at most.
    pub scopes: Scopes,
    /// What the code was made for.
    pub purpose: Option<String>,
}

/// Why there is no code, or none was looked at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// Plain codes are switched off (`AGENT_REQUIRE_AUDIENCE`).
    #[error("codes without an audience are switched off here: name the audience")]
    AudienceRequired,
    /// A plain code is for nothing in particular.
    #[error("a code without an audience has no purpose either: name the audience")]
    PurposeNeedsAudience,
    /// Nobody has this name or id.
    #[error("there is no such user")]
    NoSuchAudience,
    /// See [`ProofError`].
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
