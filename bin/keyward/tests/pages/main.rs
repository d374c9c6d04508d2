//! What README.md, the pages in `docs/` and the files in `packaging/` say is so.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy knows test functions, but not what they share"
)]

#[path = "../running/mod.rs"]
mod running;

mod crates;
mod guide;
mod links;
mod packages;
mod session;
mod steps;

use std::fs;
use std::path::{Path, PathBuf};

use crate::session::{Session, is_here, services_required};
use crate::steps::steps;

/// A file of the project.
fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(file(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Whether these programs are here; says by name what is not run without them.
fn has(test: &str, tools: &[&str]) -> bool {
    match tools.iter().find(|tool| !is_here(tool)) {
        None => true,
        Some(missing) => {
            let notice = format!("NOT RUN: {test} (no {missing})");
            assert!(!services_required(), "{notice}");
            eprintln!("{notice}");
            false
        }
    }
}

#[test]
fn the_readme_keeps_its_word() {
    if !has("the_readme_keeps_its_word", &["bash", "curl"]) {
        return;
    }
    let steps = steps(&text("README.md"));
    assert!(!steps.is_empty(), "README.md has no tested block");
    let mut session = Session::start();
    for step in &steps {
        session.run(step);
    }
    if let Some(server) = session.server.take() {
        server.stop();
    }
}

#[test]
fn the_first_ten_minutes_and_the_page_of_the_api_keep_their_word() {
    if !has(
        "the_first_ten_minutes_and_the_page_of_the_api_keep_their_word",
        &["bash", "curl"],
    ) {
        return;
    }
    let mut session = Session::beside_a_server();
    for page in ["docs/getting-started.md", "docs/api.md"] {
        let steps = steps(&text(page));
        assert!(steps.len() > 3, "{page} has no tested blocks");
        for step in &steps {
            session.run(step);
        }
    }
    session.server.take().unwrap().stop();
}
