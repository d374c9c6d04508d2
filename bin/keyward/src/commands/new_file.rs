//! A file that a command makes: complete, or not at all, and readable to its owner alone.

use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::exit::Failure;

/// A file that has no name yet. It is removed unless it is [kept](Self::keep).
pub(super) struct NewFile {
    path: PathBuf,
    draft: NamedTempFile,
}

impl NewFile {
    /// A file in the folder where it will be, with mode 0600. One that is there stays as it is.
    pub(super) fn begin(path: &Path) -> Result<Self, Failure> {
        refuse_existing(path)?;
        let draft = tempfile::Builder::new()
            .prefix(".keyward-")
            .tempfile_in(folder_of(path))
            .map_err(|error| unwritable(path, &error))?;
        Ok(Self {
            path: path.to_owned(),
            draft,
        })
    }

    pub(super) fn writer(&self) -> BufWriter<&File> {
        BufWriter::new(self.draft.as_file())
    }

    /// Writes what a writer still holds, to the disk.
    pub(super) fn finish(&self, mut writer: BufWriter<&File>) -> Result<(), Failure> {
        let written = writer.flush().and_then(|()| writer.get_ref().sync_all());
        written.map_err(|error| self.unwritable(&error))
    }

    /// Gives the file its name, and says how long it is.
    pub(super) fn keep(self) -> Result<u64, Failure> {
        let path = self.path;
        let kept = self.draft.persist_noclobber(&path).map_err(|error| {
            if error.error.kind() == ErrorKind::AlreadyExists {
                exists(&path)
            } else {
                unwritable(&path, &error.error)
            }
        })?;
        let folder = File::open(folder_of(&path)).and_then(|folder| folder.sync_all());
        let bytes = folder.and_then(|()| kept.metadata());
        Ok(bytes.map_err(|error| unwritable(&path, &error))?.len())
    }

    pub(super) fn unwritable(&self, error: &io::Error) -> Failure {
        unwritable(&self.path, error)
    }
}

/// Before long work whose result would have no place.
pub(super) fn refuse_existing(path: &Path) -> Result<(), Failure> {
    if fs::symlink_metadata(path).is_ok() {
        return Err(exists(path));
    }
    Ok(())
}

fn exists(path: &Path) -> Failure {
    Failure::refused(format!(
        "{} exists and is not overwritten; choose another name",
        path.display()
    ))
}

fn folder_of(path: &Path) -> &Path {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::unavailable(format!("cannot write {}: {error}", path.display()))
}
