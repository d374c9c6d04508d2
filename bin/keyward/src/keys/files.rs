use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, fchown};
use std::path::{Path, PathBuf};

use keyward_crypto::{KeyRing, MacRing};
use zeroize::Zeroizing;

use super::{Found, KeyError, KeyKind, KeyOrigin, parse_fields, parse_macs, read_generated};
use crate::settings::{Mode, Settings};

/// The files that hold the keys, where files do: they can change while a server runs.
pub(crate) struct KeyFiles {
    fields: Option<PathBuf>,
    macs: Option<PathBuf>,
}

/// What they hold now.
pub(crate) struct ReadKeys {
    pub(crate) fields: KeyRing,
    pub(crate) macs: MacRing,
}

impl KeyFiles {
    /// Those that the settings name, or that development has generated.
    pub(crate) fn of(settings: &Settings) -> Self {
        Self {
            fields: file(settings, KeyKind::Field),
            macs: file(settings, KeyKind::Secret),
        }
    }

    /// The file with the keys of one kind.
    pub(crate) fn path(&self, kind: KeyKind) -> Option<&Path> {
        match kind {
            KeyKind::Field => self.fields.as_deref(),
            KeyKind::Secret => self.macs.as_deref(),
        }
    }

    /// Reads the keys anew; those that are in no file are the given ones.
    pub(crate) fn read(&self, fields: &KeyRing, macs: &MacRing) -> Result<ReadKeys, KeyError> {
        Ok(ReadKeys {
            fields: match &self.fields {
                Some(path) => parse_fields(&found(KeyKind::Field, path)?)?,
                None => fields.clone(),
            },
            macs: match &self.macs {
                Some(path) => parse_macs(&found(KeyKind::Secret, path)?)?,
                None => macs.clone(),
            },
        })
    }
}

fn found(kind: KeyKind, path: &Path) -> Result<Found, KeyError> {
    Ok(Found {
        text: read_generated(kind, path)?,
        origin: KeyOrigin::File(path.to_owned()),
    })
}

fn file(settings: &Settings, kind: KeyKind) -> Option<PathBuf> {
    match kind.source(settings) {
        Some(source) => source.file().map(Path::to_owned),
        None if settings.mode == Mode::Development => Some(kind.path(settings)),
        None => None,
    }
}

/// Puts a new key in front of those in a file.
///
/// The file holds the keys of before or all of them, whenever the machine stops. Its owner stays, and
/// nobody else can read it. A symbolic link stays one.
pub(crate) fn add_to_file(path: &Path, kind: KeyKind) -> io::Result<()> {
    let path = std::fs::canonicalize(path)?;
    let before = Zeroizing::new(std::fs::read_to_string(&path)?);
    let owner = std::fs::metadata(&path)?;
    let directory = path.parent().unwrap_or(Path::new("/"));
    let mut draft = tempfile::NamedTempFile::new_in(directory)?;
    // Who runs this need not be who serves.
    fchown(draft.as_file(), Some(owner.uid()), Some(owner.gid()))?;
    draft.write_all(kind.new_key().expose().as_bytes())?;
    draft.write_all(b",")?;
    draft.write_all(before.trim_start().as_bytes())?;
    draft.as_file().sync_all()?;
    draft.persist(&path).map_err(|error| error.error)?;
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_new_key_stands_in_front_and_the_others_stay() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("some.key");
        let first = KeyKind::Field.new_key();
        fs::write(&path, format!("{}\n", first.expose())).unwrap();
        let link = dir.path().join("link.key");
        symlink(&path, &link).unwrap();

        add_to_file(&link, KeyKind::Field).unwrap();

        let text = fs::read_to_string(&path).unwrap();
        let ring = KeyRing::parse(text.trim()).unwrap();
        let old = KeyRing::parse(first.expose()).unwrap().active();
        assert_eq!(ring.ids().count(), 2);
        assert_eq!(ring.ids().last(), Some(old));
        assert_ne!(ring.active(), old);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_file_that_is_not_there_is_not_made() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("some.key");
        assert!(add_to_file(&path, KeyKind::Secret).is_err());
        assert!(!path.exists());
    }
}
