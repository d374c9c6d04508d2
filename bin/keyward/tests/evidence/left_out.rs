//! Tests that need what is not everywhere: they say that they did not run, and fail where they have to run.

use std::fs;
use std::path::PathBuf;

use crate::file;

/// The places in a source that say so and let it pass everywhere.
fn quiet(source: &str) -> Vec<String> {
    let lines: Vec<_> = source.lines().collect();
    let says = |line: &str| {
        let words = ["\"NOT RUN", "\"not run: "];
        words.iter().any(|words| line.contains(words))
    };
    let fails = |at: usize| {
        let around = &lines[at.saturating_sub(NEAR)..lines.len().min(at + NEAR)];
        around.iter().any(|line| {
            ["REQUIRE_SERVICES", "services_required()"]
                .iter()
                .any(|name| line.contains(name))
        })
    };
    let quiet = (0..lines.len()).filter(|at| says(lines[*at]) && !fails(*at));
    quiet.map(|at| lines[at].trim().to_owned()).collect()
}

/// Within one function.
const NEAR: usize = 12;

/// The sources of all tests, and of what they share.
fn sources() -> Vec<PathBuf> {
    let mut folders = vec![file("bin"), file("crates"), file("examples")];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                // An example can have been built where it is.
                if !path.ends_with("target") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push(path);
            }
        }
    }
    sources.retain(|path| !path.ends_with("evidence/left_out.rs"));
    sources
}

#[test]
fn what_does_not_run_fails_where_it_has_to() {
    let (mut found, mut wrong) = (0, Vec::new());
    for path in sources() {
        let source = fs::read_to_string(&path).unwrap();
        found += source.matches("\"NOT RUN").count() + source.matches("\"not run: ").count();
        wrong.extend(
            quiet(&source)
                .iter()
                .map(|line| format!("{}: {line}", path.display())),
        );
    }
    assert!(found > 10, "only {found} places");
    assert_eq!(wrong, [""; 0], "assert that REQUIRE_SERVICES is not set");
}

#[test]
fn a_test_that_is_left_out_quietly_is_noticed() {
    let says = "    eprintln!(\"NOT RUN: no python3\");\n    return;\n";
    let fails = "    assert!(std::env::var_os(\"REQUIRE_SERVICES\").is_none());\n";
    assert_eq!(quiet(&format!("{fails}{says}")), [""; 0]);
    assert_eq!(quiet(says).len(), 1);
    let far = "    work();\n".repeat(NEAR + 1);
    assert_eq!(quiet(&format!("{fails}{far}{says}")).len(), 1);
}
