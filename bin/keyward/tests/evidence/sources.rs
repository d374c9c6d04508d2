//! Which tests there are, read from the sources: so nothing has to be compiled to find one that is not.
//!
//! The sources are formatted, which is what this relies on: a module ends with a brace as deep as its beginning.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::{file, text};

/// The tests of all packages.
#[derive(Default)]
pub(crate) struct Tests {
    /// As `package::binary::path`.
    pub(crate) names: BTreeSet<String>,
    /// The packages that have a binary of this name.
    pub(crate) binaries: BTreeMap<String, Vec<String>>,
}

impl Tests {
    pub(crate) fn of_the_workspace() -> Self {
        let mut tests = Self::default();
        for folder in ["crates", "bin"] {
            for package in listed(&file(folder)) {
                tests.add_package(&package);
            }
        }
        tests
    }

    fn add_package(&mut self, folder: &Path) {
        let Ok(manifest) = fs::read_to_string(folder.join("Cargo.toml")) else {
            return;
        };
        let package = manifest
            .lines()
            .find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'))
            .unwrap();
        for (binary, root) in roots(folder) {
            let mut found = Found::default();
            found.read(&root, &folder_of_root(&root), &[]);
            let names = found.tests();
            if names.is_empty() {
                continue;
            }
            self.binaries
                .entry(binary.clone())
                .or_default()
                .push(package.to_owned());
            self.names.extend(
                names
                    .iter()
                    .map(|name| format!("{package}::{binary}::{name}")),
            );
        }
    }
}

/// What is in a folder, in order.
fn listed(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// The first file of each binary that has tests, and the name of the binary.
fn roots(package: &Path) -> Vec<(String, PathBuf)> {
    let mut roots = vec![
        ("lib".to_owned(), package.join("src/lib.rs")),
        ("main".to_owned(), package.join("src/main.rs")),
    ];
    for path in listed(&package.join("tests")) {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let is_file = path.extension().is_some_and(|extension| extension == "rs");
        roots.push((name, if is_file { path } else { path.join("main.rs") }));
    }
    roots.retain(|(_, path)| path.is_file());
    roots
}

fn folder_of_root(root: &Path) -> PathBuf {
    root.parent().unwrap().to_owned()
}

/// What the files of one binary hold.
#[derive(Default)]
struct Found {
    tests: Vec<String>,
    /// The modules that a macro makes, each with a test for every name that the macro is given.
    macros: BTreeMap<String, Vec<String>>,
    /// Where macros are called, and with which names.
    calls: Vec<Call>,
}

struct Call {
    name: String,
    module: Vec<String>,
    given: Vec<String>,
}

/// Where the reading of one file stands.
struct Place<'a> {
    file: &'a Path,
    /// Where the files of its modules are.
    folder: &'a Path,
    module: Vec<String>,
    /// Modules within the file, and how deep each begins.
    inside: Vec<(String, usize)>,
    /// The file that an attribute names for the next module.
    path: Option<String>,
    is_test: bool,
    /// The macro that is being defined.
    defines: Option<String>,
    /// The macro whose names are being read.
    calls: Option<Call>,
}

impl Found {
    /// Reads a file and the files of its modules.
    fn read(&mut self, file: &Path, folder: &Path, module: &[String]) {
        let mut place = Place {
            file,
            folder,
            module: module.to_vec(),
            inside: Vec::new(),
            path: None,
            is_test: false,
            defines: None,
            calls: None,
        };
        for line in fs::read_to_string(file).unwrap().lines() {
            self.line(line, &mut place);
        }
    }

    fn line(&mut self, line: &str, place: &mut Place) {
        let trimmed = line.trim();
        let depth = line.len() - line.trim_start().len();
        if self.is_of_macro(line, place) || place.ends_module(trimmed, depth) {
            return;
        }
        if let Some(path) = between(trimmed, "#[path = \"", "\"]") {
            place.path = Some(path.to_owned());
        } else if is_test_attribute(trimmed) {
            place.is_test = true;
        } else if let Some(name) = item(trimmed, "mod") {
            self.module(name, trimmed, depth, place);
        } else if let Some(name) = item(trimmed, "fn")
            && std::mem::take(&mut place.is_test)
        {
            self.tests.push(place.named(name));
        }
    }

    /// Whether the line belongs to the definition of a macro or to the call of one.
    fn is_of_macro(&mut self, line: &str, place: &mut Place) -> bool {
        if let Some(name) = &place.defines {
            if let Some(module) = item(line.trim(), "mod") {
                self.macros
                    .entry(name.clone())
                    .or_default()
                    .push(module.to_owned());
            }
            if line == "}" {
                place.defines = None;
            }
            return true;
        }
        if let Some(name) = line.strip_prefix("macro_rules! ") {
            place.defines = Some(name.trim_end_matches(" {").to_owned());
            return true;
        }
        let mut names = line;
        if let Some((name, rest)) = line.split_once("![").filter(|(name, _)| is_name(name)) {
            names = rest;
            place.calls = Some(Call {
                name: name.to_owned(),
                module: place.path_here(),
                given: Vec::new(),
            });
        }
        let Some(call) = &mut place.calls else {
            return false;
        };
        let (names, ends) = names
            .split_once("];")
            .map_or((names, false), |(names, _)| (names, true));
        call.given.extend(
            names
                .split(',')
                .map(|name| name.trim().to_owned())
                .filter(|name| is_name(name)),
        );
        if ends {
            self.calls.extend(place.calls.take());
        }
        true
    }

    fn module(&mut self, name: &str, line: &str, depth: usize, place: &mut Place) {
        if line.ends_with('{') {
            place.inside.push((name.to_owned(), depth));
        }
        if line.ends_with(['{', '}']) {
            return;
        }
        let inside: PathBuf = place.inside.iter().map(|(name, _)| name).collect();
        let folder = place.folder.join(inside);
        let is_named = place.path.is_some();
        let file = match place.path.take() {
            Some(path) => place.file.parent().unwrap().join(path),
            None => [
                folder.join(format!("{name}.rs")),
                folder.join(name).join("mod.rs"),
            ]
            .into_iter()
            .find(|file| file.is_file())
            .unwrap_or_else(|| panic!("{}: no file of the module {name}", place.file.display())),
        };
        // A file that is named by its path is like one of that name: its modules are beside it.
        let is_mod = file.ends_with("mod.rs") || is_named;
        let below = if is_mod {
            folder_of_root(&file)
        } else {
            file.with_extension("")
        };
        let mut module = place.path_here();
        module.push(name.to_owned());
        self.read(&file, &below, &module);
    }

    /// Those that are written out, and those that macros make.
    fn tests(self) -> Vec<String> {
        let mut tests = self.tests;
        for call in &self.calls {
            for module in self.macros.get(&call.name).into_iter().flatten() {
                let place = [call.module.clone(), vec![module.clone()]]
                    .concat()
                    .join("::");
                tests.extend(call.given.iter().map(|test| format!("{place}::{test}")));
            }
        }
        tests
    }
}

impl Place<'_> {
    fn path_here(&self) -> Vec<String> {
        let inside = self.inside.iter().map(|(name, _)| name.clone());
        self.module.iter().cloned().chain(inside).collect()
    }

    fn named(&self, test: &str) -> String {
        let mut path = self.path_here();
        path.push(test.to_owned());
        path.join("::")
    }

    fn ends_module(&mut self, line: &str, depth: usize) -> bool {
        let ends = line == "}"
            && self
                .inside
                .last()
                .is_some_and(|(_, begins)| *begins == depth);
        if ends {
            self.inside.pop();
        }
        ends
    }
}

/// The name of an item of this kind that begins in the line.
fn item<'a>(line: &'a str, kind: &str) -> Option<&'a str> {
    let mut words = line
        .split_whitespace()
        .skip_while(|word| word.starts_with("pub") || ["async", "const"].contains(word));
    if words.next() != Some(kind) {
        return None;
    }
    let rest = words.next()?;
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
    Some(&rest[..end.unwrap_or(rest.len())])
}

fn is_test_attribute(line: &str) -> bool {
    let Some(attribute) = between(line, "#[", "]") else {
        return false;
    };
    let path = attribute.split('(').next().unwrap_or_default();
    path == "test" || path.ends_with("::test")
}

fn between<'a>(line: &'a str, start: &str, end: &str) -> Option<&'a str> {
    line.strip_prefix(start)?.strip_suffix(end)
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[test]
fn tests_of_every_kind_are_found() {
    let tests = Tests::of_the_workspace();
    assert!(
        tests.names.len() > 1_500,
        "only {} tests",
        tests.names.len()
    );
    for name in [
        "keyward-crypto::lib::totp_code::tests::input::a_string_of_six_digits_is_read",
        "keyward::main::doctor::clock::tests::a_clock_is_held_against_the_database_and_the_past",
        "keyward::evidence::sources::tests_of_every_kind_are_found",
        "keyward::broker::scanner::tests::every_form_is_found_within_other_bytes",
        "keyward-http::api::coverage::a_route_without_a_check_is_noticed",
        "keyward-store-diesel::retired::sqlite::every_column_with_macs_is_known",
        "keyward-store-diesel::people::admins::postgresql::of_two_administrators_somebody_stays_whatever_they_ask_for",
        "keyward::import::defects::postgres::every_defect_is_named_by_table_and_row",
    ] {
        assert!(tests.names.contains(name), "{name}");
    }
    let of_evidence = |name: &&String| name.starts_with("keyward::evidence::");
    let here: Vec<_> = tests.names.iter().filter(of_evidence).collect();
    let attributes = listed(&file("bin/keyward/tests/evidence"));
    let attributes = attributes
        .iter()
        .map(|path| fs::read_to_string(path).unwrap());
    let attributes: usize = attributes
        .map(|text| text.matches("\n#[test]\n").count())
        .sum();
    assert_eq!(here.len(), attributes, "{here:?}");
}

#[test]
fn what_is_no_test_is_none() {
    let read = |source: &str| {
        let folder = tempfile::TempDir::new().unwrap();
        let root = folder.path().join("lib.rs");
        fs::write(&root, source).unwrap();
        let mut found = Found::default();
        found.read(&root, folder.path(), &[]);
        found.tests()
    };
    assert_eq!(read("#[test]\nfn a() {}\nfn b() {}\n"), ["a"]);
    assert_eq!(
        read("mod m {\n    #[tokio::test]\n    async fn a() {\n    }\n}\n#[test]\nfn b() {}\n"),
        ["m::a", "b"]
    );
    assert_eq!(
        read("#[tested]\nfn a() {}\n// #[test]\nfn b() {}\n"),
        [""; 0]
    );
    let made = "macro_rules! twice {\n    () => {\n        mod x {\n            $(#[test]\n            fn $t() {})*\n        }\n        mod y {}\n    };\n}\nmod m {}\ntwice![\n    a,\n    b\n];\n";
    assert_eq!(read(made), ["x::a", "x::b", "y::a", "y::b"]);
}

#[test]
fn binaries_of_tests_have_names_of_their_own() {
    let shared = |(name, packages): &(String, Vec<String>)| {
        packages.len() > 1 && !["lib", "main"].contains(&name.as_str())
    };
    let shared: Vec<_> = Tests::of_the_workspace()
        .binaries
        .into_iter()
        .filter(shared)
        .collect();
    assert!(
        shared.is_empty(),
        "the log of a run could not tell them apart: {shared:?}"
    );
    assert!(text("Cargo.toml").contains("members = [\"crates/*\", \"bin/*\"]"));
}
