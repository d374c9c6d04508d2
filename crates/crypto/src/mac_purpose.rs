/// Declares the purposes, so that none can be left out of [`MacPurpose::ALL`]: what is kept per
/// purpose is looked up by its place there.
macro_rules! purposes {
    ($($(#[doc = $doc:literal])+ $purpose:ident = $name:literal,)+) => {
        /// What a MAC is for. Each purpose has its own key, so that a MAC made for one is never
        /// taken for another.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum MacPurpose {
            $($(#[doc = $doc])+ $purpose,)+
        }

        impl MacPurpose {
            /// Every purpose, in the order of declaration.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$purpose),+];

            /// The end of the `info` that this purpose's key is derived with.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$purpose => $name,)+
                }
            }
        }
    };
}

// Changing a name voids the MACs of its purpose.
purposes! {
    /// The secret of an API key.
    ApiKey = "api-key",
    /// The row of an API key: owner, scopes, expiry, state.
    ApiKeyRow = "api-key-row",
    /// The row of a user.
    UserRow = "user-row",
    /// The row of a credential.
    CredentialRow = "credential-row",
    /// One event of the audit log, chained to the one before.
    AuditEvent = "audit-event",
    /// The end of the audit log, so that cutting it off shows.
    AuditHead = "audit-head",
    /// A request that is repeated under an `Idempotency-Key`.
    IdempotentRequest = "idempotent-request",
    /// A recovery code of a user.
    RecoveryCode = "recovery-code",
    /// The secret of a login ticket.
    LoginTicket = "login-ticket",
    /// Whom or what a limit counts, so that its table tells neither names nor addresses.
    LimitSubject = "limit-subject",
    /// The row of a user's TOTP secret.
    TotpRow = "totp-row",
    /// The row of a login ticket.
    LoginTicketRow = "login-ticket-row",
    /// The row of an agent: creator, lineage, whether it is frozen.
    AgentRow = "agent-row",
    /// What nodes tell each other about, so that whoever passes it on learns nothing.
    Advice = "advice",
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_purposes_share_a_name() {
        let names: HashSet<_> = MacPurpose::ALL.map(MacPurpose::name).into();
        assert_eq!(names.len(), MacPurpose::ALL.len());
    }

    #[test]
    fn every_purpose_stands_at_its_own_place() {
        for (place, purpose) in MacPurpose::ALL.into_iter().enumerate() {
            assert_eq!(purpose as usize, place);
        }
    }
}
