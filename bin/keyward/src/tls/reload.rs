use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::identity::Identity;
use crate::background::Background;
use crate::settings::TlsFiles;

/// The certificate for the next connection. Those that are open keep what they began with.
#[derive(Debug)]
pub(super) struct Current(RwLock<Arc<CertifiedKey>>);

impl Current {
    pub(super) fn new(identity: Identity) -> Self {
        Self(RwLock::new(Arc::new(identity.key)))
    }

    fn get(&self) -> Arc<CertifiedKey> {
        // A pointer is whole whatever happened while it was held.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, identity: Identity) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(identity.key);
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.get())
    }
}

/// Looks at the files now and then, and takes what they hold when they have changed and are good.
pub(super) fn watch(files: TlsFiles, current: Arc<Current>) -> Background {
    let mut watched = Watched {
        seen: marks(&files),
        files,
        current,
    };
    Background::start(move |pauses| {
        while pauses.go_on_after(EVERY) {
            watched.look();
        }
    })
}

struct Watched {
    files: TlsFiles,
    current: Arc<Current>,
    /// How the files were when they were read last, good or not.
    seen: Marks,
}

impl Watched {
    fn look(&mut self) {
        let now = marks(&self.files);
        if now == self.seen {
            return;
        }
        self.seen = now;
        match Identity::load(&self.files) {
            Ok(identity) => {
                tracing::info!(valid_until = %identity.not_after, "read the TLS certificate anew");
                self.current.set(identity);
            }
            // While both are replaced one of them is the old one for a moment.
            Err(error) => tracing::warn!(
                %error,
                "the TLS files cannot be used as they are; going on with those of before"
            ),
        }
    }
}

type Marks = [Option<(u64, i64, i64, u64)>; 2];

fn marks(files: &TlsFiles) -> Marks {
    [mark(&files.certificates), mark(&files.key)]
}

/// What changes when a file is replaced or written.
fn mark(path: &Path) -> Option<(u64, i64, i64, u64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((
        metadata.ino(),
        metadata.mtime(),
        metadata.mtime_nsec(),
        metadata.len(),
    ))
}

const EVERY: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::super::identity::tests::files;
    use super::*;

    #[test]
    fn changed_files_are_taken_when_they_are_good_and_only_then() {
        let (folder, newer) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let files_here = files(&folder);
        let current = Arc::new(Current::new(Identity::load(&files_here).unwrap()));
        let mut watched = Watched {
            seen: marks(&files_here),
            files: files_here.clone(),
            current: Arc::clone(&current),
        };
        let first = current.get();
        watched.look();
        assert!(Arc::ptr_eq(&first, &current.get()), "nothing changed");

        let newer = files(&newer);
        fs::copy(&newer.certificates, &files_here.certificates).unwrap();
        watched.look();
        assert!(Arc::ptr_eq(&first, &current.get()), "half of a change");

        fs::copy(&newer.key, &files_here.key).unwrap();
        watched.look();
        assert_ne!(first.cert, current.get().cert);
    }
}
