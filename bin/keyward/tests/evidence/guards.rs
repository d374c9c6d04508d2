//! What decisions rest on that no other test would miss: settings of the compiler and of lints, and what must not be
//! in the sources at all.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{file, text};

/// The manifests of all packages.
fn manifests() -> Vec<(String, String)> {
    let mut manifests = Vec::new();
    for folder in ["crates", "bin"] {
        for entry in fs::read_dir(file(folder)).unwrap() {
            let path = entry.unwrap().path().join("Cargo.toml");
            if let Ok(manifest) = fs::read_to_string(&path) {
                manifests.push((path.display().to_string(), manifest));
            }
        }
    }
    manifests
}

/// The lines of a section of a TOML file, without comments.
fn section<'a>(toml: &'a str, name: &str) -> Vec<&'a str> {
    let head = format!("[{name}]");
    let lines = toml.lines().skip_while(|line| *line != head).skip(1);
    let lines = lines.take_while(|line| !line.starts_with('['));
    lines
        .map(|line| line.split(" #").next().unwrap_or_default().trim())
        .collect()
}

/// The lines of `wanted` that a section lacks.
fn lacking<'a>(toml: &str, name: &str, wanted: &[&'a str]) -> Vec<&'a str> {
    let there = section(toml, name);
    wanted
        .iter()
        .copied()
        .filter(|line| !there.contains(line))
        .collect()
}

const LINTS: [(&str, &[&str]); 2] = [
    (
        "workspace.lints.rust",
        &["unsafe_code = \"forbid\"", "missing_docs = \"warn\""],
    ),
    (
        "workspace.lints.clippy",
        &[
            "unwrap_used = \"warn\"",
            "expect_used = \"warn\"",
            "panic = \"warn\"",
            "indexing_slicing = \"warn\"",
        ],
    ),
];

/// What the packages promise to compile with is what all of these tests are compiled with.
#[test]
fn the_oldest_compiler_is_the_one_that_is_tested() {
    let (workspace, toolchain) = (text("Cargo.toml"), text("rust-toolchain.toml"));
    let value = |toml: &str, of: &str, key: &str| {
        let lines = section(toml, of);
        let line = lines.iter().find_map(|line| line.strip_prefix(key));
        line.unwrap_or_else(|| panic!("no {key}"))
            .trim_matches([' ', '=', '"'])
            .to_owned()
    };
    let promised = value(&workspace, "workspace.package", "rust-version");
    let tested = value(&toolchain, "toolchain", "channel");
    assert_eq!(format!("{promised}.0"), tested);
    for (path, manifest) in manifests() {
        let lines = section(&manifest, "package");
        assert!(lines.contains(&"rust-version.workspace = true"), "{path}");
    }
}

#[test]
fn every_crate_keeps_the_lints_of_the_workspace() {
    for (name, wanted) in LINTS {
        assert_eq!(
            lacking(&text("Cargo.toml"), name, wanted),
            [""; 0],
            "{name}"
        );
    }
    let manifests = manifests();
    assert!(manifests.len() >= 18, "only {} packages", manifests.len());
    for (path, manifest) in manifests {
        assert_eq!(
            lacking(&manifest, "lints", &["workspace = true"]),
            [""; 0],
            "{path}"
        );
    }
    assert!(text(".ci/run").contains("clippy --locked --workspace --all-targets -- -D warnings"));
}

#[test]
fn a_release_checks_its_arithmetic() {
    let wanted = ["overflow-checks = true"];
    assert_eq!(
        lacking(&text("Cargo.toml"), "profile.release", &wanted),
        [""; 0]
    );
}

/// What clippy refuses outside of its one place.
const ONE_PLACE: [&str; 9] = [
    "std::time::SystemTime::now",
    "uuid::Uuid::now_v7",
    "ring::rand::SystemRandom::new",
    "std::env::var",
    "actix_web::HttpRequest::connection_info",
    "actix_web::dev::ServiceRequest::connection_info",
    "actix_web::dev::ConnectionInfo::realip_remote_addr",
    "keyward_crypto::TotpSecret::matched_step",
    "keyward_crypto::ProofKey::matched_step",
];

fn allowed_everywhere<'a>(clippy: &str) -> Vec<&'a str> {
    let (_, refused) = clippy
        .split_once("disallowed-methods = [")
        .unwrap_or_default();
    let is_refused = |path: &&str| refused.contains(&format!("{{ path = \"{path}\", "));
    ONE_PLACE
        .into_iter()
        .filter(|path| !is_refused(path))
        .collect()
}

#[test]
fn lints_keep_time_randomness_and_codes_in_their_one_place() {
    assert_eq!(allowed_everywhere(&text("clippy.toml")), [""; 0]);
    // Exceptions are written down; there is one place for each.
    let exceptions = places("clippy::disallowed_methods", &sources());
    let in_code: Vec<_> = exceptions.iter().map(|(path, _)| path.as_str()).collect();
    assert!(in_code.contains(&"crates/auth/src/codes.rs"), "{in_code:?}");
    let consumers = places("one consumer\"", &sources());
    let consumers: Vec<_> = consumers.iter().map(|(path, _)| path.as_str()).collect();
    assert!(
        consumers
            .iter()
            .all(|path| *path == "crates/auth/src/codes.rs"),
        "{consumers:?}"
    );
}

/// The sources of all packages, without tests in files of their own.
fn sources() -> Vec<(String, String)> {
    let mut sources = Vec::new();
    let mut folders: Vec<PathBuf> = vec![file("bin/keyward/src")];
    folders.extend(
        fs::read_dir(file("crates"))
            .unwrap()
            .map(|entry| entry.unwrap().path().join("src")),
    );
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                sources.push((named(&path), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    sources
}

/// The path from the root of the project.
fn named(path: &Path) -> String {
    let path = path.display().to_string();
    path.rsplit_once("../../")
        .map_or(path.clone(), |(_, path)| path.to_owned())
}

/// The lines with `words`, comments left aside.
fn places(words: &str, sources: &[(String, String)]) -> Vec<(String, String)> {
    let lines = sources
        .iter()
        .flat_map(|(path, text)| text.lines().map(move |line| (path, line.trim())));
    let found = lines.filter(|(_, line)| line.contains(words) && !line.starts_with("//"));
    found
        .map(|(path, line)| (path.clone(), line.to_owned()))
        .collect()
}

/// The server starts itself anew once, without the keys in its environment. The Redis of tests is a feature.
#[test]
fn only_the_start_of_the_server_starts_a_process() {
    let sources = sources();
    assert!(sources.len() > 200, "only {} sources", sources.len());
    let found = places("Command::new(", &sources);
    let elsewhere: Vec<_> = found
        .iter()
        .filter(|(path, _)| path != "crates/redis/src/testing.rs")
        .collect();
    let [(path, line)] = elsewhere.as_slice() else {
        panic!("{elsewhere:?}");
    };
    assert_eq!(path, "bin/keyward/src/handover.rs");
    assert!(line.contains("current_exe()"), "{line}");
}

/// Engines of scripts, and regular expressions that can take exponential time.
const UNWANTED: [&str; 12] = [
    "boa_engine",
    "deno_core",
    "fancy-regex",
    "mlua",
    "onig",
    "pcre2",
    "pyo3",
    "rhai",
    "rquickjs",
    "v8",
    "wasmer",
    "wasmtime",
];

fn unwanted<'a>(lock: &str) -> Vec<&'a str> {
    let is_there = |name: &&str| lock.contains(&format!("\nname = \"{name}\"\n"));
    UNWANTED.into_iter().filter(is_there).collect()
}

#[test]
fn no_dependency_interprets_programs_or_backtracks() {
    assert_eq!(unwanted(&text("Cargo.lock")), [""; 0]);
}

#[test]
fn a_guard_that_is_taken_out_is_noticed() {
    let cargo = text("Cargo.toml");
    let without = cargo.replace("unsafe_code = \"forbid\"", "unsafe_code = \"warn\"");
    assert_eq!(
        lacking(&without, LINTS[0].0, LINTS[0].1),
        ["unsafe_code = \"forbid\""]
    );
    let without = cargo.replace("overflow-checks = true", "# overflow-checks = true");
    let wanted = ["overflow-checks = true"];
    assert_eq!(lacking(&without, "profile.release", &wanted), wanted);
    assert_eq!(
        lacking(&cargo, "profile.dev", &wanted),
        wanted,
        "in another section"
    );

    let clippy = text("clippy.toml");
    for path in ONE_PLACE {
        let without = clippy.replace(&format!("\"{path}\""), "\"core::mem::swap\"");
        assert_eq!(allowed_everywhere(&without), [path]);
    }
    let planted = |line: &str| places("Command::new(", &[("a.rs".to_owned(), line.to_owned())]);
    assert_eq!(planted("    Command::new(\"sh\").arg(name);\n").len(), 1);
    assert_eq!(planted("    // Command::new(\"sh\")\n").len(), 0);
    assert_eq!(
        unwanted("[[package]]\nname = \"pcre2\"\nversion = \"1\"\n"),
        ["pcre2"]
    );
}
