use std::fmt::Write as _;

use keyward_agents::{Affected, AgentView, CreatedAgent, TreeChange};
use keyward_crypto::ApiKey;
use serde::Serialize;
use serde_json::json;
use zeroize::Zeroizing;

use super::Desk;
use crate::cli::Output;
use crate::exit::Failure;
use crate::terminal;

impl Desk {
    /// The key, if there is a new one, is shown this once.
    pub(super) fn show_made(
        &self,
        made: &CreatedAgent,
        key: Option<&ApiKey>,
    ) -> Result<(), Failure> {
        let name = &made.agent.username;
        let text = match (self.output, key) {
            (Output::Json, key) => {
                let shown = Made {
                    agent: &made.agent,
                    api_key: key.map(ApiKey::expose),
                    already_existed: made.already_existed,
                };
                json!(shown).to_string() + "\n"
            }
            (Output::Text, Some(key)) => {
                let key = key.expose();
                format!("{name} exists now. Shown this once:\n  API key  {key}\n")
            }
            (Output::Text, None) => {
                format!("{name} exists; --rotate gives it a new key\n")
            }
        };
        let text = Zeroizing::new(text);
        if key.is_some() {
            terminal::print_once(&text, "do this again with --rotate to get another key")
        } else {
            terminal::print(&text)
        }
    }

    pub(super) fn show_list(&self, agents: &[AgentView]) -> Result<(), Failure> {
        terminal::print(&match self.output {
            Output::Json => json!({ "items": agents }).to_string() + "\n",
            Output::Text => table(agents),
        })
    }

    pub(super) fn show_tree(&self, mut agents: Vec<AgentView>) -> Result<(), Failure> {
        // The ids from the root down, so that everything below an agent follows it.
        agents.sort_by_cached_key(|agent| {
            let mut path = agent.lineage.clone();
            path.push(agent.id);
            path
        });
        terminal::print(&match self.output {
            Output::Json => json!({ "items": agents }).to_string() + "\n",
            Output::Text => tree(&agents),
        })
    }

    pub(super) fn show_affected(
        &self,
        root: &AgentView,
        change: TreeChange,
        dry_run: bool,
        affected: &[Affected],
    ) -> Result<(), Failure> {
        terminal::print(&match self.output {
            Output::Json => json!({ "affected": affected }).to_string() + "\n",
            Output::Text if affected.is_empty() => {
                format!(
                    "nothing to do: {} and what is below it is so already\n",
                    root.username
                )
            }
            Output::Text => {
                let mut text = heading(change, dry_run);
                for agent in affected {
                    let depth = agent.depth.saturating_sub(root.lineage.len());
                    line(&mut text, depth, &agent.username, "");
                }
                text
            }
        })
    }
}

/// As the API shows it.
#[derive(Serialize)]
struct Made<'a> {
    #[serde(flatten)]
    agent: &'a AgentView,
    api_key: Option<&'a str>,
    already_existed: bool,
}

fn heading(change: TreeChange, dry_run: bool) -> String {
    let done = match change {
        TreeChange::Freeze => "frozen",
        TreeChange::Unfreeze => "active again",
        TreeChange::Revoke => "revoked for ever",
    };
    let is = if dry_run { "would be" } else { "now" };
    format!("{is} {done}:\n")
}

fn tree(agents: &[AgentView]) -> String {
    let mut text = String::new();
    for agent in agents {
        let frozen = if agent.status == "active" {
            ""
        } else {
            "  frozen"
        };
        line(&mut text, agent.lineage.len(), &agent.username, frozen);
    }
    text
}

fn line(text: &mut String, depth: usize, username: &str, state: &str) {
    let branch = match depth.checked_sub(1) {
        None => String::new(),
        Some(above) => "   ".repeat(above) + "\u{2514}\u{2500} ",
    };
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{branch}{username}{state}");
}

/// The names stand last: how wide they are depends on script and terminal.
fn table(agents: &[AgentView]) -> String {
    let mut text = String::new();
    let mut row = |id: &str, status: &str, expires: &str, username: &str| {
        let _ = writeln!(text, "{id:36}  {status:6}  {expires:20}  {username}");
    };
    row("ID", "STATUS", "EXPIRES", "USERNAME");
    for agent in agents {
        let expires = agent.expires_at.map(|at| at.to_string());
        let expires = expires.as_deref().unwrap_or("never");
        row(
            &agent.id.to_string(),
            &agent.status,
            expires,
            &agent.username,
        );
    }
    text
}
