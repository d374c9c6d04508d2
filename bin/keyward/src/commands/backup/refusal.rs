use keyward_backup::{
    ArchiveError, CreateError, LoadError, RebuildError, RestoreError, VerifyError,
};
use keyward_core::with_causes;

use crate::exit::Failure;
use crate::wiring::broken;

/// Why there is no backup, and what to do.
pub(super) fn no_backup(error: &CreateError) -> Failure {
    broken(error)
}

/// Why a backup could not be verified, and what to do.
pub(super) fn not_verified(error: &VerifyError) -> Failure {
    match error {
        VerifyError::Load(error) => not_loaded(error),
        error => broken(error),
    }
}

/// Why nothing was restored, and what to do.
pub(super) fn not_restored(error: &RestoreError) -> Failure {
    match error {
        RestoreError::Occupied => Failure::refused(
            "the database of DATABASE_URL has users, and nothing was changed; restore into an \
             empty one, or make a backup of what is there and add --replace",
        ),
        RestoreError::Serving(nodes) => Failure::refused(format!(
            "these nodes serve the database, and nothing was changed: {}. Stop them first (one \
             that was killed is forgotten after 30 seconds)",
            nodes.join(", ")
        )),
        RestoreError::OtherBackup => Failure::refused(
            "the backup was changed while it was verified, and nothing was restored; copy it to a \
             place where nobody changes it, and do this again",
        ),
        RestoreError::Findings(_) => Failure::refused(
            "the backup does not verify, and nothing was restored; use another one",
        ),
        RestoreError::Load(error) => not_loaded(error),
        error => broken(error),
    }
}

fn not_loaded(error: &LoadError) -> Failure {
    match error {
        LoadError::Archive(ArchiveError::Io(_)) | LoadError::Store(_) => broken(error),
        LoadError::Rebuild(RebuildError::Store(error)) => broken(error),
        LoadError::Rebuild(error) => Failure::refused(with_causes(error)),
        LoadError::Keys(error) => Failure::configuration(error),
        error => Failure::refused(error),
    }
}
