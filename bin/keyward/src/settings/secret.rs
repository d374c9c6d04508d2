use std::path::{Path, PathBuf};

use keyward_crypto::SecretText;

use crate::private_path::{self, Readers};

use super::error::SettingsError;
use super::name::Name;
use super::origin::Origin;

/// Where a secret is. It is read when it is needed, so that `doctor` can say what is wrong with it.
///
/// `Debug` shows the place, never the secret.
#[derive(Debug)]
pub(crate) struct SecretSource {
    name: Name,
    origin: Origin,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Here(SecretText),
    File(PathBuf),
}

impl SecretSource {
    /// The one of both spellings that is set.
    pub(super) fn one_of(
        name: Name,
        value: Option<(SecretText, Origin)>,
        file: Option<(String, Origin)>,
    ) -> Result<Option<Self>, SettingsError> {
        match (value, file) {
            (Some((_, value)), Some((_, file))) => Err(SettingsError::Twice { value, file }),
            (Some((value, origin)), None) => Ok(Some(Self {
                name,
                origin,
                place: Place::Here(value),
            })),
            (None, Some((file, origin))) => Ok(Some(Self {
                name,
                origin,
                place: Place::File(file.trim().into()),
            })),
            (None, None) => Ok(None),
        }
    }

    /// The secret. A file that holds a key must be accessible to its owner only.
    pub(crate) fn read(&self) -> Result<SecretText, SettingsError> {
        match &self.place {
            Place::Here(text) => Ok(SecretText::new(text.expose().to_owned())),
            Place::File(path) => {
                let readers = if self.name.is_key() {
                    Readers::Owner
                } else {
                    Readers::Any
                };
                private_path::read_secret(path, readers).map_err(|source| {
                    SettingsError::SecretFile {
                        name: self.name,
                        origin: self.origin.clone(),
                        source,
                    }
                })
            }
        }
    }

    /// What named the secret or its file.
    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The file that holds the secret, if one does.
    pub(crate) fn file(&self) -> Option<&Path> {
        match &self.place {
            Place::Here(_) => None,
            Place::File(path) => Some(path),
        }
    }
}
