use std::sync::Arc;

use keyward_auth::{
    AttemptLimits, AttemptPolicy, AttemptState, LimitSubject, LoginTickets, Reserved,
    SecondFactors, TicketRecord, TotpSecrets, UserId,
};
use keyward_core::{StoreError, Timestamp};
use keyward_crypto::{Mac, Signed, TicketId, TotpStep};

use super::{MemoryTx, insert};

/// The attempts of one subject.
#[derive(Clone)]
pub(crate) struct Attempts {
    pub(crate) account: Option<UserId>,
    pub(crate) state: AttemptState,
    pub(crate) touched_at: Timestamp,
}

/// A ticket and how often it was tried.
#[derive(Clone)]
pub(crate) struct Ticket {
    pub(crate) ticket: Signed<TicketRecord>,
    pub(crate) tries: i64,
}

impl AttemptLimits for MemoryTx {
    fn reserve_attempt(
        &mut self,
        subject: &LimitSubject,
        now: Timestamp,
        policy: &AttemptPolicy,
    ) -> Result<Option<Reserved>, StoreError> {
        if let Some(account) = subject.account() {
            self.require_user(account)?;
        }
        let attempts = Arc::make_mut(&mut self.tables_mut()?.attempts);
        let known = attempts
            .entry(subject.as_str().to_owned())
            .or_insert_with(|| {
                Arc::new(Attempts {
                    account: subject.account(),
                    state: AttemptState::default(),
                    touched_at: now,
                })
            });
        let Some((state, reserved)) = known.state.reserve(now, policy) else {
            return Ok(None);
        };
        let known = Arc::make_mut(known);
        known.state = state;
        known.touched_at = now;
        Ok(Some(reserved))
    }

    fn attempt_succeeded(
        &mut self,
        subject: &LimitSubject,
        reserved: &Reserved,
        step: Option<TotpStep>,
    ) -> Result<bool, StoreError> {
        let attempts = Arc::make_mut(&mut self.tables_mut()?.attempts);
        let Some(known) = attempts.get_mut(subject.as_str()) else {
            return Ok(false);
        };
        let Some(state) = known.state.succeed(reserved, step) else {
            return Ok(false);
        };
        Arc::make_mut(known).state = state;
        Ok(true)
    }

    fn forgive_attempt(
        &mut self,
        subject: &LimitSubject,
        policy: &AttemptPolicy,
    ) -> Result<(), StoreError> {
        let attempts = Arc::make_mut(&mut self.tables_mut()?.attempts);
        if let Some(known) = attempts.get_mut(subject.as_str()) {
            let known = Arc::make_mut(known);
            known.state = known.state.forgive(policy);
        }
        Ok(())
    }

    fn lift_limits(&mut self, account: UserId) -> Result<(), StoreError> {
        let attempts = Arc::make_mut(&mut self.tables_mut()?.attempts);
        for known in attempts
            .values_mut()
            .filter(|known| known.account == Some(account))
        {
            let known = Arc::make_mut(known);
            known.state = known.state.lift();
        }
        Ok(())
    }

    fn attempts(&mut self, subject: &LimitSubject) -> Result<Option<AttemptState>, StoreError> {
        let known = self.tables.attempts.get(subject.as_str());
        Ok(known.map(|known| known.state))
    }

    fn forget_attempts(
        &mut self,
        before: Timestamp,
        now: Timestamp,
        limit: i64,
    ) -> Result<usize, StoreError> {
        let attempts = Arc::make_mut(&mut self.tables_mut()?.attempts);
        let old: Vec<_> = attempts
            .iter()
            .filter(|(subject, known)| {
                !subject.contains(':')
                    && known.touched_at < before
                    && known.state.locked_until <= now.0
            })
            .map(|(subject, _)| subject.clone())
            .take(usize::try_from(limit).unwrap_or(0))
            .collect();
        for subject in &old {
            attempts.remove(subject);
        }
        Ok(old.len())
    }
}

impl SecondFactors for MemoryTx {
    fn totp_secrets(&mut self, user: UserId) -> Result<TotpSecrets, StoreError> {
        let secrets = self.tables.totp_secrets.get(&user);
        Ok(secrets.map_or_else(TotpSecrets::default, |secrets| (**secrets).clone()))
    }

    fn set_totp_secrets(&mut self, user: UserId, secrets: &TotpSecrets) -> Result<(), StoreError> {
        self.require_user(user)?;
        let pending = secrets.pending.as_ref().map(|pending| &pending.secret);
        self.refuse_retired(secrets.active.iter().chain(pending))?;
        let table = Arc::make_mut(&mut self.tables_mut()?.totp_secrets);
        table.insert(user, Arc::new(secrets.clone()));
        Ok(())
    }

    fn recovery_codes(&mut self, user: UserId) -> Result<Vec<Mac>, StoreError> {
        let codes = self.tables.recovery_codes.get(&user);
        Ok(codes.map_or_else(Vec::new, |codes| (**codes).clone()))
    }

    fn set_recovery_codes(&mut self, user: UserId, codes: &[Mac]) -> Result<(), StoreError> {
        self.require_user(user)?;
        self.refuse_retired_secrets(codes)?;
        let table = Arc::make_mut(&mut self.tables_mut()?.recovery_codes);
        table.insert(user, Arc::new(codes.to_vec()));
        Ok(())
    }

    fn use_recovery_code(&mut self, user: UserId, code: &Mac) -> Result<bool, StoreError> {
        let table = Arc::make_mut(&mut self.tables_mut()?.recovery_codes);
        let Some(codes) = table.get_mut(&user) else {
            return Ok(false);
        };
        let codes = Arc::make_mut(codes);
        let place = codes.iter().position(|left| left == code);
        Ok(place.map(|place| codes.remove(place)).is_some())
    }
}

impl LoginTickets for MemoryTx {
    fn add_ticket(&mut self, ticket: &Signed<TicketRecord>) -> Result<(), StoreError> {
        self.require_user(ticket.unverified().user)?;
        let row = Ticket {
            ticket: ticket.clone(),
            tries: 0,
        };
        insert(&mut self.tables_mut()?.tickets, ticket.unverified().id, row)
    }

    fn try_ticket(
        &mut self,
        id: TicketId,
        now: Timestamp,
        at_most: i64,
    ) -> Result<Option<Signed<TicketRecord>>, StoreError> {
        let tickets = Arc::make_mut(&mut self.tables_mut()?.tickets);
        let Some(row) = tickets.get_mut(&id) else {
            return Ok(None);
        };
        if row.ticket.unverified().expires_at <= now || row.tries >= at_most {
            return Ok(None);
        }
        let row = Arc::make_mut(row);
        row.tries += 1;
        Ok(Some(row.ticket.clone()))
    }

    fn ticket_to_try(
        &mut self,
        id: TicketId,
        now: Timestamp,
        at_most: i64,
    ) -> Result<Option<Signed<TicketRecord>>, StoreError> {
        let row = self.tables.tickets.get(&id);
        let row = row.filter(|row| row.ticket.unverified().expires_at > now && row.tries < at_most);
        Ok(row.map(|row| row.ticket.clone()))
    }

    fn use_ticket(&mut self, id: TicketId) -> Result<bool, StoreError> {
        Ok(Arc::make_mut(&mut self.tables_mut()?.tickets)
            .remove(&id)
            .is_some())
    }

    fn void_tickets(&mut self, user: UserId) -> Result<(), StoreError> {
        Arc::make_mut(&mut self.tables_mut()?.tickets)
            .retain(|_, row| row.ticket.unverified().user != user);
        Ok(())
    }

    fn forget_tickets(&mut self, before: Timestamp) -> Result<(), StoreError> {
        Arc::make_mut(&mut self.tables_mut()?.tickets)
            .retain(|_, row| row.ticket.unverified().expires_at >= before);
        Ok(())
    }
}
