use keyward_core::{StoreError, Timestamp};
use keyward_crypto::{Context, EncryptedString, Mac, MacPurpose, Signable, Signed, TicketId};

use crate::UserId;

/// The secrets of a person's authenticator app, sealed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TotpSecrets {
    /// The one that is in use.
    pub active: Option<EncryptedString>,
    /// The one that waits for its first code.
    pub pending: Option<PendingTotp>,
}

/// A secret that was shown and waits for its first code.
#[derive(Clone, Debug, PartialEq)]
pub struct PendingTotp {
    /// The secret, sealed.
    pub secret: EncryptedString,
    /// From when on it is refused.
    pub expires_at: Timestamp,
}

/// The columns that hold a secret. Each is sealed for its own place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TotpColumn {
    /// That of [`TotpSecrets::active`].
    Active,
    /// That of [`TotpSecrets::pending`].
    Pending,
}

impl TotpColumn {
    /// The place that a person's or an agent's secret is sealed for.
    #[must_use]
    pub fn context(self, user: UserId) -> Context {
        let column = match self {
            Self::Active => "active",
            Self::Pending => "pending",
        };
        let user = user.to_string();
        Context::new("totp_secrets", column, &user, &user)
    }
}

/// Second factors of people, inside a unit of work.
pub trait SecondFactors {
    /// The secrets of a person's authenticator app.
    fn totp_secrets(&mut self, user: UserId) -> Result<TotpSecrets, StoreError>;

    /// Writes them, all at once.
    fn set_totp_secrets(&mut self, user: UserId, secrets: &TotpSecrets) -> Result<(), StoreError>;

    /// The recovery codes that are left, as their MACs, in any order.
    fn recovery_codes(&mut self, user: UserId) -> Result<Vec<Mac>, StoreError>;

    /// Replaces all recovery codes.
    fn set_recovery_codes(&mut self, user: UserId, codes: &[Mac]) -> Result<(), StoreError>;

    /// Takes one recovery code out, and says whether it was there. Of racing calls with one code
    /// one gets `true`.
    fn use_recovery_code(&mut self, user: UserId, code: &Mac) -> Result<bool, StoreError>;
}

/// What is kept of a ticket between the two steps of a login.
#[derive(Clone, Debug, PartialEq)]
pub struct TicketRecord {
    /// Its public part.
    pub id: TicketId,
    /// The only trace of its secret part.
    pub ticket_mac: Mac,
    /// Whose password was right.
    pub user: UserId,
    /// From when on it is refused.
    pub expires_at: Timestamp,
}

impl Signable for TicketRecord {
    const PURPOSE: MacPurpose = MacPurpose::LoginTicketRow;

    fn with_parts<R>(&self, work: impl FnOnce(&[&[u8]]) -> R) -> R {
        work(&[
            self.id.as_str().as_bytes(),
            self.ticket_mac.as_bytes(),
            self.user.as_bytes(),
            &self.expires_at.0.to_be_bytes(),
        ])
    }
}

/// Tickets of logins that have begun, inside a unit of work.
pub trait LoginTickets {
    /// Keeps a ticket.
    fn add_ticket(&mut self, ticket: &Signed<TicketRecord>) -> Result<(), StoreError>;

    /// Counts a try of a ticket in one statement and gives it back; `None` when there is no such
    /// ticket, it has ended, or it was tried `at_most` times before.
    ///
    /// Of any number of racing calls exactly `at_most` get it.
    fn try_ticket(
        &mut self,
        id: TicketId,
        now: Timestamp,
        at_most: i64,
    ) -> Result<Option<Signed<TicketRecord>>, StoreError>;

    /// The ticket that [`try_ticket`](Self::try_ticket) would give back now, without counting a try.
    fn ticket_to_try(
        &mut self,
        id: TicketId,
        now: Timestamp,
        at_most: i64,
    ) -> Result<Option<Signed<TicketRecord>>, StoreError>;

    /// Takes a ticket out, and says whether it was there. Of racing calls one gets `true`.
    fn use_ticket(&mut self, id: TicketId) -> Result<bool, StoreError>;

    /// Takes all tickets of a user out.
    fn void_tickets(&mut self, user: UserId) -> Result<(), StoreError>;

    /// Drops tickets that ended before `before`. Those that another unit of work holds may stay for
    /// the next time.
    fn forget_tickets(&mut self, before: Timestamp) -> Result<(), StoreError>;
}
