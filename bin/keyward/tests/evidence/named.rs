//! The tests that are named, whatever for.

use std::collections::BTreeSet;

use crate::sources::Tests;
use crate::{asvs, claims, decisions, lessons};

/// What names tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    /// The file and the place in it.
    pub(crate) by: String,
    /// As `package::binary::path`; the binary of a library is called `lib`, that of a program `main`.
    pub(crate) tests: Vec<String>,
}

impl Named {
    pub(crate) fn new(by: impl Into<String>, tests: &[String]) -> Self {
        Self {
            by: by.into(),
            tests: tests.to_vec(),
        }
    }
}

/// All of `security/`.
pub(crate) fn all() -> Vec<Named> {
    [
        asvs::named(),
        claims::named(),
        decisions::named(),
        lessons::named(),
    ]
    .concat()
}

/// The tests that are named and not known, and those that are named twice in one place.
fn wrong(named: &[Named], known: &BTreeSet<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    for Named { by, tests } in named {
        let mut seen = BTreeSet::new();
        for test in tests {
            if !known.contains(test) {
                wrong.push(format!("{by}: there is no test {test}"));
            }
            if !seen.insert(test) {
                wrong.push(format!("{by}: {test} is named twice"));
            }
        }
    }
    wrong
}

#[test]
fn every_test_that_is_named_is_there() {
    let known = Tests::of_the_workspace().names;
    let named = all();
    let count: usize = named.iter().map(|named| named.tests.len()).sum();
    assert!(count > 500, "only {count} tests are named");
    assert_eq!(wrong(&named, &known), [""; 0]);
}

#[test]
fn a_test_that_is_not_there_is_noticed() {
    let known = Tests::of_the_workspace().names;
    let here = "keyward::evidence::named::a_test_that_is_not_there_is_noticed";
    let planted = |tests: &[&str]| {
        let tests: Vec<_> = tests.iter().map(|&test| test.to_owned()).collect();
        wrong(&[Named::new("planted", &tests)], &known)
    };
    assert_eq!(planted(&[here]), [""; 0]);
    assert_eq!(planted(&[here, here]).len(), 1);
    for missing in [
        "keyward::evidence::named::a_test_that_was_renamed",
        "keyward::pages::named::a_test_that_is_not_there_is_noticed",
        "named::a_test_that_is_not_there_is_noticed",
        "keyward::evidence::named::wrong",
        "",
    ] {
        assert_eq!(planted(&[here, missing]).len(), 1, "{missing}");
    }
}
