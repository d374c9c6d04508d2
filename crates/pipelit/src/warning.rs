/// What is worth a look although the row was imported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// Pipelit makes administrators of nearly everybody.
    #[error("is an administrator; Pipelit makes too many of them: demote whoever need not be one")]
    Administrator,
    /// May have been deleted.
    #[error(
        "has no active API key, which is how Pipelit deletes users; `keyward user disable` if \
         this one was deleted"
    )]
    NoActiveKey,
    /// More than one key works.
    #[error("has {0} API keys in use at once; revoke those that nobody uses")]
    LiveKeys(usize),
    /// A key works for ever.
    #[error("never expires; rotate it, with an expiry")]
    NoExpiry,
    /// The offset of the expiry is lost.
    #[error("its expiry is read as UTC, because Pipelit loses the offset that was given")]
    ExpiryInUtc,
    /// It was made for an account elsewhere.
    #[error("stands for an account of a messenger, whose id is not kept")]
    ExternalAccount,
    /// Nobody is noted who could answer for it.
    #[error("nobody is noted who made it; the first administrator answers for it")]
    AssumedOwner,
}

impl Warning {
    /// A name that does not change, for scripts.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::NoActiveKey => "no-active-key",
            Self::LiveKeys(_) => "live-keys",
            Self::NoExpiry => "no-expiry",
            Self::ExpiryInUtc => "expiry-in-utc",
            Self::ExternalAccount => "external-account",
            Self::AssumedOwner => "assumed-owner",
        }
    }
}
