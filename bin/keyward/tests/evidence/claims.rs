//! Sentences of the pages about what cannot happen.

use serde::Deserialize;

use crate::named::Named;
use crate::{records, text};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    claim: Vec<Claim>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claim {
    page: String,
    /// As it stands in the page, but for its line breaks.
    sentence: String,
    tests: Vec<String>,
}

fn claims() -> Vec<Claim> {
    records::<Claims>("claims").claim
}

pub(crate) fn named() -> Vec<Named> {
    let by = |claim: &Claim| format!("claims.toml, {}: {}", claim.page, claim.sentence);
    let claims = claims();
    let named = claims
        .iter()
        .map(|claim| Named::new(by(claim), &claim.tests));
    named.collect()
}

/// One blank for each run of white space.
fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What is wrong with claims about pages.
fn wrong(claims: &[Claim], page: impl Fn(&str) -> String) -> Vec<String> {
    let mut wrong = Vec::new();
    for claim in claims {
        if !on_one_line(&page(&claim.page)).contains(&on_one_line(&claim.sentence)) {
            wrong.push(format!("{} no longer says: {}", claim.page, claim.sentence));
        }
        if claim.sentence.trim().len() < 20 {
            wrong.push(format!("too short to be found: {}", claim.sentence));
        }
        if claim.tests.is_empty() {
            wrong.push(format!("no test: {}", claim.sentence));
        }
    }
    wrong
}

/// The statements of a page that each need a claim: rows of the table below a heading, or the points of a list.
fn statements(page: &str, after: &str, start: &str) -> Vec<String> {
    let (_, rest) = page.split_once(after).unwrap_or_else(|| panic!("{after}"));
    let section = rest.split("\n## ").next().unwrap_or_default();
    let mut statements: Vec<String> = Vec::new();
    for line in section.lines() {
        if line.starts_with(start) {
            statements.push(line.to_owned());
        } else if let (Some(last), true) = (statements.last_mut(), line.starts_with("  ")) {
            last.push_str(line);
        }
    }
    // The head of a table and the line below it.
    let is_table = start == "| ";
    statements.split_off(if is_table { 2.min(statements.len()) } else { 0 })
}

/// Those that no claim is a part of.
fn unclaimed(page: &str, statements: &[String], claims: &[Claim]) -> Vec<String> {
    let claimed = |statement: &&String| {
        let statement = on_one_line(statement);
        let mut claims = claims.iter().filter(|claim| claim.page == page);
        claims.any(|claim| statement.contains(&on_one_line(&claim.sentence)))
    };
    let left = statements.iter().filter(|statement| !claimed(statement));
    left.cloned().collect()
}

#[test]
fn every_claim_stands_in_its_page_and_has_a_test() {
    let claims = claims();
    assert!(claims.len() > 60, "only {} claims", claims.len());
    assert_eq!(wrong(&claims, text), [""; 0]);
}

#[test]
fn a_sentence_that_is_gone_and_a_claim_without_a_test_are_noticed() {
    let claim = |sentence: &str, tests: &[&str]| Claim {
        page: "page".to_owned(),
        sentence: sentence.to_owned(),
        tests: tests.iter().map(|&test| test.to_owned()).collect(),
    };
    let page = |_: &str| "No code works twice,\n   on any node.\n".to_owned();
    let found = |claim: Claim| wrong(&[claim], page);
    assert_eq!(
        found(claim("No code works twice, on any node.", &["t"])),
        [""; 0]
    );
    let gone = found(claim("No code works three times, on any node.", &["t"]));
    assert!(gone[0].contains("no longer says"), "{gone:?}");
    let untested = found(claim("No code works twice, on any node.", &[]));
    assert!(untested[0].starts_with("no test"), "{untested:?}");
    assert_eq!(found(claim("No code", &["t"])).len(), 1);
}

#[test]
fn each_promise_in_the_tables_of_the_pages_is_claimed() {
    let claims = claims();
    for (page, after, start, at_least) in [
        ("README.md", "# Keyward\n", "- **", 9),
        ("SECURITY.md", "## What Keyward defends against\n", "| ", 13),
        ("docs/threat-model.md", "who may do what", "| ", 10),
        (
            "docs/agent-identity.md",
            "## What it protects against\n",
            "| ",
            13,
        ),
    ] {
        let statements = statements(&text(page), after, start);
        assert!(statements.len() >= at_least, "{page}: {statements:?}");
        assert_eq!(unclaimed(page, &statements, &claims), [""; 0], "{page}");
    }
}

#[test]
fn a_promise_that_nobody_claims_is_noticed() {
    let page = "# A\n\n## B\n\n| who | gets |\n| --- | --- |\n| a thief of keys | nothing at all |\n| a liar | an answer |\n\n## C\n\n| x | y |\n";
    let found = statements(page, "## B\n", "| ");
    assert_eq!(
        found,
        [
            "| a thief of keys | nothing at all |",
            "| a liar | an answer |"
        ]
    );
    let claim = Claim {
        page: "page".to_owned(),
        sentence: "a thief of keys | nothing".to_owned(),
        tests: Vec::new(),
    };
    assert_eq!(
        unclaimed("page", &found, std::slice::from_ref(&claim)),
        ["| a liar | an answer |"]
    );
    assert_eq!(unclaimed("another page", &found, &[claim]).len(), 2);
    let list = statements(
        "# A\n- **One** thing\n  and more\n- **Two**\n\n## B\n",
        "# A\n",
        "- **",
    );
    assert_eq!(list, ["- **One** thing  and more", "- **Two**"]);
}
