//! What went wrong elsewhere, and why it does not here: `security/lessons.toml`, and the page that is made of it.

use std::fmt::Write as _;

use serde::Deserialize;

use crate::named::Named;
use crate::{file, records};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lessons {
    lesson: Vec<Lesson>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Lesson {
    /// What kind of mistake it was.
    about: String,
    /// By which names the vulnerability is known.
    ids: String,
    /// Whose it was.
    of: String,
    /// Known from what others write about it, and not from its advisory.
    #[serde(default)]
    second_hand: bool,
    wrong: String,
    keyward: String,
    tests: Vec<String>,
}

fn lessons() -> Vec<Lesson> {
    records::<Lessons>("lessons").lesson
}

pub(crate) fn named() -> Vec<Named> {
    let lessons = lessons();
    let named = lessons.iter().map(|lesson| {
        let by = format!("lessons.toml, {}", lesson.ids);
        Named::new(by, &lesson.tests)
    });
    named.collect()
}

const HEAD: &str = "# Lessons from others

Vulnerabilities of other systems in what Keyward does, too; what went wrong, what Keyward does instead, and the tests that
would fail if it did not. This page is made from `security/lessons.toml`, and a test holds the names of tests against the
sources. A new advisory about a system of this kind is a new row there, with its test. What has a star is known from what
others write about it, and not from its advisory.
";

/// The page. Rows stand in the order of the file, with a heading where the kind changes.
fn page(lessons: &[Lesson]) -> String {
    let mut page = HEAD.to_owned();
    let mut about = "";
    for lesson in lessons {
        if lesson.about != about {
            about = &lesson.about;
            let _ = write!(
                page,
                "\n## {about}\n\n| where | what went wrong | what Keyward does | tests |\n| --- | --- | --- | --- |\n"
            );
        }
        let tests: Vec<_> = lesson
            .tests
            .iter()
            .map(|test| format!("`{}`", short(test)))
            .collect();
        let _ = writeln!(
            page,
            "| {}: {}{} | {} | {} | {} |",
            lesson.of,
            lesson.ids,
            if lesson.second_hand { " *" } else { "" },
            lesson.wrong,
            lesson.keyward,
            tests.join(", ")
        );
    }
    page
}

/// The package and the last part: the whole path stands in the file.
fn short(test: &str) -> String {
    let package = test.split("::").next().unwrap_or_default();
    let last = test.rsplit("::").next().unwrap_or_default();
    format!("{package}: {last}")
}

/// `KEYWARD_WRITE=1` writes the page anew.
#[test]
fn the_page_of_lessons_is_made_from_its_file() {
    let made = page(&lessons());
    let path = file("docs/lessons.md");
    if std::env::var_os("KEYWARD_WRITE").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == made,
        "docs/lessons.md is not up to date: `KEYWARD_WRITE=1 cargo test -p keyward --test evidence lessons`"
    );
}

/// Those that cannot be tested, for lack of anything that could go wrong, say so.
fn untested(lessons: &[Lesson]) -> Vec<String> {
    let untested = lessons
        .iter()
        .filter(|lesson| lesson.tests.is_empty() && !lesson.keyward.contains("Not tested: "));
    untested.map(|lesson| lesson.ids.clone()).collect()
}

#[test]
fn every_lesson_has_a_test_or_says_why_not() {
    let lessons = lessons();
    assert!(lessons.len() > 50, "only {} lessons", lessons.len());
    assert_eq!(untested(&lessons), [""; 0]);
}

#[test]
fn a_lesson_without_a_test_is_noticed_and_pipes_do_not_break_the_table() {
    let lesson = Lesson {
        about: "Codes".to_owned(),
        ids: "CVE-0000-0001".to_owned(),
        of: "A".to_owned(),
        second_hand: true,
        wrong: "w".to_owned(),
        keyward: "k".to_owned(),
        tests: Vec::new(),
    };
    assert_eq!(untested(std::slice::from_ref(&lesson)), ["CVE-0000-0001"]);
    let excused = Lesson {
        keyward: "k. Not tested: there is none".to_owned(),
        ..lesson.clone()
    };
    assert_eq!(untested(&[excused]), [""; 0]);
    let tested = Lesson {
        tests: vec!["p::b::m::t".to_owned()],
        ..lesson
    };
    assert!(page(&[tested]).ends_with("| A: CVE-0000-0001 * | w | k | `p: t` |\n"));
    let parts = |lesson: &Lesson| {
        [
            lesson.of.clone(),
            lesson.ids.clone(),
            lesson.wrong.clone(),
            lesson.keyward.clone(),
        ]
    };
    let broken = |lesson: &Lesson| parts(lesson).iter().any(|part| part.contains(['|', '\n']));
    assert!(!lessons().iter().any(broken));
}
