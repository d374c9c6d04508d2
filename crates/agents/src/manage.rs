use keyward_audit::{Action, Actor, Event, Subject};
use keyward_auth::needs::AgentsWrite;
use keyward_auth::{
    Delegation, Environment, Host, Idempotency, Outcome, Permit, PersonName, Principal, Proofs,
    Purpose, Recheck as _, Role, Scope, Scopes, User, UserId, UserKind, UserStatus, Users as _,
};
use keyward_core::{Store, StoreError, Timestamp};
use keyward_crypto::{ApiKey, Signed};
use serde::{Deserialize, Serialize};

use crate::administrator::bound;
use crate::{
    Agent, AgentAdministrator, AgentError, AgentName, AgentRecord, AgentView, Agents as _,
    AgentsOf, AgentsTx, Lineage, MAX_DEPTH, Reach, Who, keys,
};

/// Makes and lists agents, and gives them new keys.
///
/// ```
/// use keyward_agents::{AgentError, AgentName, ManageAgents, NewAgent, TreeChange};
/// use keyward_auth::{Authenticate, Scope, Scopes, Username};
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
/// let agents = ManageAgents::new(&environment);
/// let permit = authenticate.principal(&admin.key)?.permit()?;
/// let new = |name, scope| {
///     let scopes = Some(Scopes::from_iter([Scope::Read, scope]));
///     let name = AgentName::parse(name)?;
///     Ok::<_, keyward_agents::MalformedAgentName>(NewAgent {
///         name,
///         purpose: None,
///         scopes,
///         expires_at: None,
///         rotate: false,
///     })
/// };
/// let (planner, key) = agents.create(&permit, &new("planner", Scope::AgentsWrite)?, None)?;
/// let key = key.ok_or("a new agent has a key")?;
///
/// // An agent makes agents of its own, within what it may do itself.
/// let own = authenticate.principal(&key)?.permit()?;
/// let stronger = agents.create(&own, &new("helper", Scope::CredentialsAccess)?, None);
/// assert!(matches!(stronger, Err(AgentError::Stronger(_))));
/// let (_, helper) = agents.create(&own, &new("helper", Scope::AgentsWrite)?, None)?;
/// let helper = helper.ok_or("a new agent has a key")?;
///
/// // Whoever stops an agent stops everything below it.
/// let stopped = agents.change_tree(&permit, planner.agent.id, TreeChange::Freeze)?;
/// assert_eq!(stopped.len(), 2);
/// assert!(authenticate.principal(&helper).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ManageAgents<S> {
    pub(crate) environment: Environment<S>,
    proofs: Proofs<S>,
}

impl<S: Store<Tx: AgentsTx>> ManageAgents<S> {
    /// Wires the service.
    pub fn new(environment: &Environment<S>) -> Self
    where
        S: Clone,
    {
        Self {
            environment: environment.clone(),
            proofs: Proofs::new(environment.clone()),
        }
    }

    /// Makes an agent for the caller, or finds the one that the caller made under this name.
    ///
    /// The [`ApiKey`] is there when the agent is new, or when a new key was asked for. What an
    /// agent that exists may do, and for how long, does not change.
    pub fn create(
        &self,
        caller: &Permit<AgentsWrite>,
        new: &NewAgent,
        attempt: Option<&Idempotency>,
    ) -> Result<(CreatedAgent, Option<ApiKey>), AgentError> {
        let now = self.environment.clock.now();
        let mut secret = None;
        let outcome = self.environment.store.write(|tx| {
            let caller = AgentsWrite::recheck(caller, tx, &self.environment.macs, now)?;
            caller.require_fresh_factor(now)?;
            Idempotency::once(attempt, tx, caller.user, now, |tx| {
                let creator = self.creator(tx, &caller)?;
                let (view, key) = self.create_in(tx, &creator, new, now)?;
                secret = key;
                Ok::<_, AgentError>(view)
            })
        })?;
        Ok(match outcome {
            Outcome::Fresh(view) => (view, secret),
            Outcome::Repeated(view) => (view, None),
        })
    }

    /// Makes an agent for a person, on the host, or finds the one that is there.
    pub fn create_for(
        &self,
        host: Host,
        owner: UserId,
        new: &NewAgent,
    ) -> Result<(CreatedAgent, Option<ApiKey>), AgentError> {
        let now = self.environment.clock.now();
        self.environment.store.write(|tx| {
            let authority = host.authorise(tx, &self.environment.macs, now)?;
            let person = tx
                .user(owner)?
                .and_then(|user| user.verify(&self.environment.macs).ok())
                .filter(|user| user.kind == UserKind::Human && user.is_live(now))
                .ok_or(AgentError::NoOwner)?;
            let creator = Creator {
                actor: authority.actor,
                user: person.id,
                owner: person.id,
                lineage: None,
                scopes: person.scopes(),
                ends: None,
            };
            self.create_in(tx, &creator, new, now)
        })
    }

    /// Up to `limit` agents after `after` that are within the caller's reach.
    pub fn list(
        &self,
        by: &impl AgentAdministrator,
        after: Option<UserId>,
        limit: i64,
    ) -> Result<Vec<AgentView>, AgentError> {
        let agents = self.environment.store.read(|tx| {
            let of = match by.reach() {
                Reach::Everybody => AgentsOf::Everybody,
                Reach::OwnedBy(person) => AgentsOf::Owner(person),
                Reach::Below(agent) => {
                    let agent = tx.agent(agent)?.ok_or(AgentError::NotFound)?;
                    AgentsOf::Below(agent.record.unverified().lineage.clone())
                }
            };
            Ok::<_, AgentError>(tx.agents_after(&of, after, limit)?)
        })?;
        Ok(agents.iter().map(AgentView::of).collect())
    }

    /// One agent.
    pub fn agent(&self, by: &impl AgentAdministrator, id: UserId) -> Result<AgentView, AgentError> {
        let found = self.environment.store.lookup(|tx| tx.agent(id))?;
        found
            .filter(|agent| is_there(agent) && by.reach().contains(agent))
            .map(|agent| AgentView::of(&agent))
            .ok_or(AgentError::NotFound)
    }

    /// One agent by its id or its name.
    pub fn find(&self, by: &impl AgentAdministrator, who: &Who) -> Result<AgentView, AgentError> {
        let found = self.environment.store.lookup(|tx| who.find(tx))?;
        let user = found.ok_or(AgentError::NotFound)?;
        self.agent(by, user.unverified().id)
    }

    /// Ends the keys of an agent, at once or after an overlap, and makes a new one.
    pub fn rotate_key(
        &self,
        by: &impl AgentAdministrator,
        id: UserId,
        overlap_seconds: u32,
        attempt: Option<&Idempotency>,
    ) -> Result<(AgentView, Option<ApiKey>), AgentError> {
        let now = self.environment.clock.now();
        let mut secret = None;
        let outcome = self.environment.store.write(|tx| {
            let authority = by.authorise(tx, &self.environment.macs, now)?;
            authority.require_fresh_factor(now)?;
            let whose = authority.caller.as_ref().map(|caller| caller.user);
            let mut rotate = |tx: &mut S::Tx| {
                let agent = self.within_reach(tx, authority.reach, id)?;
                let actor = &authority.actor;
                let bound = authority.bound();
                secret = Some(self.new_key(tx, actor, &agent, bound, overlap_seconds, now)?);
                Ok::<_, AgentError>(AgentView::of(&agent))
            };
            match (attempt, whose) {
                (Some(attempt), Some(user)) => {
                    Idempotency::once(Some(attempt), tx, user, now, rotate)
                }
                _ => rotate(tx).map(Outcome::Fresh),
            }
        })?;
        Ok(match outcome {
            Outcome::Fresh(view) => (view, secret),
            Outcome::Repeated(view) => (view, None),
        })
    }

    /// An agent within reach, whose rows are genuine.
    pub(crate) fn within_reach(
        &self,
        tx: &mut S::Tx,
        reach: Reach,
        id: UserId,
    ) -> Result<Agent, AgentError> {
        let found = tx.agent(id)?;
        let agent = found
            .filter(|agent| is_there(agent) && reach.contains(agent))
            .ok_or(AgentError::NotFound)?;
        let macs = &self.environment.macs;
        if agent.record.is_genuine(macs) && agent.user.is_genuine(macs) {
            Ok(agent)
        } else {
            Err(StoreError::corrupt("agents", "the row does not carry a valid MAC").into())
        }
    }

    fn creator(&self, tx: &mut S::Tx, caller: &Principal) -> Result<Creator, AgentError> {
        let (scopes, ends) = bound(caller);
        let (owner, lineage) = match (caller.kind, caller.owner) {
            (UserKind::Agent, Some(owner)) => {
                let agent = self.within_reach(tx, Reach::Everybody, caller.user)?;
                (owner, Some(agent.record.unverified().lineage.clone()))
            }
            _ => (caller.user, None),
        };
        Ok(Creator {
            actor: caller.actor(),
            user: caller.user,
            owner,
            lineage,
            scopes,
            ends,
        })
    }

    fn create_in(
        &self,
        tx: &mut S::Tx,
        creator: &Creator,
        new: &NewAgent,
        now: Timestamp,
    ) -> Result<(CreatedAgent, Option<ApiKey>), AgentError> {
        if let Some(namesake) = tx.user_by_name(new.name.as_username())? {
            return self.existing(tx, creator, namesake.unverified().id, new, now);
        }
        let macs = &self.environment.macs;
        let id = UserId::generate();
        let delegation = creator.delegate(new, now)?;
        let lineage = creator.lineage_of(id)?;
        let user = new_user(id, &new.name, delegation, now);
        let record = AgentRecord {
            lineage,
            creator: creator.user,
            purpose: new.purpose.clone(),
            frozen_at: None,
        };
        let agent = Agent {
            record: Signed::sign(record, macs),
            user: Signed::sign(user.clone(), macs),
        };
        if !tx.add_user(&agent.user)? {
            return Err(AgentError::NameTaken);
        }
        tx.add_agent(&agent.record)?;
        self.proofs.enrol(tx, id, now)?;
        let key = keys::issue(tx, &user, (creator.scopes, creator.ends), macs, now)?;
        let event = Event::new(creator.actor.clone(), AGENT_CREATE, subject(id))
            .with("username", user.username.as_str())
            .with("owner", delegation.owner.to_string())
            .with("scopes", delegation.scopes.to_string())
            .with("key", key.id().to_string());
        self.environment.audit.record(tx, &event)?;
        Ok((CreatedAgent::new(&agent, false), Some(key)))
    }

    /// The agent that the same creator made under this name before.
    fn existing(
        &self,
        tx: &mut S::Tx,
        creator: &Creator,
        id: UserId,
        new: &NewAgent,
        now: Timestamp,
    ) -> Result<(CreatedAgent, Option<ApiKey>), AgentError> {
        if tx.agent(id)?.is_none() {
            return Err(AgentError::NameTaken);
        }
        let agent = self.within_reach(tx, Reach::Everybody, id)?;
        if agent.record.unverified().creator != creator.user {
            return Err(AgentError::NameTaken);
        }
        let key = if new.rotate {
            let bound = (creator.scopes, creator.ends);
            Some(self.new_key(tx, &creator.actor, &agent, bound, 0, now)?)
        } else {
            None
        };
        Ok((CreatedAgent::new(&agent, true), key))
    }

    fn new_key(
        &self,
        tx: &mut S::Tx,
        actor: &Actor,
        agent: &Agent,
        bound: (Scopes, Option<Timestamp>),
        overlap_seconds: u32,
        now: Timestamp,
    ) -> Result<ApiKey, AgentError> {
        let user = agent.user.unverified();
        if user.status != UserStatus::Active {
            return Err(AgentError::Frozen);
        }
        let stronger = user.scopes().without(bound.0);
        if !stronger.is_empty() {
            return Err(AgentError::Stronger(stronger));
        }
        let macs = &self.environment.macs;
        keys::end_all(tx, user, overlap_seconds, macs, now)?;
        let key = keys::issue(tx, user, bound, macs, now)?;
        let event = Event::new(actor.clone(), AGENT_ROTATE, subject(user.id))
            .with("new_key", key.id().to_string())
            .with("overlap_seconds", overlap_seconds.to_string());
        self.environment.audit.record(tx, &event)?;
        Ok(key)
    }
}

/// An agent to be made.
#[derive(Clone, Debug)]
pub struct NewAgent {
    /// Its name.
    pub name: AgentName,
    /// What it is for.
    pub purpose: Option<Purpose>,
    /// What it may do at most; `None` for `read` and `credentials:use`, as far as its creator can
    /// give them.
    pub scopes: Option<Scopes>,
    /// From when on its keys are refused; `None` for never, or when its creator's key ends.
    pub expires_at: Option<Timestamp>,
    /// Whether an agent that exists gets a new key in place of all that it has.
    pub rotate: bool,
}

/// An agent that was made or found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CreatedAgent {
    /// The agent.
    pub agent: AgentView,
    /// Whether it was there before.
    pub already_existed: bool,
}

impl CreatedAgent {
    fn new(agent: &Agent, already_existed: bool) -> Self {
        Self {
            agent: AgentView::of(agent),
            already_existed,
        }
    }
}

/// Who makes an agent, and what they can give to it at most.
struct Creator {
    actor: Actor,
    user: UserId,
    owner: UserId,
    lineage: Option<Lineage>,
    scopes: Scopes,
    ends: Option<Timestamp>,
}

impl Creator {
    /// Holds what is asked for against what can be given.
    fn delegate(&self, new: &NewAgent, now: Timestamp) -> Result<Delegation, AgentError> {
        let possible = Scopes::of_role(Role::Normal).intersection(self.scopes);
        let usual: Scopes = [Scope::Read, Scope::CredentialsUse].into_iter().collect();
        let scopes = new.scopes.unwrap_or(usual.intersection(possible));
        let stronger = scopes.without(possible);
        if !stronger.is_empty() {
            return Err(AgentError::Stronger(stronger));
        }
        let expires_at = match (new.expires_at, self.ends) {
            (Some(asked), _) if asked <= now => return Err(AgentError::ExpiryInPast),
            (Some(asked), Some(end)) if asked > end => return Err(AgentError::OutlivesCreator),
            (asked, end) => asked.or(end),
        };
        Ok(Delegation {
            owner: self.owner,
            scopes,
            expires_at,
        })
    }

    fn lineage_of(&self, agent: UserId) -> Result<Lineage, AgentError> {
        let lineage = match &self.lineage {
            None => Lineage::root(agent),
            Some(parent) => parent.child(agent),
        };
        if lineage.depth() > MAX_DEPTH {
            return Err(AgentError::TooDeep);
        }
        Ok(lineage)
    }
}

fn new_user(id: UserId, name: &AgentName, delegation: Delegation, now: Timestamp) -> User {
    User {
        id,
        username: name.as_username().clone(),
        kind: UserKind::Agent,
        role: Role::Normal,
        status: UserStatus::Active,
        password_hash: None,
        first_name: PersonName::from_stored(String::new()),
        last_name: PersonName::from_stored(String::new()),
        created_at: now,
        mfa_since: None,
        delegation: Some(delegation),
        legacy_id: None,
        version: 1,
    }
}

fn is_there(agent: &Agent) -> bool {
    agent.user.unverified().status != UserStatus::Deleted
}

pub(crate) fn subject(id: UserId) -> Subject {
    Subject::new("agent", id)
}

const AGENT_CREATE: Action = Action("agent.create");
const AGENT_ROTATE: Action = Action("agent.rotate-key");
