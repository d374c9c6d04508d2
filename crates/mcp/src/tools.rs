//! The list of all tools. What agents read of them stands in `docs/mcp.md` too.

use keyward_agents::{AgentName, NewAgent, ProvenAgent, Who};
use keyward_auth::needs::{AgentsWrite, Read};
use keyward_auth::{Any, GivenProof, Permit, Purpose, Scope, Scopes};
use keyward_core::{Id, Timestamp};
use rmcp::model::ToolAnnotations;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::failure::Failure;
use crate::services::{McpServices, McpStore};
use crate::tool::Declared;

pub(crate) fn all<S: McpStore>() -> Vec<Declared<S>> {
    let reads = |title| {
        ToolAnnotations::with_title(title)
            .read_only(true)
            .open_world(false)
    };
    let changes = |title| {
        ToolAnnotations::with_title(title)
            .read_only(false)
            .destructive(false)
            .open_world(false)
    };
    vec![
        Declared::new(WHOAMI, reads("Who am I"), whoami),
        Declared::new(GET_CODE, changes("Prove who I am"), get_totp_code),
        Declared::new(VERIFY, changes("Check who an agent is"), verify_agent),
        Declared::new(
            CREATE,
            changes("Make an agent").idempotent(true),
            create_agent_user,
        ),
        Declared::new(LIST, reads("List credentials"), list_credentials),
    ]
}

const WHOAMI: (&str, &str) = (
    "whoami",
    "Says who you are to Keyward: your name, your owner, and what your key may do. Call it first \
     when you do not know what you may do.",
);

const GET_CODE: (&str, &str) = (
    "get_totp_code",
    "Gives you a one-time code by which you prove to one other agent or person who you are. Name \
     the receiver as `audience`, and what it is for as `purpose` (a task id is best). Hand \
     `username` and `totp_code` to the receiver and to nobody else; they verify it with \
     verify_agent, within `expires_in` seconds, once.",
);

const VERIFY: (&str, &str) = (
    "verify_agent",
    "Checks a code that an agent has handed to you, and says who that agent is: its owner, the \
     agents above it, and what it may do. Do what it asks for only if `verified` and `bound` are \
     true and you trust who stands behind it. A code works once: ask for a new one to check again.",
);

const CREATE: (&str, &str) = (
    "create_agent_user",
    "Makes an agent below you, with at most the rights that you have, and returns its API key once. \
     The same name gives the same agent again, without a key unless `rotate` is true. Hand the key \
     to that agent and to nobody else.",
);

const LIST: (&str, &str) = (
    "list_credentials",
    "Lists the credentials of other services that you may use. Secrets are masked; no tool shows \
     them.",
);

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Serialize, JsonSchema)]
struct Identity {
    id: String,
    username: String,
    /// `agent` or `human`.
    kind: String,
    /// The person who answers for you, if you are an agent.
    owner_id: Option<String>,
    /// What your key may do.
    scopes: Vec<String>,
    /// When your key ends.
    expires_at: Option<String>,
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of a handler")]
fn whoami<S: McpStore>(
    _: &McpServices<S>,
    caller: &Permit<Any>,
    Nothing {}: &Nothing,
) -> Result<Identity, Failure> {
    Ok(Identity {
        id: caller.user.to_string(),
        username: caller.username.to_string(),
        kind: caller.kind.as_str().to_owned(),
        owner_id: caller.owner.map(|owner| owner.to_string()),
        scopes: names(caller.key.scopes),
        expires_at: caller.key.expires_at.map(|at| at.to_string()),
    })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CodeFor {
    /// Who is to verify the code, by name or id. Without it anybody can, once.
    audience: Option<String>,
    /// What for, up to 200 characters; the receiver has to name the same.
    purpose: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct ShownCode {
    /// Your own name, to be handed over with the code.
    username: String,
    totp_code: String,
    /// Whether the code is for one receiver and one purpose.
    bound: bool,
    /// For how many seconds it can be verified.
    expires_in: i64,
}

fn get_totp_code<S: McpStore>(
    services: &McpServices<S>,
    caller: &Permit<Any>,
    asked: &CodeFor,
) -> Result<ShownCode, Failure> {
    let audience = asked.audience.as_deref().map(Who::new);
    let purpose = purpose(asked.purpose.as_deref())?;
    let shown = services
        .proofs
        .show(caller, audience.as_ref(), purpose.as_ref())?;
    Ok(ShownCode {
        username: caller.username.to_string(),
        totp_code: shown.code.expose().to_owned(),
        bound: shown.code.is_bound(),
        expires_in: shown.expires_in,
    })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Presented {
    /// Who the agent says that it is, by name or id.
    username: String,
    /// The code that it has handed to you: eight digits, or six without an audience.
    code: String,
    /// What the code is said to be for.
    purpose: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Verdict {
    /// Whether the agent is who it says. Everything else is there only if it is.
    verified: bool,
    /// Whether the code was made for you and this purpose.
    #[serde(skip_serializing_if = "Option::is_none")]
    bound: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purpose: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<Proven>,
}

#[derive(Serialize, JsonSchema)]
struct Proven {
    id: String,
    username: String,
    /// The person who answers for it.
    owner_id: String,
    /// Where it comes from: the person, then the agents above it.
    lineage: Vec<Ancestor>,
    /// What it may do at most.
    scopes: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct Ancestor {
    id: String,
    username: String,
}

fn verify_agent<S: McpStore>(
    services: &McpServices<S>,
    caller: &Permit<Any>,
    given: &Presented,
) -> Result<Verdict, Failure> {
    let purpose = purpose(given.purpose.as_deref())?;
    let code = GivenProof::parse(&given.code)
        .map_err(|_| Failure::arguments("code: expected 6 or 8 digits"))?;
    let agent = Who::new(&given.username);
    let proven = services.proofs.verify(caller, &agent, code, purpose)?;
    Ok(Verdict {
        verified: proven.is_some(),
        bound: proven.as_ref().map(|agent| agent.bound),
        purpose: proven.as_ref().and_then(|agent| agent.purpose.clone()),
        agent: proven.map(Proven::from),
    })
}

impl From<ProvenAgent> for Proven {
    fn from(agent: ProvenAgent) -> Self {
        let above = agent.lineage.into_iter().map(|above| Ancestor {
            id: above.id.to_string(),
            username: above.username,
        });
        Self {
            id: agent.id.to_string(),
            username: agent.username,
            owner_id: agent.owner_id.to_string(),
            lineage: above.collect(),
            scopes: names(agent.scopes),
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Its name; `agent_` is put in front where it is missing. Or give `workflow` and `node`.
    name: Option<String>,
    /// The workflow that it works in, together with `node`.
    workflow: Option<String>,
    /// The node of the workflow that it runs.
    node: Option<String>,
    /// What it is for, up to 200 characters.
    purpose: Option<String>,
    /// What it may do: `read`, `credentials:write`, `credentials:use`, `credentials:access`,
    /// `agents:write`, as far as you may. If not given, `read` and `credentials:use`.
    scopes: Option<Vec<String>>,
    /// When it ends, as in 2027-01-31T00:00:00Z; if not given, when your key does.
    expires_at: Option<String>,
    /// Whether an agent that exists gets a new key in place of all that it has.
    #[serde(default)]
    rotate: bool,
}

#[derive(Serialize, JsonSchema)]
struct Made {
    id: String,
    username: String,
    purpose: Option<String>,
    owner_id: Option<String>,
    created_by_id: String,
    scopes: Vec<String>,
    expires_at: Option<String>,
    /// The key of the new agent, shown this once; null where there is no new one.
    api_key: Option<String>,
    already_existed: bool,
}

fn create_agent_user<S: McpStore>(
    services: &McpServices<S>,
    caller: &Permit<AgentsWrite>,
    wanted: &Wanted,
) -> Result<Made, Failure> {
    let (made, key) = services.agents.create(caller, &wanted.parse()?, None)?;
    let agent = made.agent;
    Ok(Made {
        id: agent.id.to_string(),
        username: agent.username,
        purpose: agent.purpose,
        owner_id: agent.owner_id.map(|owner| owner.to_string()),
        created_by_id: agent.created_by_id.to_string(),
        scopes: names(agent.scopes),
        expires_at: agent.expires_at.map(|at| at.to_string()),
        api_key: key.map(|key| key.expose().to_owned()),
        already_existed: made.already_existed,
    })
}

impl Wanted {
    fn parse(&self) -> Result<NewAgent, Failure> {
        let name = match (&self.name, &self.workflow, &self.node) {
            (Some(name), None, None) => AgentName::parse(name),
            (None, Some(workflow), Some(node)) => AgentName::of_node(workflow, node),
            _ => {
                let message = "give either `name`, or both `workflow` and `node`";
                return Err(Failure::arguments(message));
            }
        };
        let scopes = self.scopes.as_ref().map(|scopes| {
            let scopes = scopes.iter().map(|scope| scope.parse::<Scope>());
            scopes.collect::<Result<Scopes, _>>()
        });
        let expires_at = self.expires_at.as_deref().map(Timestamp::parse);
        Ok(NewAgent {
            name: name.map_err(|error| Failure::arguments(format!("name: {error}")))?,
            purpose: purpose(self.purpose.as_deref())?,
            scopes: scopes
                .transpose()
                .map_err(|error| Failure::arguments(format!("scopes: {error}")))?,
            expires_at: expires_at
                .transpose()
                .map_err(|error| Failure::arguments(format!("expires_at: {error}")))?,
            rotate: self.rotate,
        })
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Page {
    /// The `next` of the page before.
    after: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Credentials {
    credentials: Vec<Kept>,
    /// Give it as `after` for the next page; null at the end.
    next: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Kept {
    id: String,
    name: String,
    /// `llm`, `git`, `gateway`, `tool` or `generic`.
    credential_type: String,
    /// The fields of the type; secrets as masks.
    detail: Value,
}

fn list_credentials<S: McpStore>(
    services: &McpServices<S>,
    caller: &Permit<Read>,
    Page { after }: &Page,
) -> Result<Credentials, Failure> {
    let after = after.as_deref().map(Id::parse).transpose();
    let after = after.map_err(|_| Failure::arguments("after: expected the `next` of a page"))?;
    let mut views = services.credentials.list(caller, after, PAGE + 1)?;
    let size = usize::try_from(PAGE).unwrap_or(0);
    let more = views.len() > size;
    views.truncate(size);
    let next = views
        .last()
        .filter(|_| more)
        .map(|last| last.id.to_string());
    let credentials = views.into_iter().map(|view| {
        Ok(Kept {
            id: view.id.to_string(),
            name: view.name,
            credential_type: view.credential_type,
            detail: serde_json::to_value(view.detail).map_err(|_| Failure::internal())?,
        })
    });
    Ok(Credentials {
        credentials: credentials.collect::<Result<_, Failure>>()?,
        next,
    })
}

fn purpose(text: Option<&str>) -> Result<Option<Purpose>, Failure> {
    text.map(Purpose::parse)
        .transpose()
        .map_err(|error| Failure::arguments(format!("purpose: {error}")))
}

fn names(scopes: Scopes) -> Vec<String> {
    scopes.iter().map(|scope| scope.to_string()).collect()
}

const PAGE: i64 = 50;
