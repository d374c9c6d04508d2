//! What `security/` says is so: every test that it names is there, every sentence stands in its page, and every
//! item of the standard is answered once.
//!
//! Whether the named tests have run is for `scripts/ran`, which needs the log of a whole run.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy knows test functions, but not what they share"
)]

mod asvs;
mod claims;
mod decisions;
mod guards;
mod left_out;
mod lessons;
mod log;
mod named;
mod sources;

use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// A file of the project.
pub(crate) fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(name)
}

pub(crate) fn text(name: &str) -> String {
    fs::read_to_string(file(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A file in `security/`.
pub(crate) fn records<T: DeserializeOwned>(name: &str) -> T {
    let name = format!("security/{name}.toml");
    toml::from_str(&text(&name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}
