use std::collections::{BTreeMap, BTreeSet};

use crate::found::{Found, FoundCredential};
use crate::workload::{Entry, Operation, Outcome};

/// What must be there after all of the log.
#[derive(Default)]
struct Expected<'a> {
    credentials: BTreeMap<&'a str, ExpectedCredential<'a>>,
    keys: BTreeMap<&'a str, ExpectedKey>,
    /// Names of what may have been made, without anybody knowing its id.
    maybe_made: BTreeSet<&'a str>,
}

#[derive(Default)]
struct ExpectedCredential<'a> {
    value: &'a str,
    changes: usize,
    deleted: bool,
    /// The last operation, when nobody knows whether it was done.
    maybe_value: Option<&'a str>,
    maybe_deleted: bool,
}

#[derive(Default)]
struct ExpectedKey {
    revoked: bool,
    maybe_revoked: bool,
}

impl<'a> Expected<'a> {
    fn after(log: &'a [Entry]) -> Self {
        let mut expected = Self::default();
        for entry in log {
            match entry.outcome {
                Outcome::Acked => expected.done(&entry.operation),
                Outcome::Unknown => expected.maybe_done(&entry.operation),
                Outcome::Failed => {}
            }
        }
        expected
    }

    fn done(&mut self, operation: &'a Operation) {
        match operation {
            Operation::Create { id, value } => {
                let new = self.credentials.entry(id.as_deref().unwrap()).or_default();
                new.value = value;
            }
            Operation::Change { id, value } => {
                let changed = self.credentials.entry(id).or_default();
                changed.value = value;
                changed.changes += 1;
            }
            Operation::Delete { id } => self.credentials.entry(id).or_default().deleted = true,
            Operation::MakeKey { id, .. } => {
                self.keys.entry(id.as_deref().unwrap()).or_default();
            }
            Operation::RevokeKey { id } => self.keys.entry(id).or_default().revoked = true,
        }
    }

    fn maybe_done(&mut self, operation: &'a Operation) {
        match operation {
            Operation::Create { value: name, .. } | Operation::MakeKey { name, .. } => {
                self.maybe_made.insert(name);
            }
            Operation::Change { id, value } => {
                self.credentials.entry(id).or_default().maybe_value = Some(value);
            }
            Operation::Delete { id } => {
                self.credentials.entry(id).or_default().maybe_deleted = true;
            }
            Operation::RevokeKey { id } => self.keys.entry(id).or_default().maybe_revoked = true,
        }
    }
}

/// Everything in `found` that cannot be after what `log` says.
pub(crate) fn violations(log: &[Entry], found: &Found) -> Vec<String> {
    let expected = Expected::after(log);
    let mut violations = Vec::new();
    for (id, credential) in &expected.credentials {
        check_credential(id, credential, found, &mut violations);
    }
    for (id, key) in &expected.keys {
        check_key(id, key, found, &mut violations);
    }
    check_strangers(&expected, found, &mut violations);
    check_subjects(&expected, found, &mut violations);
    violations
}

fn check_credential(
    id: &str,
    expected: &ExpectedCredential<'_>,
    found: &Found,
    violations: &mut Vec<String>,
) {
    let present = found.credentials.get(id);
    let mut changes = expected.changes;
    if let Some(credential) = present {
        if expected.deleted {
            violations.push(format!(
                "the credential {id} was deleted and is still there"
            ));
        }
        check_whole(id, credential, violations);
        let is_value = credential.name == expected.value;
        let is_maybe = expected.maybe_value == Some(credential.name.as_str());
        if !is_value && !is_maybe {
            let value = &credential.name;
            violations.push(format!(
                "the credential {id} has the value {value} and not {}",
                expected.value
            ));
        }
        changes += usize::from(is_maybe);
    } else if !expected.deleted && !expected.maybe_deleted {
        violations.push(format!("the credential {id} is gone"));
    }
    let deletions = usize::from(present.is_none());
    let wanted = [
        ("credential.create", 1),
        ("credential.change", changes),
        ("credential.delete", deletions),
    ];
    check_events(id, &wanted, found, violations);
}

fn check_whole(id: &str, credential: &FoundCredential, violations: &mut Vec<String>) {
    let FoundCredential { name, secrets } = credential;
    if secrets.len() != 2 || secrets.iter().any(|secret| secret != name) {
        violations.push(format!(
            "the credential {id} was written by halves: {credential:?}"
        ));
    }
}

fn check_key(id: &str, expected: &ExpectedKey, found: &Found, violations: &mut Vec<String>) {
    let Some(key) = found.keys.get(id) else {
        violations.push(format!("the key {id} is gone"));
        return;
    };
    if expected.revoked && !key.revoked {
        violations.push(format!("the key {id} is not revoked"));
    }
    if key.revoked && !expected.revoked && !expected.maybe_revoked {
        violations.push(format!("the key {id} is revoked"));
    }
    let wanted = [
        ("api_key.create", 1),
        ("api_key.revoke", usize::from(key.revoked)),
    ];
    check_events(id, &wanted, found, violations);
}

fn check_events(id: &str, wanted: &[(&str, usize)], found: &Found, violations: &mut Vec<String>) {
    for (action, count) in wanted {
        let there = found.events_of(action, id);
        if there != *count {
            violations.push(format!("{id} has {there} events {action} and not {count}"));
        }
    }
}

/// What nobody knows the id of: only what was cut off may be there, with the one event of it.
fn check_strangers(expected: &Expected<'_>, found: &Found, violations: &mut Vec<String>) {
    let strangers = found
        .credentials
        .iter()
        .filter(|(id, _)| !expected.credentials.contains_key(id.as_str()));
    let mut names = BTreeSet::new();
    for (id, credential) in strangers {
        let name = credential.name.as_str();
        if !expected.maybe_made.contains(name) || !names.insert(name) {
            violations.push(format!("the credential {id} was never asked for"));
        }
        check_whole(id, credential, violations);
        check_events(
            id,
            &[("credential.create", 1), ("credential.change", 0)],
            found,
            violations,
        );
    }
    let strangers = found
        .keys
        .iter()
        .filter(|(id, _)| !expected.keys.contains_key(id.as_str()));
    for (id, key) in strangers {
        let name = key.name.as_str();
        if !expected.maybe_made.contains(name) || !names.insert(name) {
            violations.push(format!("the key {id} was never asked for"));
        }
        check_events(
            id,
            &[("api_key.create", 1), ("api_key.revoke", 0)],
            found,
            violations,
        );
    }
}

/// Every event must be about something that is or was there.
fn check_subjects(expected: &Expected<'_>, found: &Found, violations: &mut Vec<String>) {
    for event in &found.events {
        let subject = event.subject.as_str();
        let known = match event.action.split('.').next() {
            Some("credential") => {
                expected.credentials.contains_key(subject)
                    || found.credentials.contains_key(subject)
            }
            Some("api_key") => {
                expected.keys.contains_key(subject) || found.keys.contains_key(subject)
            }
            _ => true,
        };
        if !known {
            violations.push(format!("{event:?} is about something that is not there"));
        }
    }
}
