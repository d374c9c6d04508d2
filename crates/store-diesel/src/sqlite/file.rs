use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};

/// Creates an empty file that only its owner can read, unless there is one. SQLite gives the files
/// beside it (`-wal`, `-shm`) the same mode.
pub(crate) fn create_private(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Opens an existing file for reading and writing.
pub(crate) fn open_uri(path: &Path) -> String {
    uri(path, "mode=rw")
}

/// Opens an existing file so that not a byte of it changes; `None` when there is no file.
///
/// Nobody has the file open when nothing lies beside it. Then it is opened as `immutable`, because
/// even a read-only connection would create the files beside it. Otherwise it is in use, or its
/// last user has crashed: what lies beside it belongs to its content and must be read too, through
/// the shared memory that is there.
pub(crate) fn inspection_uri(path: &Path) -> io::Result<Option<String>> {
    if !path.try_exists()? {
        return Ok(None);
    }
    let beside = |suffix| -> io::Result<bool> { sibling(path, suffix).try_exists() };
    let how = if !beside("-wal")? && !beside("-journal")? {
        "mode=ro&immutable=1"
    } else if beside("-shm")? {
        "mode=ro&readonly_shm=1"
    } else {
        "mode=ro"
    };
    Ok(Some(uri(path, how)))
}

fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// A URI as SQLite reads it (<https://www.sqlite.org/uri.html>).
fn uri(path: &Path, query: &str) -> String {
    let mut uri = String::from("file:");
    // Two slashes at the beginning would make the first name a host.
    if path.is_absolute() {
        uri.push_str("//");
    }
    for byte in path.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-".contains(byte) {
            uri.push(char::from(*byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri.push('?');
    uri.push_str(query);
    uri
}
