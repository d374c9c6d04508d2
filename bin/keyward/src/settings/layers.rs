use std::path::{Path, PathBuf};

use config::{Config, ConfigError, Map, Source, Value, ValueKind};
use keyward_crypto::SecretText;

use super::environment::Environment;
use super::error::SettingsError;
use super::file;
use super::name::{self, Name};
use super::origin::Origin;
use super::secret::SecretSource;

/// Defaults, the settings file and the environment, laid over each other.
///
/// Each value is handed out once, with its origin.
pub(super) struct Layers {
    values: Map<String, Value>,
    /// Secrets in here never go through `config`, which leaves copies of values in memory.
    environment: Environment,
    file: PathBuf,
}

impl Layers {
    /// Reads `file`, which must exist, or else `keyward.toml`, which need not.
    pub(super) fn read(
        file: Option<&Path>,
        mut environment: Environment,
    ) -> Result<Self, SettingsError> {
        let path = file.unwrap_or(Path::new(DEFAULT_FILE)).to_owned();
        let values = file::read(&path)?;
        if values.is_none() && file.is_some() {
            let source = std::io::ErrorKind::NotFound.into();
            return Err(SettingsError::UnreadableFile { file: path, source });
        }

        let mut defaults = Map::new();
        let mut variables = Map::new();
        for name in Name::ALL.into_iter().filter(|name| !name.is_secret()) {
            if let Some(value) = name.default_value() {
                defaults.insert(name.key(), Value::new(Some(&DEFAULT.to_owned()), value));
            }
            if let Some(value) = environment.take(name.variable())? {
                variables.insert(name.key(), Value::new(Some(&ENVIRONMENT.to_owned()), value));
            }
        }
        let values = Config::builder()
            .add_source(Layer(defaults))
            .add_source(Layer(values.unwrap_or_default()))
            .add_source(Layer(variables))
            .build()
            .and_then(|config| config.cache.into_table())
            // Nothing in memory can fail to be laid over something else.
            .map_err(|_| SettingsError::NotToml {
                file: path.clone(),
                position: None,
            })?;
        Ok(Self {
            values,
            environment,
            file: path,
        })
    }

    /// Hands over the value of a setting that is no secret.
    pub(super) fn take(&mut self, name: Name) -> Option<Given> {
        let value = self.values.remove(&name.key())?;
        let origin = match value.origin() {
            Some(DEFAULT) => Origin::Default(name),
            Some(ENVIRONMENT) => Origin::Variable(name.variable().to_owned()),
            _ => self.key(name.key()),
        };
        Some(Given {
            name,
            origin,
            value: value.kind,
        })
    }

    /// Hands over where a secret is: set in place, or in a file.
    ///
    /// The two spellings are one setting, so a variable of either overrides the settings file. Both
    /// in one place are refused: which of two keys holds must not depend on a rule to look up.
    pub(super) fn take_secret(
        &mut self,
        name: Name,
    ) -> Result<Option<SecretSource>, SettingsError> {
        let variable = name.variable();
        let value = self.environment.take(variable)?.map(SecretText::new);
        let file = self.environment.take(&name::twin(variable))?;
        let by_variable = SecretSource::one_of(
            name,
            value.map(|value| (value, Origin::Variable(variable.to_owned()))),
            file.map(|file| (file, Origin::Variable(name::twin(variable)))),
        )?;

        let value = self.take_text(name, name.key())?;
        let by_key = SecretSource::one_of(
            name,
            value.map(|(value, origin)| (SecretText::new(value), origin)),
            self.take_text(name, name::twin(variable).to_lowercase())?,
        )?;
        Ok(by_variable.or(by_key))
    }

    fn take_text(
        &mut self,
        name: Name,
        key: String,
    ) -> Result<Option<(String, Origin)>, SettingsError> {
        let Some(value) = self.values.remove(&key) else {
            return Ok(None);
        };
        let origin = self.key(key);
        match value.kind {
            ValueKind::String(text) => Ok(Some((text, origin))),
            // `config` would turn a number into text, without the zeros it began with.
            _ => Err(SettingsError::Invalid {
                name,
                origin,
                problem: "must be a text in quotation marks".to_owned(),
            }),
        }
    }

    fn key(&self, key: String) -> Origin {
        Origin::Key {
            key,
            file: self.file.clone(),
        }
    }
}

/// The value of a setting that is no secret, not yet understood.
pub(super) struct Given {
    pub(super) name: Name,
    pub(super) origin: Origin,
    pub(super) value: ValueKind,
}

/// Values that are at hand, as a source for `config`.
#[derive(Clone)]
struct Layer(Map<String, Value>);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.clone())
    }
}

impl std::fmt::Debug for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Layer(..)")
    }
}

const DEFAULT_FILE: &str = "keyward.toml";

/// Origins, as `config` carries them through.
const DEFAULT: &str = "default";
const ENVIRONMENT: &str = "environment";
