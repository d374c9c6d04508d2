use std::collections::BTreeMap;

use keyward_agents::MAX_DEPTH;
use keyward_auth::{AGENT_PREFIX, PersonName, Purpose, Username};
use keyward_credentials::CredentialName;

use crate::{Repair, SourceRows, UserRow};

/// Whether a row is one of those that Pipelit makes for agents and for accounts of messengers. It
/// makes many of them administrators; nobody logs in as one.
pub(crate) fn is_agent(row: &UserRow) -> bool {
    let name = Username::parse(&row.username);
    let name = name
        .as_ref()
        .map_or(row.username.as_str(), Username::as_str);
    let is_made_by_agent = row.created_by.is_some() && !has_password(row);
    row.is_agent
        || is_made_by_agent
        || name == GATEWAY_ACCOUNT
        || [AGENT_PREFIX, GATEWAY_PREFIX]
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

pub(crate) fn has_password(row: &UserRow) -> bool {
    row.password_hash
        .as_ref()
        .is_some_and(|hash| !hash.is_empty())
}

/// The agents among the users, those that made others before those that they made.
pub(crate) fn agents_from_the_root(rows: &SourceRows) -> Vec<&UserRow> {
    let agents: BTreeMap<i64, &UserRow> = rows
        .users
        .iter()
        .filter(|row| is_agent(row))
        .map(|row| (row.id, row))
        .collect();
    let depth = |row: &UserRow| {
        let mut depth = 0;
        let mut current = row;
        // No further than anything is imported: rows may stand in a circle.
        while let Some(above) = current.created_by.and_then(|id| agents.get(&id)) {
            if depth > MAX_DEPTH {
                break;
            }
            depth += 1;
            current = above;
        }
        depth
    };
    let mut ordered: Vec<&UserRow> = agents.values().copied().collect();
    ordered.sort_by_key(|row| (depth(row), row.id));
    ordered
}

/// A name of a person. What does not fit is cut: it decides nothing.
pub(crate) fn person(
    text: Option<&str>,
    field: &'static str,
    repairs: &mut Vec<Repair>,
) -> PersonName {
    let text = text.unwrap_or_default();
    PersonName::parse(text).unwrap_or_else(|_| {
        repairs.push(Repair::Tidied(field));
        PersonName::from_stored(tidied(text, PERSON_LENGTH))
    })
}

/// What an agent is for, which Pipelit keeps as its given name.
pub(crate) fn purpose(text: Option<&str>, repairs: &mut Vec<Repair>) -> Option<Purpose> {
    let text = text.map(str::trim).filter(|text| !text.is_empty())?;
    if let Ok(purpose) = Purpose::parse(text) {
        return Some(purpose);
    }
    repairs.push(Repair::Tidied("first_name"));
    Purpose::parse(&tidied(text, PURPOSE_LENGTH)).ok()
}

/// The name of a credential, or `otherwise` where there is none.
pub(crate) fn credential(
    text: Option<&str>,
    otherwise: &str,
    repairs: &mut Vec<Repair>,
) -> CredentialName {
    let text = text.unwrap_or_default();
    if let Ok(name) = CredentialName::parse(text) {
        return name;
    }
    repairs.push(Repair::Tidied("name"));
    CredentialName::parse(&tidied(text, CREDENTIAL_LENGTH))
        .unwrap_or_else(|_| CredentialName::from_stored(otherwise.to_owned()))
}

/// The text without control characters and not longer than `length`.
pub(crate) fn tidied(text: &str, length: usize) -> String {
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    let cut: String = text.trim().chars().take(length).collect();
    cut.trim_end().to_owned()
}

const GATEWAY_PREFIX: &str = "gw_";
const GATEWAY_ACCOUNT: &str = "gateway_anonymous";
const PERSON_LENGTH: usize = 150;
const PURPOSE_LENGTH: usize = 200;
const CREDENTIAL_LENGTH: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: i64, username: &str, created_by: Option<i64>) -> UserRow {
        UserRow {
            id,
            username: username.to_owned(),
            created_by,
            ..UserRow::default()
        }
    }

    #[test]
    fn agents_are_known_by_name_mark_or_maker() {
        for name in [
            "agent_flow_node",
            "Agent_X",
            "gw_12345",
            "gateway_anonymous",
        ] {
            assert!(is_agent(&user(1, name, None)), "{name}");
        }
        for name in [
            "ada",
            "agent",
            "gateway",
            "gateway_anonymous_2",
            "my_agent_x",
        ] {
            assert!(!is_agent(&user(1, name, None)), "{name}");
        }
        let marked = UserRow {
            is_agent: true,
            ..user(1, "helper", None)
        };
        assert!(is_agent(&marked));
        let made = user(2, "helper", Some(1));
        assert!(is_agent(&made));
        let person = UserRow {
            password_hash: Some("$2b$12$x".into()),
            ..made
        };
        assert!(!is_agent(&person));
    }

    #[test]
    fn agents_come_after_those_that_made_them() {
        let rows = SourceRows {
            users: vec![
                user(1, "agent_leaf", Some(2)),
                user(2, "agent_middle", Some(3)),
                user(3, "agent_root", None),
                user(4, "ada", None),
                user(5, "agent_of_ada", Some(4)),
            ],
            ..SourceRows::default()
        };
        let ids: Vec<i64> = agents_from_the_root(&rows)
            .iter()
            .map(|row| row.id)
            .collect();
        assert_eq!(ids, [3, 5, 2, 1]);
    }

    #[test]
    fn agents_in_a_circle_are_no_endless_loop() {
        let rows = SourceRows {
            users: vec![user(1, "agent_a", Some(2)), user(2, "agent_b", Some(1))],
            ..SourceRows::default()
        };
        assert_eq!(agents_from_the_root(&rows).len(), 2);
    }

    #[test]
    fn names_that_do_not_fit_are_cut() {
        let mut repairs = Vec::new();
        assert_eq!(
            person(Some(" Ada "), "first_name", &mut repairs).as_str(),
            "Ada"
        );
        assert_eq!(person(None, "first_name", &mut repairs).as_str(), "");
        assert!(repairs.is_empty());
        let long = "x".repeat(200) + "\u{7}";
        assert_eq!(
            person(Some(&long), "last_name", &mut repairs)
                .as_str()
                .len(),
            150
        );
        assert_eq!(repairs, [Repair::Tidied("last_name")]);
        let name = credential(Some("\u{1}"), "credential 7", &mut repairs);
        assert_eq!(name.as_str(), "credential 7");
        assert_eq!(purpose(Some(" "), &mut repairs), None);
        assert_eq!(repairs.len(), 2);
    }
}
