//! Keeping a generated key or identity on disk, once.

use std::fs::{DirBuilder, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use keyward_crypto::SecretText;

/// Whose key is at the path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    Mine,
    /// A file was there already, complete and on disk.
    Theirs,
}

/// Writes `key` to `path`, if nothing is there.
///
/// The file appears complete or not at all, with mode 0600, and survives a crash of the machine
/// from the moment this returns. Missing directories are created with mode 0700.
pub(crate) fn keep(path: &Path, key: &SecretText) -> io::Result<Kept> {
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
    draft.write_all(key.expose().as_bytes())?;
    draft.write_all(b"\n")?;
    draft.as_file().sync_all()?;
    let kept = match draft.persist_noclobber(path) {
        Ok(_) => Kept::Mine,
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => Kept::Theirs,
        Err(error) => return Err(error.error),
    };
    // The loser too: the winner may not have come that far, and both go on to write rows.
    File::open(directory)?.sync_all()?;
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    #[test]
    fn a_kept_key_belongs_to_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/some.key");
        assert_eq!(
            keep(&path, &SecretText::new("mine".to_owned())).unwrap(),
            Kept::Mine
        );

        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine\n");
    }

    #[test]
    fn of_many_writers_one_wins_and_nothing_else_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("some.key");
        let start = Barrier::new(8);
        let winners: Vec<String> = thread::scope(|scope| {
            let writers: Vec<_> = (0..8)
                .map(|number| {
                    let (path, start) = (&path, &start);
                    scope.spawn(move || {
                        let key = format!("key {number}");
                        start.wait();
                        let kept = keep(path, &SecretText::new(key.clone())).unwrap();
                        (kept == Kept::Mine).then_some(key)
                    })
                })
                .collect();
            writers
                .into_iter()
                .filter_map(|writer| writer.join().unwrap())
                .collect()
        });
        assert_eq!(winners.len(), 1);
        assert_eq!(std::fs::read_to_string(&path).unwrap().trim(), winners[0]);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
