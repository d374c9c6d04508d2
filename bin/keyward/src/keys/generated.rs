//! Keeping a generated key on disk, once.

use std::io;
use std::path::Path;

use keyward_crypto::SecretText;

use crate::private_path;

/// Whose key is at the path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kept {
    Mine,
    /// A file was there already, complete and on disk.
    Theirs,
}

/// Writes `key` to `path`, if nothing is there, for its owner alone.
pub(super) fn keep(path: &Path, key: &SecretText) -> io::Result<Kept> {
    Ok(if private_path::create(path, &[key.expose(), "\n"])? {
        Kept::Mine
    } else {
        Kept::Theirs
    })
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
