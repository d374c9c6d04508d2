use std::fmt;
use std::path::PathBuf;

use super::name::Name;

/// Where a value was set, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nowhere.
    Default(Name),
    /// An environment variable.
    Variable(String),
    /// A key of the settings file.
    Key { key: String, file: PathBuf },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default(name) => write!(f, "the default of {name}"),
            Self::Variable(variable) => write!(f, "the environment variable {variable}"),
            Self::Key { key, file } => write!(f, "`{key}` in {}", file.display()),
        }
    }
}
