/// What a MAC is for. Each purpose has its own key, so that a MAC made for one is never taken for
/// another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MacPurpose {
    /// The secret of an API key.
    ApiKey,
    /// The row of an API key: owner, scopes, expiry, state.
    ApiKeyRow,
    /// The row of a user.
    UserRow,
    /// The row of a credential.
    CredentialRow,
    /// One event of the audit log, chained to the one before.
    AuditEvent,
    /// The end of the audit log, so that cutting it off shows.
    AuditHead,
    /// A request that is repeated under an `Idempotency-Key`.
    IdempotentRequest,
}

impl MacPurpose {
    /// The end of the `info` that this purpose's key is derived with. Changing one voids its MACs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ApiKey => "api-key",
            Self::ApiKeyRow => "api-key-row",
            Self::UserRow => "user-row",
            Self::CredentialRow => "credential-row",
            Self::AuditEvent => "audit-event",
            Self::AuditHead => "audit-head",
            Self::IdempotentRequest => "idempotent-request",
        }
    }
}
