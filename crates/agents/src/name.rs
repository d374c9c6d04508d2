use std::fmt;

use keyward_auth::{AGENT_PREFIX, MalformedUsername, Username};

/// The name of an agent: a user name that begins with `agent_`, as those of people never do.
///
/// ```
/// use keyward_agents::AgentName;
///
/// assert_eq!(AgentName::parse("Researcher")?.to_string(), "agent_researcher");
/// // The first `_` that is not doubled ends the workflow.
/// let node = AgentName::of_node("weekly_report", "writer")?;
/// assert_eq!(node.to_string(), "agent_weekly__report_writer");
/// # Ok::<(), keyward_agents::MalformedAgentName>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentName(Username);

impl AgentName {
    /// Reads a name that somebody chose. `agent_` is put in front where it is missing.
    pub fn parse(text: &str) -> Result<Self, MalformedAgentName> {
        let name = Username::parse(text)?;
        if name.is_of_agent() {
            return Ok(Self(name));
        }
        Self::with_prefix(name.as_str())
    }

    /// The name of the agent of one node of a workflow, `agent_{workflow}_{node}`.
    ///
    /// Each `_` of the workflow is doubled, and neither part begins with one, so no two pairs give
    /// one name: the first `_` that is not doubled ends the workflow. Both parts consist of
    /// `a`–`z`, `0`–`9`, `.`, `_` and `-`.
    pub fn of_node(workflow: &str, node: &str) -> Result<Self, MalformedAgentName> {
        if !is_part(workflow) {
            return Err(MalformedAgentName::Workflow);
        }
        if !is_part(node) {
            return Err(MalformedAgentName::Node);
        }
        Self::with_prefix(&format!("{}_{node}", workflow.replace('_', "__")))
    }

    /// The name as a user name.
    #[must_use]
    pub fn as_username(&self) -> &Username {
        &self.0
    }

    fn with_prefix(name: &str) -> Result<Self, MalformedAgentName> {
        Ok(Self(Username::parse(&format!("{AGENT_PREFIX}{name}"))?))
    }
}

impl fmt::Display for AgentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a text names no agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MalformedAgentName {
    /// It is no user name, or none with `agent_` in front.
    #[error("{0}, `agent_` and the doubled `_` of a workflow included")]
    Name(#[from] MalformedUsername),
    /// The workflow cannot be part of a name.
    #[error("a workflow is a letter or digit, then any of a-z, 0-9, `.`, `_` and `-`")]
    Workflow,
    /// The node cannot be part of a name.
    #[error("a node is a letter or digit, then any of a-z, 0-9, `.`, `_` and `-`")]
    Node,
}

/// Only what is its own canonical form, so that no two spellings become one.
fn is_part(text: &str) -> bool {
    let starts = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.starts_with(starts)
        && text
            .chars()
            .all(|c| starts(c) || matches!(c, '.' | '_' | '-'))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn of_node(workflow: &str, node: &str) -> String {
        AgentName::of_node(workflow, node).unwrap().to_string()
    }

    #[test]
    fn names_of_nodes_look_like_their_parts() {
        assert_eq!(of_node("report", "writer"), "agent_report_writer");
        assert_eq!(
            of_node("my-flow", "agent_abc123"),
            "agent_my-flow_agent_abc123"
        );
        assert_eq!(of_node("my_flow", "writer"), "agent_my__flow_writer");
    }

    #[test]
    fn a_chosen_name_gets_the_prefix_once() {
        for text in [
            "researcher",
            "agent_researcher",
            "RESEARCHER",
            "Agent_Researcher",
        ] {
            let name = AgentName::parse(text).unwrap();
            assert_eq!(name.to_string(), "agent_researcher", "{text}");
        }
        for text in ["", "_x", "a b", "аgent_x", &"x".repeat(59)] {
            assert!(AgentName::parse(text).is_err(), "{text}");
        }
        assert!(AgentName::parse(&"x".repeat(58)).is_ok());
    }

    #[test]
    fn parts_that_have_another_spelling_are_refused() {
        for part in [
            "", "A", "_a", "-a", ".a", "a b", "ä", "a/b", "a\n", "ａ", "a@b", "a+",
        ] {
            let refused = AgentName::of_node(part, "node");
            assert_eq!(refused, Err(MalformedAgentName::Workflow), "{part}");
            let refused = AgentName::of_node("flow", part);
            assert_eq!(refused, Err(MalformedAgentName::Node), "{part}");
        }
    }

    #[test]
    fn of_all_short_pairs_no_two_give_one_name() {
        let mut parts = vec![String::new()];
        for _ in 0..4 {
            let longer: Vec<_> = parts
                .iter()
                .flat_map(|part| ["a", "_", "-"].map(|c| format!("{part}{c}")))
                .collect();
            parts.extend(longer);
        }
        parts.sort();
        parts.dedup();
        let mut seen = HashMap::new();
        for workflow in &parts {
            for node in &parts {
                if let Ok(name) = AgentName::of_node(workflow, node) {
                    let other = seen.insert(name.to_string(), (workflow, node));
                    assert_eq!(other, None, "{name}");
                }
            }
        }
        assert!(seen.len() > 1_000);
    }

    proptest! {
        #[test]
        fn no_two_pairs_give_one_name(
            one in ("[a-z0-9][a-b_]{0,6}", "[a-z0-9][a-b_]{0,6}"),
            other in ("[a-z0-9][a-b_]{0,6}", "[a-z0-9][a-b_]{0,6}"),
        ) {
            let same = of_node(&one.0, &one.1) == of_node(&other.0, &other.1);
            prop_assert_eq!(same, one == other);
        }
    }
}
