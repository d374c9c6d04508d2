//! Files with secrets, and who may read them.

use std::fs::{DirBuilder, File, Metadata};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use keyward_crypto::SecretText;
use zeroize::Zeroizing;

/// Who may have access to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Its owner alone.
    Owner,
    /// Anyone: that is judged elsewhere, or does not matter.
    Any,
}

/// Reads a secret from a file, without the line break at its end.
///
/// Symbolic links are followed; what counts are the permissions of the file at their end.
pub(crate) fn read_secret(path: &Path, readers: Readers) -> Result<SecretText, SecretFileError> {
    let failed = |source| SecretFileError::from_io(path, source);
    // Opening a pipe would wait for its writer.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(SecretFileError::NotAFile {
            path: path.to_owned(),
        });
    }
    let file = File::open(path).map_err(failed)?;
    // Of the open file: the path may lead elsewhere by now.
    let metadata = file.metadata().map_err(failed)?;
    if readers == Readers::Owner && is_exposed_key(path, &metadata) {
        return Err(SecretFileError::Exposed {
            path: path.to_owned(),
            mode: permission_bits(&metadata),
        });
    }

    // With all room made beforehand, the buffer does not move and leave copies behind.
    let mut bytes = Zeroizing::new(vec![0; MAX_BYTES + 1]);
    let length = read_to_end(file, &mut bytes).map_err(failed)?;
    let bytes = bytes.get(..length).filter(|bytes| bytes.len() <= MAX_BYTES);
    let text = bytes
        .and_then(|bytes| std::str::from_utf8(bytes).ok())
        .ok_or_else(|| SecretFileError::NotText {
            path: path.to_owned(),
        })?
        .trim_end_matches(['\r', '\n']);
    if text.trim().is_empty() {
        return Err(SecretFileError::Empty {
            path: path.to_owned(),
        });
    }
    Ok(SecretText::new(text.to_owned()))
}

/// Writes the parts of a text to `path`, if nothing is there, and says whether it did.
///
/// The file appears complete or not at all, with mode 0600, and survives a crash of the machine
/// from the moment this returns. Missing directories are created with mode 0700.
pub(crate) fn create(path: &Path, parts: &[&str]) -> io::Result<bool> {
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;

    // Created with O_EXCL, a random name and mode 0600; removed when dropped.
    let mut draft = tempfile::NamedTempFile::new_in(directory)?;
    for part in parts {
        draft.write_all(part.as_bytes())?;
    }
    draft.as_file().sync_all()?;
    let is_created = match draft.persist_noclobber(path) {
        Ok(_) => true,
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => false,
        Err(error) => return Err(error.error),
    };
    // Who came second, too: the first may not have come that far, and both go on.
    File::open(directory)?.sync_all()?;
    Ok(is_created)
}

/// Whether somebody else may do anything with this file, which holds a key.
///
/// Below the directory of credentials that a service manager makes for one service, a group may
/// read: systemd gives the service its access there by an ACL, which shows as that of the group.
pub(crate) fn is_exposed_key(path: &Path, metadata: &Metadata) -> bool {
    let credentials = std::env::var_os(CREDENTIALS).map(PathBuf::from);
    is_exposed_beside(credentials.as_deref(), path, metadata)
}

fn is_exposed_beside(credentials: Option<&Path>, path: &Path, metadata: &Metadata) -> bool {
    let is_handed_over = credentials.is_some_and(|folder| {
        folder.is_absolute()
            && path.parent() == Some(folder)
            && std::fs::metadata(folder).is_ok_and(|folder| !is_open_to_others(&folder))
    });
    if is_handed_over {
        is_open_to_others(metadata)
    } else {
        is_exposed(metadata)
    }
}

/// Whether group or others may do anything with this file or directory.
pub(crate) fn is_exposed(metadata: &Metadata) -> bool {
    permission_bits(metadata) & 0o077 != 0
}

/// Whether others, or a group by writing, may do anything with this file. A group may read it: that is
/// how certificates are shared with the service that needs them.
pub(crate) fn is_open_to_others(metadata: &Metadata) -> bool {
    permission_bits(metadata) & 0o027 != 0
}

/// The permissions as `chmod` takes them.
pub(crate) fn permission_bits(metadata: &Metadata) -> u32 {
    metadata.permissions().mode() & 0o7777
}

/// Why a secret was not read from a file. Nothing of the content is in it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretFileError {
    #[error("the file {} does not exist", path.display())]
    Missing { path: PathBuf },
    #[error("{} is not a regular file", path.display())]
    NotAFile { path: PathBuf },
    #[error(
        "the file {} can be accessed by other users (mode {mode:04o}); \
         run `chmod 600 {}`",
        path.display(),
        path.display()
    )]
    Exposed { path: PathBuf, mode: u32 },
    #[error("the file {} cannot be read: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("the file {} is empty", path.display())]
    Empty { path: PathBuf },
    #[error("the file {} is not a short text in UTF-8", path.display())]
    NotText { path: PathBuf },
}

impl SecretFileError {
    fn from_io(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        if source.kind() == ErrorKind::NotFound {
            Self::Missing { path }
        } else {
            Self::Unreadable { path, source }
        }
    }
}

/// Fills `buffer` as far as the file reaches, and says how far that is.
fn read_to_end(mut file: File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    loop {
        let Some(rest) = buffer.get_mut(length..).filter(|rest| !rest.is_empty()) else {
            return Ok(length);
        };
        match file.read(rest) {
            Ok(0) => return Ok(length),
            Ok(read) => length += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Set by systemd for a unit with `LoadCredential=`.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";
/// Room for hundreds of keys; more is the wrong file.
const MAX_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::symlink;

    use super::*;

    fn file(mode: u32, content: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("some.key");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        (dir, path)
    }

    #[test]
    fn line_breaks_at_the_end_are_dropped() {
        let (_dir, path) = file(0o600, b" a secret \r\n\n");
        let secret = read_secret(&path, Readers::Owner).unwrap();
        assert_eq!(secret.expose(), " a secret ");
    }

    #[test]
    fn any_permission_of_group_or_others_is_refused() {
        for mode in [0o640, 0o604, 0o620, 0o601, 0o644, 0o666] {
            let (_dir, path) = file(mode, b"content-of-the-file");
            let error = read_secret(&path, Readers::Owner).unwrap_err().to_string();
            assert!(
                error.contains(&format!("`chmod 600 {}`", path.display())),
                "{error}"
            );
            assert!(error.contains(&format!("{mode:04o}")), "{error}");
            assert!(!error.contains("content"), "{error}");
            assert!(read_secret(&path, Readers::Any).is_ok());
        }
        for mode in [0o600, 0o400] {
            let (_dir, path) = file(mode, b"content");
            assert!(read_secret(&path, Readers::Owner).is_ok());
        }
    }

    #[test]
    fn a_group_may_read_what_a_service_manager_hands_over_and_nothing_else() {
        let (dir, path) = file(0o440, b"content");
        let is_exposed = |folder: Option<&Path>, mode| {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            is_exposed_beside(folder, &path, &fs::metadata(&path).unwrap())
        };
        let (folder, elsewhere) = (dir.path(), tempfile::tempdir().unwrap());
        fs::set_permissions(folder, Permissions::from_mode(0o750)).unwrap();
        for (mode, here, there) in [
            (0o400, false, false),
            (0o440, false, true),
            (0o460, true, true),
            (0o444, true, true),
        ] {
            assert_eq!(is_exposed(Some(folder), mode), here, "{mode:o}");
            assert_eq!(is_exposed(None, mode), there, "{mode:o}");
            assert_eq!(is_exposed(Some(elsewhere.path()), mode), there, "{mode:o}");
        }
        fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
        assert!(is_exposed(Some(folder), 0o440), "everybody gets there");
    }

    #[test]
    fn a_link_has_the_permissions_of_its_target() {
        let (dir, path) = file(0o644, b"content");
        let link = dir.path().join("link");
        symlink(&path, &link).unwrap();
        let error = read_secret(&link, Readers::Owner).unwrap_err();
        assert!(matches!(error, SecretFileError::Exposed { .. }), "{error}");

        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        assert!(read_secret(&link, Readers::Owner).is_ok());
    }

    #[test]
    fn a_directory_a_missing_and_an_empty_file_are_refused() {
        let (dir, path) = file(0o600, b"\n");
        let read = |path: &Path| read_secret(path, Readers::Owner).unwrap_err();
        assert!(matches!(read(dir.path()), SecretFileError::NotAFile { .. }));
        assert!(matches!(
            read(Path::new("/dev/null")),
            SecretFileError::NotAFile { .. }
        ));
        assert!(matches!(
            read(&dir.path().join("no")),
            SecretFileError::Missing { .. }
        ));
        assert!(matches!(read(&path), SecretFileError::Empty { .. }));
    }

    #[test]
    fn only_a_short_text_is_a_secret() {
        let (_dir, path) = file(0o600, &vec![b'x'; MAX_BYTES]);
        assert_eq!(read_secret(&path, Readers::Owner).unwrap().len(), MAX_BYTES);
        for content in [vec![b'x'; MAX_BYTES + 1], vec![0xff, 0xfe]] {
            let (_dir, path) = file(0o600, &content);
            let error = read_secret(&path, Readers::Owner).unwrap_err();
            assert!(matches!(error, SecretFileError::NotText { .. }), "{error}");
        }
    }
}
