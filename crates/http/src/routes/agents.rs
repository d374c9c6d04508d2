use actix_web::http::Method;
use keyward_agents::{
    Affected, AgentName, AgentView, CreatedAgent, NewAgent, ProvenAgent, TreeChange, Who,
};
use keyward_auth::needs::AgentsWrite;
use keyward_auth::{Any, GivenProof, Permit, Purpose, Scopes, User, UserId};
use keyward_core::{LegacyId, Timestamp};
use keyward_crypto::{ApiKey, SecretText};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Problem;
use crate::answer::{Created, Found, MadeOrFound};
use crate::endpoint::Endpoint;
use crate::input::{At, Attempt, Body, IdCursor, Listing, Page, fetch, field};
use crate::problem::FieldError;
use crate::routes::keys::exposed;
use crate::routes::schemas::Scope;
use crate::services::{ApiStore, Services};

pub(crate) fn endpoints<S: ApiStore>() -> Vec<Endpoint<S>> {
    let post = Method::POST;
    vec![
        Endpoint::new(
            Method::GET,
            "/agents",
            "The agents that the caller manages",
            list,
        ),
        Endpoint::new(
            post.clone(),
            "/agents",
            "Make an agent, or find the one of this name",
            create,
        )
        .sensitive(),
        Endpoint::new(
            post.clone(),
            "/agents/verify",
            "Check the code of an agent, once",
            verify,
        )
        .limited(),
        Endpoint::new(
            post.clone(),
            "/agents/me/totp-code",
            "The code by which the calling agent proves who it is",
            totp_code,
        )
        .sensitive(),
        Endpoint::new(Method::GET, "/agents/{id}", "One agent", agent),
        Endpoint::new(
            post.clone(),
            "/agents/{id}/rotate-key",
            "Replace all keys of an agent by a new one",
            rotate_key,
        )
        .sensitive(),
        Endpoint::new(
            post.clone(),
            "/agents/{id}/freeze",
            "Refuse the keys of an agent and of all below it, for now",
            freeze,
        ),
        Endpoint::new(
            post.clone(),
            "/agents/{id}/unfreeze",
            "Let the keys of an agent and of those below it work again",
            unfreeze,
        ),
        Endpoint::new(
            post,
            "/agents/{id}/revoke",
            "Refuse the keys of an agent and of all below it, for ever",
            revoke,
        ),
    ]
}

fn list<S: ApiStore>(
    services: &Services<S>,
    caller: &Permit<AgentsWrite>,
    Page { limit, after }: Page<IdCursor<User>>,
) -> Result<Found<Listing<AgentBody>>, Problem> {
    let after = after.map(|cursor| cursor.0);
    let agents = services.agents.list(caller, after, fetch(limit))?;
    let agents = agents.into_iter().map(AgentBody::from).collect();
    Ok(Found(Listing::cut(limit, agents, |last: &AgentBody| {
        last.id.to_string()
    })))
}

fn create<S: ApiStore>(
    services: &Services<S>,
    caller: &Permit<AgentsWrite>,
    (Body(body), Attempt(attempt)): (Body<CreateAgent>, Attempt),
) -> Result<MadeOrFound<AgentWithKey>, Problem> {
    let new = body.parse()?;
    let (made, key) = services.agents.create(caller, &new, attempt.as_ref())?;
    let is_new = !made.already_existed;
    Ok(MadeOrFound::new(is_new, AgentWithKey::of(made, key)))
}

fn agent<S: ApiStore>(
    services: &Services<S>,
    caller: &Permit<AgentsWrite>,
    At(id): At<UserId>,
) -> Result<Found<AgentBody>, Problem> {
    Ok(Found(services.agents.agent(caller, id)?.into()))
}

fn rotate_key<S: ApiStore>(
    services: &Services<S>,
    caller: &Permit<AgentsWrite>,
    (At(id), Body(body), Attempt(attempt)): (At<UserId>, Body<RotateAgentKey>, Attempt),
) -> Result<Created<AgentWithKey>, Problem> {
    let overlap = body.overlap_seconds;
    let (agent, key) = services
        .agents
        .rotate_key(caller, id, overlap, attempt.as_ref())?;
    let found = CreatedAgent {
        agent,
        already_existed: true,
    };
    Ok(Created(AgentWithKey::of(found, key)))
}

fn freeze<S: ApiStore>(
    services: &Services<S>,
    caller: &Permit<AgentsWrite>,
    (At(id), Body(body)): (At<UserId>, Body<ChangeTree>),
) -> Result<Found<AffectedAgents>, Problem> {
    change_tree(services, caller, id, TreeChange::Freeze, &body)
}

fn unfreeze<S: ApiStore>(
    services: &Services<S>,
    caller: &Permit<AgentsWrite>,
    (At(id), Body(body)): (At<UserId>, Body<ChangeTree>),
) -> Result<Found<AffectedAgents>, Problem> {
    change_tree(services, caller, id, TreeChange::Unfreeze, &body)
}

fn revoke<S: ApiStore>(
    services: &Services<S>,
    caller: &Permit<AgentsWrite>,
    (At(id), Body(body)): (At<UserId>, Body<ChangeTree>),
) -> Result<Found<AffectedAgents>, Problem> {
    change_tree(services, caller, id, TreeChange::Revoke, &body)
}

fn change_tree<S: ApiStore>(
    services: &Services<S>,
    caller: &Permit<AgentsWrite>,
    id: UserId,
    change: TreeChange,
    body: &ChangeTree,
) -> Result<Found<AffectedAgents>, Problem> {
    let affected = if body.dry_run {
        services.agents.plan_tree(caller, id, change)?
    } else {
        services.agents.change_tree(caller, id, change)?
    };
    let affected = affected.into_iter().map(AffectedAgent::from).collect();
    Ok(Found(AffectedAgents { affected }))
}

fn totp_code<S: ApiStore>(
    services: &Services<S>,
    caller: &Permit<Any>,
    Body(body): Body<AskCode>,
) -> Result<Found<ShownCode>, Problem> {
    let purpose = purpose(body.purpose.as_deref())?;
    let audience = body.audience.as_deref().map(Who::new);
    let shown = services
        .proofs
        .show(caller, audience.as_ref(), purpose.as_ref())?;
    Ok(Found(ShownCode {
        username: caller.username.to_string(),
        totp_code: shown.code.expose().to_owned(),
        bound: shown.code.is_bound(),
        expires_in: shown.expires_in,
    }))
}

fn verify<S: ApiStore>(
    services: &Services<S>,
    caller: &Permit<Any>,
    Body(body): Body<VerifyCode>,
) -> Result<Found<Verdict>, Problem> {
    let purpose = purpose(body.purpose.as_deref())?;
    let code = GivenProof::parse(body.code.expose())
        .map_err(|_| Problem::invalid(vec![FieldError::new("code", "expected 6 or 8 digits")]))?;
    let agent = Who::new(&body.username);
    let proven = services.proofs.verify(caller, &agent, code, purpose)?;
    Ok(Found(proven.into()))
}

fn purpose(text: Option<&str>) -> Result<Option<Purpose>, Problem> {
    let mut errors = Vec::new();
    let purpose = text.and_then(|text| field("purpose", Purpose::parse(text), &mut errors));
    if errors.is_empty() {
        Ok(purpose)
    } else {
        Err(Problem::invalid(errors))
    }
}

/// An agent to be made: by a name, or by the node of a workflow that it runs.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateAgent {
    /// Letters, digits and `. _ - @ +`; `agent_` is put in front where it is missing.
    #[schema(max_length = 64)]
    name: Option<String>,
    /// Goes with `node`: the name is then `agent_{workflow}_{node}`, with each `_` of the workflow
    /// doubled.
    workflow: Option<String>,
    /// Goes with `workflow`.
    node: Option<String>,
    /// What it is for.
    #[schema(min_length = 1, max_length = 200)]
    purpose: Option<String>,
    /// What it may do at most, within what the asking key may do; if not given, `read` and
    /// `credentials:use`.
    #[schema(value_type = Option<Vec<Scope>>)]
    scopes: Option<Scopes>,
    /// When it ends; if not given, when the asking key ends.
    #[schema(value_type = Option<String>, format = "date-time")]
    expires_at: Option<Timestamp>,
    /// Whether an agent that exists gets a new key in place of all that it has.
    #[serde(default)]
    rotate: bool,
}

impl CreateAgent {
    fn parse(self) -> Result<NewAgent, Problem> {
        let mut errors = Vec::new();
        let name = match (&self.name, &self.workflow, &self.node) {
            (Some(name), None, None) => field("name", AgentName::parse(name), &mut errors),
            (None, Some(workflow), Some(node)) => {
                field("workflow", AgentName::of_node(workflow, node), &mut errors)
            }
            _ => {
                let problem = "give either `name`, or both `workflow` and `node`";
                errors.push(FieldError::new("name", problem));
                None
            }
        };
        let purpose = self.purpose.as_deref();
        let purpose = purpose.and_then(|text| field("purpose", Purpose::parse(text), &mut errors));
        match name {
            Some(name) if errors.is_empty() => Ok(NewAgent {
                name,
                purpose,
                scopes: self.scopes,
                expires_at: self.expires_at,
                rotate: self.rotate,
            }),
            _ => Err(Problem::invalid(errors)),
        }
    }
}

/// How a key of an agent is replaced.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RotateAgentKey {
    /// For how long the old keys go on working; with 0 they end at once.
    #[serde(default)]
    overlap_seconds: u32,
}

/// A change of an agent and all below it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeTree {
    /// Only say what would be changed.
    #[serde(default)]
    dry_run: bool,
}

/// What a code shall be good for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskCode {
    /// Who is to verify the code, by user name or id. Without it anybody can, once.
    audience: Option<String>,
    /// What for; the receiver has to name the same.
    #[schema(min_length = 1, max_length = 200)]
    purpose: Option<String>,
}

/// A code that an agent has handed over.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VerifyCode {
    /// Who the agent says that it is, by user name or id.
    username: String,
    /// Eight digits, or six of a code without an audience.
    #[schema(value_type = String, pattern = "^([0-9]{6}|[0-9]{8})$", write_only)]
    code: SecretText,
    /// What the code is said to be for.
    #[schema(min_length = 1, max_length = 200)]
    purpose: Option<String>,
}

/// An agent.
#[derive(Serialize, ToSchema)]
pub(crate) struct AgentBody {
    #[schema(value_type = String, format = "uuid")]
    id: UserId,
    /// Begins with `agent_`.
    username: String,
    /// What it is for, in its creator's words.
    purpose: Option<String>,
    /// The person who answers for it.
    #[schema(value_type = Option<String>, format = "uuid")]
    owner_id: Option<UserId>,
    /// The person or the agent that made it.
    #[schema(value_type = String, format = "uuid")]
    created_by_id: UserId,
    /// The agents above it, the root first.
    #[schema(value_type = Vec<String>)]
    lineage: Vec<UserId>,
    /// What it may do at most.
    #[schema(value_type = Vec<Scope>)]
    scopes: Scopes,
    /// `active` or `frozen`.
    status: String,
    #[schema(value_type = String, format = "date-time")]
    created_at: Timestamp,
    /// From when on its keys are refused.
    #[schema(value_type = Option<String>, format = "date-time")]
    expires_at: Option<Timestamp>,
    /// Its number in the system that it was imported from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, nullable = false)]
    legacy_id: Option<LegacyId>,
}

impl From<AgentView> for AgentBody {
    fn from(agent: AgentView) -> Self {
        Self {
            id: agent.id,
            username: agent.username,
            purpose: agent.purpose,
            owner_id: agent.owner_id,
            created_by_id: agent.created_by_id,
            lineage: agent.lineage,
            scopes: agent.scopes,
            status: agent.status,
            created_at: agent.created_at,
            expires_at: agent.expires_at,
            legacy_id: agent.legacy_id,
        }
    }
}

/// An agent and, this one time, its key.
#[derive(Serialize, ToSchema)]
pub(crate) struct AgentWithKey {
    #[serde(flatten)]
    #[schema(inline)]
    agent: AgentBody,
    /// The key itself. This is the only time that it is shown; null where there is no new one.
    #[schema(value_type = Option<String>)]
    #[serde(serialize_with = "exposed")]
    api_key: Option<ApiKey>,
    /// Whether the agent was there before.
    already_existed: bool,
}

impl AgentWithKey {
    fn of(made: CreatedAgent, key: Option<ApiKey>) -> Self {
        Self {
            agent: made.agent.into(),
            api_key: key,
            already_existed: made.already_existed,
        }
    }
}

/// The agents that a change concerns, parents before their children.
#[derive(Serialize, ToSchema)]
pub(crate) struct AffectedAgents {
    affected: Vec<AffectedAgent>,
}

/// An agent that a change concerns.
#[derive(Serialize, ToSchema)]
pub(crate) struct AffectedAgent {
    #[schema(value_type = String, format = "uuid")]
    id: UserId,
    username: String,
    /// The agent that made it; `null` where a person did.
    #[schema(value_type = Option<String>, format = "uuid")]
    parent_id: Option<UserId>,
    /// How deep it stands in its tree, from 1.
    depth: usize,
}

impl From<Affected> for AffectedAgent {
    fn from(agent: Affected) -> Self {
        Self {
            id: agent.id,
            username: agent.username,
            parent_id: agent.parent,
            depth: agent.depth,
        }
    }
}

/// A code by which an agent proves who it is.
#[derive(Serialize, ToSchema)]
pub(crate) struct ShownCode {
    /// The agent's own name, to be handed over with the code.
    username: String,
    /// Eight digits, or six without an audience.
    totp_code: String,
    /// Whether it is for one receiver and one purpose.
    bound: bool,
    /// For how many seconds it can be verified.
    expires_in: i64,
}

/// What a code shows.
#[derive(Serialize, ToSchema)]
pub(crate) struct Verdict {
    /// Whether the agent is who it says. Everything else is there only if it is.
    verified: bool,
    /// Whether the code was made for the caller and this purpose. One that was not can have been
    /// handed to somebody else, who handed it on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    bound: Option<bool>,
    /// What the code was made for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    purpose: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    agent: Option<Proven>,
}

/// An agent that has shown who it is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Proven {
    #[schema(value_type = String, format = "uuid")]
    id: UserId,
    username: String,
    /// The person who answers for it.
    #[schema(value_type = String, format = "uuid")]
    owner_id: UserId,
    /// Where it comes from: the person, then the agents above it.
    lineage: Vec<Ancestor>,
    /// What it may do at most.
    #[schema(value_type = Vec<Scope>)]
    scopes: Scopes,
}

/// Somebody above an agent.
#[derive(Serialize, ToSchema)]
pub(crate) struct Ancestor {
    #[schema(value_type = String, format = "uuid")]
    id: UserId,
    username: String,
}

impl From<Option<ProvenAgent>> for Verdict {
    fn from(proven: Option<ProvenAgent>) -> Self {
        let verified = proven.is_some();
        let bound = proven.as_ref().map(|agent| agent.bound);
        let purpose = proven.as_ref().and_then(|agent| agent.purpose.clone());
        let agent = proven.map(|agent| Proven {
            id: agent.id,
            username: agent.username,
            owner_id: agent.owner_id,
            lineage: agent
                .lineage
                .into_iter()
                .map(|above| Ancestor {
                    id: above.id,
                    username: above.username,
                })
                .collect(),
            scopes: agent.scopes,
        });
        Self {
            verified,
            bound,
            purpose,
            agent,
        }
    }
}
