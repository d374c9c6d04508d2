use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use config::{ConfigError, File, FileFormat, Map, Source, Value, ValueKind};
use zeroize::Zeroizing;

use crate::private_path;

use super::error::SettingsError;
use super::name::{self, Name};

/// What a settings file sets, by its keys. Empty texts and lists are left out: they set nothing.
///
/// `Ok(None)` when there is no such file.
pub(super) fn read(file: &Path) -> Result<Option<Map<String, Value>>, SettingsError> {
    let unreadable = |source| SettingsError::UnreadableFile {
        file: file.to_owned(),
        source,
    };
    let text = match fs::read_to_string(file) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    let mut values = File::from_str(&text, FileFormat::Toml)
        .collect()
        .map_err(|error| SettingsError::NotToml {
            file: file.to_owned(),
            position: position(&error),
        })?;
    refuse_unknown_keys(&values, file)?;
    values.retain(|_, value| !is_empty(value));

    if let Some(name) = Name::ALL
        .into_iter()
        .find(|name| name.is_key() && values.contains_key(&name.key()))
    {
        let metadata = fs::metadata(file).map_err(unreadable)?;
        if private_path::is_exposed(&metadata) {
            return Err(SettingsError::ExposedFile {
                file: file.to_owned(),
                key: name.key(),
                mode: private_path::permission_bits(&metadata),
            });
        }
    }
    Ok(Some(values))
}

fn refuse_unknown_keys(values: &Map<String, Value>, file: &Path) -> Result<(), SettingsError> {
    let known: Vec<_> = name::variables()
        .map(|variable| variable.to_lowercase())
        .collect();
    // The first by the alphabet, so that the same file always gives the same message.
    match values.keys().filter(|key| !known.contains(key)).min() {
        Some(key) => Err(SettingsError::UnknownKey {
            key: key.clone(),
            file: file.to_owned(),
            nearest: name::nearest(key).map(|variable| format!("`{}`", variable.to_lowercase())),
        }),
        None => Ok(()),
    }
}

/// Where the parser stopped. Its message goes on with an excerpt, which may show a key.
fn position(error: &ConfigError) -> Option<String> {
    let ConfigError::FileParse { cause, .. } = error else {
        return None;
    };
    let message = cause.to_string();
    let position = message
        .lines()
        .next()?
        .strip_prefix("TOML parse error at ")?;
    Some(position.to_owned())
}

fn is_empty(value: &Value) -> bool {
    match &value.kind {
        ValueKind::String(text) => text.trim().is_empty(),
        ValueKind::Array(list) => list.is_empty(),
        _ => false,
    }
}
