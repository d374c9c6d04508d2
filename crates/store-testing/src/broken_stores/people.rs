use std::sync::Arc;

use keyward_auth::{
    AttemptLimits, AttemptPolicy, AttemptState, LimitSubject, LoginTickets, Reserved,
    SecondFactors, TicketRecord, TotpSecrets, UserId,
};
use keyward_core::{StoreError, Timestamp};
use keyward_crypto::{Mac, Signed, TicketId, TotpStep};

use super::{BrokenTx, Fault, assert_found};
use crate::contract::{people, rows};

impl AttemptLimits for BrokenTx {
    fn reserve_attempt(
        &mut self,
        subject: &LimitSubject,
        now: Timestamp,
        policy: &AttemptPolicy,
    ) -> Result<Option<Reserved>, StoreError> {
        if self.fault == Fault::NewBudgetEachTime {
            Arc::make_mut(&mut self.inner.tables.attempts).remove(subject.as_str());
        }
        self.inner.reserve_attempt(subject, now, policy)
    }

    fn attempt_succeeded(
        &mut self,
        subject: &LimitSubject,
        reserved: &Reserved,
        step: Option<TotpStep>,
    ) -> Result<bool, StoreError> {
        if self.fault == Fault::AcceptsUsedSteps {
            let attempts = Arc::make_mut(&mut self.inner.tables.attempts);
            if let Some(known) = attempts.get_mut(subject.as_str()) {
                Arc::make_mut(known).state.last_step = i64::MIN;
            }
        }
        self.inner.attempt_succeeded(subject, reserved, step)
    }

    fn forgive_attempt(&mut self, subject: &LimitSubject) -> Result<(), StoreError> {
        self.inner.forgive_attempt(subject)
    }

    fn lift_limits(&mut self, account: UserId) -> Result<(), StoreError> {
        if self.fault == Fault::LiftsForEverybody {
            for known in Arc::make_mut(&mut self.inner.tables.attempts).values_mut() {
                let known = Arc::make_mut(known);
                known.state = known.state.lift();
            }
        }
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
        if self.fault == Fault::ForgetsFactors {
            let attempts = Arc::make_mut(&mut self.inner.tables.attempts);
            attempts.retain(|_, known| known.touched_at >= before);
        }
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
        let worked = self.inner.use_recovery_code(user, code)?;
        if worked && self.fault == Fault::KeepsUsedCodes {
            let mut codes = self.inner.recovery_codes(user)?;
            codes.push(code.clone());
            self.inner.set_recovery_codes(user, &codes)?;
        }
        Ok(worked)
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
        let at_most = if self.fault == Fault::UncountedTries {
            i64::MAX
        } else {
            at_most
        };
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

#[test]
fn attempts_that_are_looked_up_before_they_are_counted_are_found() {
    assert_found(Fault::ReadThenWrite, "reserve_attempt: of", |store| {
        let user = rows::added_user(store);
        people::of_racing_attempts_as_many_are_reserved_as_allowed(store, user);
    });
    assert_found(Fault::ReadThenWrite, "attempt_succeeded: of", |store| {
        let user = rows::added_user(store);
        people::of_racing_successes_with_one_step_one_is_written(store, user);
    });
    assert_found(Fault::ReadThenWrite, "use_recovery_code: of", |store| {
        let user = rows::added_user(store);
        people::of_racing_uses_of_a_recovery_code_one_succeeds(store, user);
    });
    assert_found(Fault::ReadThenWrite, "try_ticket: of", |store| {
        let user = rows::added_user(store);
        people::of_racing_tries_of_a_ticket_as_many_succeed_as_allowed(store, user);
    });
    assert_found(Fault::ReadThenWrite, "use_ticket: of", |store| {
        let user = rows::added_user(store);
        people::of_racing_uses_of_a_ticket_one_succeeds(store, user);
    });
}

#[test]
fn a_budget_that_begins_anew_is_found() {
    assert_found(Fault::NewBudgetEachTime, "of the rules", |store| {
        let user = rows::added_user(store);
        people::attempts_are_counted_by_the_rules(store, user);
    });
}

#[test]
fn a_step_that_is_accepted_twice_is_found() {
    assert_found(Fault::AcceptsUsedSteps, "attempt_succeeded: of", |store| {
        let user = rows::added_user(store);
        people::of_racing_successes_with_one_step_one_is_written(store, user);
    });
}

#[test]
fn limits_that_are_lifted_for_everybody_are_found() {
    assert_found(Fault::LiftsForEverybody, "of one account", |store| {
        let (user, other) = (rows::added_user(store), rows::added_user(store));
        people::limits_are_lifted_for_one_account(store, user, other);
    });
}

#[test]
fn a_forgotten_count_of_a_factor_is_found() {
    assert_found(Fault::ForgetsFactors, "forget_attempts dropped", |store| {
        let user = rows::added_user(store);
        people::counts_of_factors_are_never_forgotten(store, user);
    });
}

#[test]
fn a_recovery_code_that_stays_is_found() {
    assert_found(Fault::KeepsUsedCodes, "each code works once", |store| {
        let (user, other) = (rows::added_user(store), rows::added_user(store));
        people::a_recovery_code_is_there_once(store, user, other);
    });
}

#[test]
fn a_ticket_with_tries_without_end_is_found() {
    assert_found(Fault::UncountedTries, "try_ticket: of", |store| {
        let user = rows::added_user(store);
        people::of_racing_tries_of_a_ticket_as_many_succeed_as_allowed(store, user);
    });
}
