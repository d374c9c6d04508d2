use keyward_auth::Denied;
use keyward_core::StoreError;

/// Why a key was not moved on, or re-encryption not started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncryptionError {
    /// The storage knows no key of this id.
    #[error("there is no key of this id")]
    UnknownKey,
    /// This process does not hold the key.
    #[error("this process does not hold the key")]
    NotHeld,
    /// Other nodes do not hold the key: what is sealed under it they could not open.
    #[error("{} of the nodes that serve do not hold the key: {}", .0.len(), .0.join(", "))]
    NotEverywhere(Vec<String>),
    /// The key was retired. A retired key never comes back.
    #[error("the key is retired")]
    Retired,
    /// The key is active.
    #[error("the key is active")]
    Active,
    /// Values are sealed under the key, or rows signed by it.
    #[error("{0} values are sealed under the key or rows signed by it")]
    InUse(u64),
    /// Nodes still sign with the secret: they have not noticed yet that another one is active.
    #[error("{} of the nodes that serve still sign with the secret: {}", .0.len(), .0.join(", "))]
    StillSigning(Vec<String>),
    /// API keys and recovery codes were made with the secret and not used since.
    #[error("{keys} API keys and {codes} recovery codes need the secret")]
    Unused {
        /// API keys that work and were not used since another secret is active.
        keys: u64,
        /// Recovery codes.
        codes: u64,
    },
    /// No encryption key is active.
    #[error("no encryption key is active")]
    NoneActive,
    /// Re-encryption does not run.
    #[error("re-encryption does not run")]
    NotRunning,
    /// The caller may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
