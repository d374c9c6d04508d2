use std::collections::BTreeMap;
use std::ffi::OsString;

#[cfg(target_os = "linux")]
use crate::handover;

use super::error::SettingsError;
use super::name;

/// The environment variables that are settings; all others are dropped at once.
///
/// No `Debug`: there are secrets among the values.
pub(crate) struct Environment(BTreeMap<String, OsString>);

impl Environment {
    /// The environment of this process.
    pub(crate) fn of_process() -> Result<Self, SettingsError> {
        let variables = std::env::vars_os();
        #[cfg(target_os = "linux")]
        let variables = variables
            .filter(|(variable, _)| variable != handover::VARIABLE)
            .chain(handover::taken().map_err(SettingsError::NotHandedOver)?);
        Self::new(variables)
    }

    /// Takes the settings out of `variables`.
    ///
    /// Other programs' variables are everywhere and no concern of ours; one with our prefix that
    /// is not known is refused, since what it was to set would silently stay as it is.
    pub(crate) fn new(
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, SettingsError> {
        let mut known = BTreeMap::new();
        for (variable, value) in variables {
            let Some(variable) = variable.to_str() else {
                continue;
            };
            if name::variables().any(|known| known == variable) {
                // An empty variable is how shells and compose files say "not set".
                if !value.is_empty() {
                    known.insert(variable.to_owned(), value);
                }
            } else if variable.starts_with(name::PREFIX) && variable != name::OF_CLIENTS {
                return Err(SettingsError::UnknownVariable {
                    variable: variable.to_owned(),
                    nearest: name::nearest(variable),
                });
            }
        }
        Ok(Self(known))
    }

    /// Hands over the value of `variable`, if it is set.
    pub(super) fn take(&mut self, variable: &str) -> Result<Option<String>, SettingsError> {
        let Some(value) = self.0.remove(variable) else {
            return Ok(None);
        };
        match value.into_string() {
            Ok(value) if value.trim().is_empty() => Ok(None),
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(SettingsError::NotUnicode {
                variable: variable.to_owned(),
            }),
        }
    }
}
