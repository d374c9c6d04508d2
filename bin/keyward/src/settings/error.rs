use std::io;
use std::path::PathBuf;

use crate::exit::Failure;
use crate::private_path::SecretFileError;

use super::name::Name;
use super::origin::Origin;

/// Why the settings cannot be used: one paragraph that says what to do.
///
/// No message holds the value of a secret setting, also not within an excerpt of a file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error("the settings that this process has handed to itself cannot be read: {0}")]
    NotHandedOver(std::io::Error),
    #[error(
        "the environment variable {variable} is not a setting{}; \
         correct its name or remove it",
        suggestion(nearest.as_deref())
    )]
    UnknownVariable {
        variable: String,
        nearest: Option<String>,
    },
    #[error(
        "`{key}` in {} is not a setting{}; correct its name or remove it",
        file.display(),
        suggestion(nearest.as_deref())
    )]
    UnknownKey {
        key: String,
        file: PathBuf,
        nearest: Option<String>,
    },
    #[error("the environment variable {variable} is not valid UTF-8")]
    NotUnicode { variable: String },
    #[error("the settings file {} cannot be read: {source}", file.display())]
    UnreadableFile { file: PathBuf, source: io::Error },
    #[error("the settings file {} is not valid TOML{}", file.display(), at(position.as_deref()))]
    NotToml {
        file: PathBuf,
        position: Option<String>,
    },
    #[error(
        "the settings file {} holds `{key}`, and other users can access the file \
         (mode {mode:04o}); run `chmod 600 {}`, or keep the key in a file of its own and name \
         that with `{key}_file`",
        file.display(),
        file.display()
    )]
    ExposedFile {
        file: PathBuf,
        key: String,
        mode: u32,
    },
    #[error("{value} and {file} are both set; keep the one that holds and remove the other")]
    Twice { value: Origin, file: Origin },
    #[error("{name} {problem} (set by {origin})")]
    Invalid {
        name: Name,
        origin: Origin,
        problem: String,
    },
    #[error("{name} cannot be taken from the file that {origin} names: {source}")]
    SecretFile {
        name: Name,
        origin: Origin,
        source: SecretFileError,
    },
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        Self::configuration(error)
    }
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest
        .map(|nearest| format!(" (did you mean {nearest}?)"))
        .unwrap_or_default()
}

fn at(position: Option<&str>) -> String {
    position
        .map(|position| format!(": look at {position}"))
        .unwrap_or_default()
}
