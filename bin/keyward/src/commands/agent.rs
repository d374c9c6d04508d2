//! `keyward agent`: agents, administered on the host.

mod arguments;
mod refusal;
mod show;

use keyward_agents::{Affected, AgentView, ManageAgents, NewAgent, TreeChange, Who};
use keyward_auth::{Host, ManageUsers, Username};
use keyward_store_diesel::DieselStore;

use self::arguments::{CreateArgs, TreeArgs};
use self::refusal::no_change;
use crate::cli::Output;
use crate::exit::{Exit, Failure};
use crate::settings::Settings;
use crate::wiring::Installation;

pub(crate) use self::arguments::AgentCommand;

/// Does one of the commands, as the operator of the host.
pub(crate) fn agent(
    settings: &Settings,
    command: &AgentCommand,
    output: Output,
) -> Result<Exit, Failure> {
    let installation = match command {
        AgentCommand::List | AgentCommand::Tree { .. } => Installation::open_to_read(settings)?,
        _ => Installation::open(settings)?,
    };
    let desk = Desk::at(&installation, output);
    match command {
        AgentCommand::Create(args) => desk.create(args),
        AgentCommand::List => desk.show_list(&desk.everybody()?),
        AgentCommand::Tree { agent } => desk.tree(agent.as_deref()),
        AgentCommand::Freeze(args) => desk.change(args, TreeChange::Freeze),
        AgentCommand::Unfreeze(args) => desk.change(args, TreeChange::Unfreeze),
        AgentCommand::Revoke(args) => desk.change(args, TreeChange::Revoke),
    }
    .map(|()| Exit::Done)
}

/// Where the operator administers agents.
struct Desk {
    agents: ManageAgents<DieselStore>,
    users: ManageUsers<DieselStore>,
    output: Output,
}

impl Desk {
    fn at(installation: &Installation, output: Output) -> Self {
        let environment = installation.environment();
        Self {
            agents: ManageAgents::new(&environment),
            users: ManageUsers::new(environment),
            output,
        }
    }

    fn create(&self, args: &CreateArgs) -> Result<(), Failure> {
        let name = args.name().map_err(Failure::refused)?;
        let owner = self.owner(&args.owner)?;
        let new = NewAgent {
            name,
            purpose: args.purpose.clone(),
            scopes: args.scopes(),
            expires_at: args.expires_at,
            rotate: args.rotate,
        };
        let made = self.agents.create_for(Host, owner, &new);
        let (made, key) = made.map_err(|error| no_change(&error))?;
        self.show_made(&made, key.as_ref())
    }

    fn owner(&self, name: &Username) -> Result<keyward_auth::UserId, Failure> {
        let owner = self.users.user_named(Host, name);
        owner
            .map(|owner| owner.id)
            .map_err(|_| Failure::refused(refusal::NO_SUCH_OWNER))
    }

    fn tree(&self, agent: Option<&str>) -> Result<(), Failure> {
        let mut agents = self.everybody()?;
        if let Some(root) = agent {
            let root = self.find(root)?.id;
            agents.retain(|agent| agent.id == root || agent.lineage.contains(&root));
        }
        self.show_tree(agents)
    }

    fn change(&self, args: &TreeArgs, change: TreeChange) -> Result<(), Failure> {
        let root = self.find(&args.agent)?;
        let affected = if args.dry_run {
            self.agents.plan_tree(&Host, root.id, change)
        } else {
            self.agents.change_tree(&Host, root.id, change)
        };
        let affected: Vec<Affected> = affected.map_err(|error| no_change(&error))?;
        self.show_affected(&root, change, args.dry_run, &affected)
    }

    /// The agent with this id, or else with this name, with or without `agent_` in front.
    fn find(&self, who: &str) -> Result<AgentView, Failure> {
        let prefixed = Who::new(&format!("{}{who}", keyward_auth::AGENT_PREFIX));
        self.agents
            .find(&Host, &Who::new(who))
            .or_else(|_| self.agents.find(&Host, &prefixed))
            .map_err(|error| no_change(&error))
    }

    fn everybody(&self) -> Result<Vec<AgentView>, Failure> {
        let mut all: Vec<AgentView> = Vec::new();
        loop {
            let after = all.last().map(|agent| agent.id);
            let page = self.agents.list(&Host, after, PAGE);
            let page = page.map_err(|error| no_change(&error))?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }
}

const PAGE: i64 = 200;
