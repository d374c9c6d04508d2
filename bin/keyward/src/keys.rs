//! The keys of this installation: found, or in development generated once.

mod error;
mod files;
mod generated;
mod kind;
mod new;
mod show;

use std::fmt::{self, Write as _};
use std::io::Write;
use std::path::PathBuf;

use keyward_crypto::{FieldKeyError, KeyRing, KeyRingError, MacRing, SecretKeyError, SecretText};
use keyward_store_diesel::DatabaseUrl;

use crate::private_path::{self, Readers, SecretFileError};
use crate::settings::{Mode, Name, Origin, Settings};

use self::generated::Kept;

pub(crate) use self::error::KeyError;
pub(crate) use self::files::{KeyFiles, add_to_file};
pub(crate) use self::kind::KeyKind;
pub(crate) use self::new::print_new;
pub(crate) use self::show::{print, write};

/// Both key rings, and where they came from.
pub(crate) struct KeyMaterial {
    pub(crate) fields: KeyRing,
    pub(crate) macs: MacRing,
    pub(crate) fields_origin: KeyOrigin,
    pub(crate) macs_origin: KeyOrigin,
}

/// Where a key came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeyOrigin {
    /// A setting holds it.
    Set(Origin),
    /// A file that a setting names.
    File(PathBuf),
    /// A file that was generated in the data directory, now or by an earlier start.
    Generated(PathBuf),
}

impl fmt::Display for KeyOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set(origin) => write!(f, "{origin}"),
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::Generated(path) => write!(f, "the generated file {}", path.display()),
        }
    }
}

impl KeyMaterial {
    /// Finds the keys. In development, those that are missing are generated and told to `notices`.
    ///
    /// However many processes start at once, they end with the same keys. No key is generated
    /// beside a database that exists already: its rows are under a key that is missing, and a new
    /// one would hide that until nobody remembers the old.
    pub(crate) fn obtain(
        settings: &Settings,
        database: &DatabaseUrl,
        notices: &mut dyn Write,
    ) -> Result<Self, KeyError> {
        // Asked before the keys are looked for: another process that starts now makes the keys
        // first, so whoever sees its database finds its keys too.
        let database = database.sqlite_path().filter(|path| path.exists());

        let (fields_text, macs_text) = (
            find(settings, KeyKind::Field)?,
            find(settings, KeyKind::Secret)?,
        );
        if settings.mode == Mode::Production {
            refuse_missing(&[
                (KeyKind::Field, fields_text.is_none()),
                (KeyKind::Secret, macs_text.is_none()),
            ])?;
        }
        let mut generated = Vec::new();
        let mut or_generate = |kind: KeyKind, found: Option<Found>| match (found, database) {
            (Some(found), _) => Ok(found),
            (None, Some(database)) => Err(KeyError::Lost {
                name: kind.name(),
                key: kind.path(settings),
                database: database.to_owned(),
            }),
            (None, None) => generate(settings, kind, &mut generated),
        };
        let fields_text = or_generate(KeyKind::Field, fields_text)?;
        let macs_text = or_generate(KeyKind::Secret, macs_text)?;
        announce(&generated, notices);

        Ok(Self {
            fields: parse_fields(&fields_text)?,
            macs: parse_macs(&macs_text)?,
            fields_origin: fields_text.origin,
            macs_origin: macs_text.origin,
        })
    }

    /// Finds the keys. None is generated in any mode.
    pub(crate) fn existing(settings: &Settings) -> Result<Self, KeyError> {
        let absent = |kind: KeyKind| KeyError::Absent {
            name: kind.name(),
            key: kind.path(settings),
        };
        let (fields, fields_origin) =
            existing_fields(settings)?.ok_or_else(|| absent(KeyKind::Field))?;
        let (macs, macs_origin) =
            existing_macs(settings)?.ok_or_else(|| absent(KeyKind::Secret))?;
        Ok(Self {
            fields,
            macs,
            fields_origin,
            macs_origin,
        })
    }
}

/// The key ring for fields if its setting or file exists. Nothing is generated.
pub(crate) fn existing_fields(
    settings: &Settings,
) -> Result<Option<(KeyRing, KeyOrigin)>, KeyError> {
    match find(settings, KeyKind::Field)? {
        Some(found) => Ok(Some((parse_fields(&found)?, found.origin))),
        None => Ok(None),
    }
}

/// `FIELD_ENCRYPTION_KEY` and `SECRET_KEY` as they are set, for a copy of them. Nothing is generated.
pub(crate) fn texts(settings: &Settings) -> Result<(SecretText, SecretText), KeyError> {
    let text = |kind: KeyKind| {
        let found = find(settings, kind)?;
        found
            .map(|found| found.text)
            .ok_or_else(|| KeyError::Absent {
                name: kind.name(),
                key: kind.path(settings),
            })
    };
    Ok((text(KeyKind::Field)?, text(KeyKind::Secret)?))
}

/// The key ring for MACs if its setting or file exists. Nothing is generated.
pub(crate) fn existing_macs(settings: &Settings) -> Result<Option<(MacRing, KeyOrigin)>, KeyError> {
    match find(settings, KeyKind::Secret)? {
        Some(found) => Ok(Some((parse_macs(&found)?, found.origin))),
        None => Ok(None),
    }
}

/// A key that was found, not yet understood.
struct Found {
    text: SecretText,
    origin: KeyOrigin,
}

/// Looks where the setting points, and in development in the data directory.
fn find(settings: &Settings, kind: KeyKind) -> Result<Option<Found>, KeyError> {
    if let Some(source) = kind.source(settings) {
        let origin = match source.file() {
            Some(path) => KeyOrigin::File(path.to_owned()),
            None => KeyOrigin::Set(source.origin().clone()),
        };
        return Ok(Some(Found {
            text: source.read()?,
            origin,
        }));
    }
    if settings.mode == Mode::Production {
        return Ok(None);
    }
    let path = kind.path(settings);
    match private_path::read_secret(&path, Readers::Owner) {
        Ok(text) => Ok(Some(Found {
            text,
            origin: KeyOrigin::Generated(path),
        })),
        Err(SecretFileError::Missing { .. }) => Ok(None),
        Err(source) => Err(KeyError::GeneratedUnreadable {
            name: kind.name(),
            source,
        }),
    }
}

fn refuse_missing(kinds: &[(KeyKind, bool)]) -> Result<(), KeyError> {
    let missing: Vec<Name> = kinds
        .iter()
        .filter(|(_, missing)| *missing)
        .map(|(kind, _)| kind.name())
        .collect();
    let Some(first) = missing.first() else {
        return Ok(());
    };
    let verb = if missing.len() == 1 { "is" } else { "are" };
    let names: Vec<_> = missing.iter().map(Name::to_string).collect();
    Err(KeyError::Missing {
        names: format!("{} {verb}", names.join(" and ")),
        name: *first,
    })
}

/// Generates a key, unless another process was faster; then that one's key is taken.
fn generate(
    settings: &Settings,
    kind: KeyKind,
    generated: &mut Vec<(KeyKind, PathBuf)>,
) -> Result<Found, KeyError> {
    let path = kind.path(settings);
    let key = kind.new_key();
    let kept = generated::keep(&path, &key).map_err(|source| KeyError::NotCreated {
        name: kind.name(),
        path: path.clone(),
        source,
    })?;
    let text = match kept {
        Kept::Mine => {
            generated.push((kind, path.clone()));
            key
        }
        Kept::Theirs => read_generated(kind, &path)?,
    };
    Ok(Found {
        text,
        origin: KeyOrigin::Generated(path),
    })
}

fn read_generated(kind: KeyKind, path: &std::path::Path) -> Result<SecretText, KeyError> {
    private_path::read_secret(path, Readers::Owner).map_err(|source| {
        KeyError::GeneratedUnreadable {
            name: kind.name(),
            source,
        }
    })
}

fn announce(generated: &[(KeyKind, PathBuf)], notices: &mut dyn Write) {
    if generated.is_empty() {
        return;
    }
    let mut text = String::from("keyward: generated for development:\n");
    for (kind, path) in generated {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "  {}  ({} {})",
            path.display(),
            kind.name(),
            kind.purpose()
        );
    }
    text += "Back these files up, apart from the database: without them, what is stored is lost. \
             `keyward backup key` prints them for that.\n";
    // The keys are in place; a closed standard error does not make them worse.
    let _ = notices.write_all(text.as_bytes());
}

fn parse_fields(found: &Found) -> Result<KeyRing, KeyError> {
    KeyRing::parse(found.text.expose()).map_err(|error| {
        let problem = match error {
            KeyRingError::Key {
                position,
                source: FieldKeyError::Malformed,
            } => {
                format!("key number {position} is not 44 characters of URL-safe base64")
            }
            KeyRingError::Key {
                position,
                source: FieldKeyError::Example,
            } => {
                format!("key number {position} is an example key, which anyone can look up")
            }
            KeyRingError::Duplicate { kid } => format!("the key with the id {kid} is in it twice"),
            other => other.to_string(),
        };
        unusable(KeyKind::Field, found, problem)
    })
}

fn parse_macs(found: &Found) -> Result<MacRing, KeyError> {
    MacRing::parse(found.text.expose()).map_err(|error: SecretKeyError| {
        // The texts of this error name the position and the rule, and nothing else.
        unusable(KeyKind::Secret, found, error.to_string())
    })
}

fn unusable(kind: KeyKind, found: &Found, problem: String) -> KeyError {
    KeyError::Unusable {
        name: kind.name(),
        origin: found.origin.clone(),
        problem,
    }
}

#[cfg(test)]
mod tests;
