//! What the check must notice, or a green result means nothing.

use std::sync::LazyLock;

use crate::Lives;
use crate::check::violations;
use crate::found::Found;
use crate::random::Random;
use crate::workload::{Entry, Operation, Outcome};

/// A log and what was found after it, in which nothing is wrong.
static IN_ORDER: LazyLock<(Vec<Entry>, Found)> = LazyLock::new(|| {
    let mut lives = Lives::start(crate::Home::new());
    let mut random = Random::new(1);
    // Until there is one of everything: how far a round comes depends on the machine.
    while !KINDS
        .iter()
        .all(|name| lives.log.iter().any(|entry| is_acked(entry, name)))
    {
        lives.round(&mut random);
    }
    let found = Found::by(&lives.server.as_ref().unwrap().client(&lives.key));
    (lives.log, found)
});

fn is_acked(entry: &Entry, name: &str) -> bool {
    entry.outcome == Outcome::Acked && entry.operation.name() == name
}

/// The id of a credential that is there, and of which it is known what it should be.
fn present() -> String {
    let (log, found) = &*IN_ORDER;
    let is_open = |id: &String| {
        log.iter().any(|entry| {
            entry.outcome == Outcome::Unknown
                && matches!(&entry.operation, Operation::Change { id: of, .. } | Operation::Delete { id: of } if of == id)
        })
    };
    let known = found.credentials.keys().find(|id| !is_open(id));
    known.unwrap().clone()
}

fn noticed(log: &[Entry], found: &Found, what: &str) {
    let violations = violations(log, found);
    assert!(
        violations.iter().any(|text| text.contains(what)),
        "{what}: {violations:#?}"
    );
}

/// Expects that a write which never happened is missed.
fn missed(operation: Operation, what: &str) {
    let (log, found) = &*IN_ORDER;
    let outcome = Outcome::Acked;
    let invented = Entry { operation, outcome };
    noticed(&[&log[..], &[invented]].concat(), found, what);
}

/// Expects that this change of what was found is noticed.
fn noticed_after(change: impl FnOnce(&mut Found), what: &str) {
    let (log, found) = &*IN_ORDER;
    let mut found = found.clone();
    change(&mut found);
    noticed(log, &found, what);
}

#[test]
fn what_is_in_order_is_not_reported() {
    let (log, found) = &*IN_ORDER;
    assert_eq!(violations(log, found), [""; 0]);
}

#[test]
fn a_lost_write_is_reported() {
    let text = || "invented".to_owned();
    missed(
        Operation::Create {
            id: Some(text()),
            value: text(),
        },
        "is gone",
    );
    missed(
        Operation::Change {
            id: present(),
            value: text(),
        },
        "has the value",
    );
    missed(Operation::Delete { id: present() }, "is still there");
    missed(
        Operation::MakeKey {
            id: Some(text()),
            name: text(),
            key: None,
        },
        "is gone",
    );
    let revived = |found: &mut Found| {
        let revoked = found.keys.values_mut().find(|key| key.revoked);
        revoked.unwrap().revoked = false;
    };
    noticed_after(revived, "is not revoked");
}

#[test]
fn half_a_write_is_reported() {
    let half = |found: &mut Found| {
        let credential = found.credentials.get_mut(&present()).unwrap();
        credential.secrets[0] = "another".to_owned();
    };
    noticed_after(half, "by halves");
    let without = |found: &mut Found| {
        found.credentials.get_mut(&present()).unwrap().secrets.pop();
    };
    noticed_after(without, "by halves");
}

#[test]
fn a_write_that_nobody_asked_for_is_reported() {
    let strange = |found: &mut Found| {
        let copy = found.credentials[&present()].clone();
        found.credentials.insert("strange".to_owned(), copy);
    };
    noticed_after(strange, "was never asked for");
}

#[test]
fn an_event_too_many_or_too_few_is_reported() {
    for event in &IN_ORDER.1.events {
        // Made with the first administrator, not by a client.
        if !event.action.starts_with("credential.") && !event.action.starts_with("api_key.") {
            continue;
        }
        let action = event.action.as_str();
        noticed_after(|found| found.events.retain(|other| other != event), action);
        noticed_after(|found| found.events.push(event.clone()), action);
    }
}

const KINDS: [&str; 5] = ["create", "change", "delete", "make key", "revoke key"];
