use clap::{Args, Subcommand};
use keyward_agents::{AgentName, MalformedAgentName};
use keyward_auth::{MalformedName, Purpose, Scope, Scopes, Username};
use keyward_core::Timestamp;

/// Keys are no arguments: a new one is printed once.
#[derive(Debug, Subcommand)]
pub(crate) enum AgentCommand {
    /// Make an agent of a person and print its key once, or find the one of this name.
    #[command(
        after_help = "Examples:\n  keyward agent create --owner ada --name researcher\n  keyward agent create --owner ada --workflow report --node writer --scope read"
    )]
    Create(CreateArgs),
    /// List all agents, in the order in which they were made.
    #[command(after_help = "Example:\n  keyward agent list --json")]
    List,
    /// Show who made whom.
    #[command(after_help = "Example:\n  keyward agent tree researcher")]
    Tree {
        /// The name or the id of an agent; all without one.
        #[arg(value_name = "NAME")]
        agent: Option<String>,
    },
    /// Refuse the keys of an agent and of everything below it until it is unfrozen.
    #[command(after_help = "Example:\n  keyward agent freeze researcher --dry-run")]
    Freeze(TreeArgs),
    /// Let the keys of an agent work again, and those below it that are not frozen themselves.
    #[command(after_help = "Example:\n  keyward agent unfreeze researcher")]
    Unfreeze(TreeArgs),
    /// Refuse the keys of an agent and of everything below it for ever.
    #[command(after_help = "Example:\n  keyward agent revoke researcher --dry-run")]
    Revoke(TreeArgs),
}

/// Which agent to make.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// The name of the person who answers for it.
    #[arg(long, value_name = "PERSON", value_parser = Username::parse)]
    pub(super) owner: Username,

    /// What to call it; `agent_` is put in front where it is missing.
    #[arg(long, value_name = "NAME", required_unless_present_all = ["workflow", "node"], value_parser = AgentName::parse)]
    name: Option<AgentName>,

    /// The workflow that it works in, for the name `agent_WORKFLOW_NODE`.
    #[arg(long, requires = "node", conflicts_with = "name", value_parser = workflow)]
    workflow: Option<String>,

    /// The node of the workflow that it runs.
    #[arg(long, requires = "workflow", conflicts_with = "name", value_parser = node)]
    node: Option<String>,

    /// What it is for.
    #[arg(long, value_parser = purpose)]
    pub(super) purpose: Option<Purpose>,

    /// What it may do at most, once for each scope; if not given, read and credentials:use.
    #[arg(long = "scope", value_name = "SCOPE")]
    scope: Vec<Scope>,

    /// When it ends, as in 2027-01-31T00:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = Timestamp::parse)]
    pub(super) expires_at: Option<Timestamp>,

    /// Give it a new key in place of all that it has, if it exists.
    #[arg(long)]
    pub(super) rotate: bool,
}

impl CreateArgs {
    pub(super) fn name(&self) -> Result<AgentName, MalformedAgentName> {
        match &self.name {
            Some(name) => Ok(name.clone()),
            None => AgentName::of_node(
                self.workflow.as_deref().unwrap_or_default(),
                self.node.as_deref().unwrap_or_default(),
            ),
        }
    }

    pub(super) fn scopes(&self) -> Option<Scopes> {
        let scopes: Scopes = self.scope.iter().copied().collect();
        (!scopes.is_empty()).then_some(scopes)
    }
}

/// Which agent to change, with everything below it.
#[derive(Debug, Args)]
pub(crate) struct TreeArgs {
    /// The name or the id of the agent.
    #[arg(value_name = "NAME")]
    pub(super) agent: String,

    /// Only show what would be changed.
    #[arg(long)]
    pub(super) dry_run: bool,
}

fn purpose(text: &str) -> Result<Purpose, MalformedName> {
    Purpose::parse(text)
}

fn workflow(text: &str) -> Result<String, MalformedAgentName> {
    AgentName::of_node(text, "node").map(|_| text.to_owned())
}

fn node(text: &str) -> Result<String, MalformedAgentName> {
    AgentName::of_node("workflow", text).map(|_| text.to_owned())
}
