//! Decisions that the design rests on, and what guards them.

use std::fs;

use serde::Deserialize;

use crate::named::Named;
use crate::{file, records};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Decisions {
    decision: Vec<Decision>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Decision {
    id: String,
    says: String,
    /// What of it is not so, if anything.
    #[serde(default)]
    differs: Option<String>,
    /// As `file: what is in it`.
    guards: Vec<String>,
    tests: Vec<String>,
}

fn decisions() -> Vec<Decision> {
    records::<Decisions>("decisions").decision
}

pub(crate) fn named() -> Vec<Named> {
    let decisions = decisions();
    let named = decisions.iter().map(|decision| {
        let by = format!("decisions.toml, {}", decision.id);
        Named::new(by, &decision.tests)
    });
    named.collect()
}

/// What is wrong with a decision.
fn wrong(decision: &Decision) -> Vec<String> {
    let mut wrong = Vec::new();
    let id = &decision.id;
    let excused = decision
        .differs
        .as_deref()
        .is_some_and(|why| !why.is_empty());
    if decision.says.is_empty() || decision.guards.is_empty() {
        wrong.push(format!("{id}: nothing is said of it, or nothing guards it"));
    }
    if decision.tests.is_empty() && !excused {
        wrong.push(format!("{id}: no test"));
    }
    for guard in &decision.guards {
        let (name, what) = guard.split_once(": ").unwrap_or((guard, ""));
        let there = fs::read_to_string(file(name)).unwrap_or_default();
        if what.is_empty() || !there.contains(what) {
            wrong.push(format!("{id}: {name} has no {what}"));
        }
    }
    wrong
}

#[test]
fn every_decision_has_its_guards_and_a_test() {
    let decisions = decisions();
    let ids: Vec<_> = decisions
        .iter()
        .map(|decision| decision.id.clone())
        .collect();
    let expected: Vec<_> = (1..=35).map(|number| format!("D{number}")).collect();
    assert_eq!(ids, expected);
    let wrong: Vec<_> = decisions.iter().flat_map(wrong).collect();
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn a_guard_that_is_gone_and_a_decision_without_a_test_are_noticed() {
    let decision = Decision {
        id: "D0".to_owned(),
        says: "d".to_owned(),
        differs: None,
        guards: vec!["bin/keyward/tests/evidence/decisions.rs: fn wrong".to_owned()],
        tests: vec!["t".to_owned()],
    };
    assert_eq!(wrong(&decision), [""; 0]);
    let gone = [
        "Cargo.toml: fn wrong",
        "no/such/file: fn wrong",
        "Cargo.toml",
    ];
    for guard in gone {
        let guards = vec![guard.to_owned()];
        assert_eq!(
            wrong(&Decision {
                guards,
                ..decision.clone()
            })
            .len(),
            1,
            "{guard}"
        );
    }
    let untested = Decision {
        tests: Vec::new(),
        ..decision
    };
    assert_eq!(wrong(&untested), ["D0: no test"]);
    let differs = Some("it is not so".to_owned());
    assert_eq!(
        wrong(&Decision {
            differs,
            ..untested
        }),
        [""; 0]
    );
}
