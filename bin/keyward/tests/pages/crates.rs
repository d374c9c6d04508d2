//! What a library crate shows to who finds it: words to be found by, and an example that runs.

use std::fs;

use crate::{file, text};

/// What is missing of what every library crate has.
fn lacking(manifest: &str, readme: &str, lib: &str) -> Vec<&'static str> {
    let list = |name: &str| {
        let start = format!("{name} = [");
        let line = manifest.lines().find(|line| line.starts_with(&start));
        line.map_or(0, |line| line.matches('"').count() / 2)
    };
    let examples = readme.matches("\n```rust\n").count();
    [
        // crates.io takes no more than five of each.
        ((1..=5).contains(&list("keywords")), "keywords"),
        ((1..=5).contains(&list("categories")), "categories"),
        (examples == 1, "an example in README.md"),
        (
            lib.contains("#[doc = include_str!(\"../README.md\")]"),
            "the example among the doctests",
        ),
    ]
    .into_iter()
    .filter_map(|(is_there, what)| (!is_there).then_some(what))
    .collect()
}

#[test]
fn every_library_crate_can_be_found_and_shows_an_example_that_runs() {
    let mut crates = 0;
    for entry in fs::read_dir(file("crates")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let of = |path: &str| text(&format!("crates/{name}/{path}"));
        let lacks = lacking(&of("Cargo.toml"), &of("README.md"), &of("src/lib.rs"));
        assert_eq!(lacks, [""; 0], "{name}");
        crates += 1;
    }
    assert!(crates > 10);
    assert_eq!(lacking("keywords = []\n", "", "").len(), 4);
}
