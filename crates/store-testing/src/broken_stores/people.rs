use keyward_auth::{
    AttemptLimits, AttemptPolicy, AttemptState, LimitSubject, LoginTickets, Reserved,
    SecondFactors, TicketRecord, TotpSecrets, UserId,
};
use keyward_core::{StoreError, Timestamp};
use keyward_crypto::{Mac, Signed, TicketId, TotpStep};

use super::BrokenTx;

impl AttemptLimits for BrokenTx {
    fn reserve_attempt(
        &mut self,
        subject: &LimitSubject,
        now: Timestamp,
        policy: &AttemptPolicy,
    ) -> Result<Option<Reserved>, StoreError> {
        self.inner.reserve_attempt(subject, now, policy)
    }

    fn attempt_succeeded(
        &mut self,
        subject: &LimitSubject,
        reserved: &Reserved,
        step: Option<TotpStep>,
    ) -> Result<bool, StoreError> {
        self.inner.attempt_succeeded(subject, reserved, step)
    }

    fn forgive_attempt(&mut self, subject: &LimitSubject) -> Result<(), StoreError> {
        self.inner.forgive_attempt(subject)
    }

    fn lift_limits(&mut self, account: UserId) -> Result<(), StoreError> {
        self.inner.lift_limits(account)
    }

    fn attempts(&mut self, subject: &LimitSubject) -> Result<Option<AttemptState>, StoreError> {
        self.inner.attempts(subject)
    }

    fn forget_attempts(
        &mut self,
        before: Timestamp,
        now: Timestamp,
        limit: i64,
    ) -> Result<usize, StoreError> {
        self.inner.forget_attempts(before, now, limit)
    }
}

impl SecondFactors for BrokenTx {
    fn totp_secrets(&mut self, user: UserId) -> Result<TotpSecrets, StoreError> {
        self.inner.totp_secrets(user)
    }

    fn set_totp_secrets(&mut self, user: UserId, secrets: &TotpSecrets) -> Result<(), StoreError> {
        self.inner.set_totp_secrets(user, secrets)
    }

    fn recovery_codes(&mut self, user: UserId) -> Result<Vec<Mac>, StoreError> {
        self.inner.recovery_codes(user)
    }

    fn set_recovery_codes(&mut self, user: UserId, codes: &[Mac]) -> Result<(), StoreError> {
        self.inner.set_recovery_codes(user, codes)
    }

    fn use_recovery_code(&mut self, user: UserId, code: &Mac) -> Result<bool, StoreError> {
        self.inner.use_recovery_code(user, code)
    }
}

impl LoginTickets for BrokenTx {
    fn add_ticket(&mut self, ticket: &Signed<TicketRecord>) -> Result<(), StoreError> {
        self.inner.add_ticket(ticket)
    }

    fn try_ticket(
        &mut self,
        id: TicketId,
        now: Timestamp,
        at_most: i64,
    ) -> Result<Option<Signed<TicketRecord>>, StoreError> {
        self.inner.try_ticket(id, now, at_most)
    }

    fn use_ticket(&mut self, id: TicketId) -> Result<bool, StoreError> {
        self.inner.use_ticket(id)
    }

    fn void_tickets(&mut self, user: UserId) -> Result<(), StoreError> {
        self.inner.void_tickets(user)
    }

    fn forget_tickets(&mut self, before: Timestamp) -> Result<(), StoreError> {
        self.inner.forget_tickets(before)
    }
}
