use std::sync::Arc;

use keyward_auth::{
    AttemptLimits, AttemptPolicy, AttemptState, LimitSubject, LoginTickets, Reserved,
    SecondFactors, TicketRecord, TotpSecrets, UserId,
};
use keyward_core::{StoreError, Timestamp};
use keyward_crypto::{Mac, Signed, TicketId, TotpStep};

use super::{BrokenStore, BrokenTx, assert_found};
use crate::contract::{attempts, factors, rows, tickets};

/// What is wrong with attempts, second factors or tickets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fault {
    /// Every attempt opens a window of its own.
    ForgetsTheWindow,
    ForgetsTheEnd,
    /// Attempts that are refused are counted.
    CountsRefusals,
    /// A lock is as long as the first one.
    LocksForTheSameTime,
    /// A used code takes the attempt out of its window too.
    ForgivesTheWindow,
    /// A used code counts as a guess.
    ForgivesNothing,
    /// What was counted by any policy is taken back by that of codes.
    ForgivesAsCodes,
    /// A success gives the attempt back to whatever window there is.
    RefundsTheWrongWindow,
    /// A success takes back what was wrong before.
    ForgetsTheMonth,
    /// The used step is written over a higher one.
    LowersTheStep,
    /// A success without a step forgets the used step.
    ForgetsTheStep,
    /// Limits of everybody are lifted.
    LiftsEverybody,
    /// Lifting opens a new window.
    LiftsTheWindow,
    /// What is counted for factors is forgotten like what is counted for passwords.
    ForgetsFactors,
    /// Locked passwords are forgotten.
    ForgetsLocks,
    /// A new secret gives new attempts.
    ResetsOnEnrolment,
    /// A column that becomes NULL is left as it was.
    KeepsPending,
    /// A recovery code is not taken out.
    RecoveryCodeStays,
    /// Recovery codes are found without their owner.
    SharedRecoveryCodes,
    /// Tries of tickets are not counted.
    UncountedTries,
    /// Tickets never end.
    EndlessTickets,
    /// A look at a ticket counts as a try.
    LookCounts,
    /// A look finds tickets that have ended.
    LookFindsEnded,
    /// A ticket is not taken out.
    TicketStays,
    /// Tickets of everybody are voided.
    VoidsEverybody,
}

impl BrokenTx {
    fn has(&self, fault: Fault) -> bool {
        self.fault == super::Fault::People(fault)
    }

    fn edit(&mut self, subject: &LimitSubject, edit: impl FnOnce(&mut AttemptState)) {
        let attempts = Arc::make_mut(&mut self.inner.tables.attempts);
        if let Some(known) = attempts.get_mut(subject.as_str()) {
            edit(&mut Arc::make_mut(known).state);
        }
    }
}

impl AttemptLimits for BrokenTx {
    fn reserve_attempt(
        &mut self,
        subject: &LimitSubject,
        now: Timestamp,
        policy: &AttemptPolicy,
    ) -> Result<Option<Reserved>, StoreError> {
        if self.has(Fault::ForgetsTheWindow) {
            self.edit(subject, |state| state.window_count = 0);
        }
        if self.has(Fault::ForgetsTheEnd) {
            self.edit(subject, |state| state.disabled_at = None);
        }
        let reserved = self.inner.reserve_attempt(subject, now, policy)?;
        if reserved.is_none() && self.has(Fault::CountsRefusals) {
            self.edit(subject, |state| state.fails += 1);
        }
        if reserved.is_some_and(|reserved| reserved.locks) && self.has(Fault::LocksForTheSameTime) {
            self.edit(subject, |state| state.locked_until = now.0 + 900);
        }
        Ok(reserved)
    }

    fn attempt_succeeded(
        &mut self,
        subject: &LimitSubject,
        reserved: &Reserved,
        step: Option<TotpStep>,
    ) -> Result<bool, StoreError> {
        if self.has(Fault::LowersTheStep) || (self.has(Fault::ForgetsTheStep) && step.is_none()) {
            self.edit(subject, |state| state.last_step = 0);
        }
        let window = self.attempts(subject)?.map(|state| state.window_start);
        let mut reserved = *reserved;
        if self.has(Fault::RefundsTheWrongWindow) {
            reserved.window_start = window.unwrap_or_default();
        }
        if self.has(Fault::ForgetsTheMonth) {
            self.edit(subject, |state| state.month_fails = 1);
        }
        self.inner.attempt_succeeded(subject, &reserved, step)
    }

    fn forgive_attempt(
        &mut self,
        subject: &LimitSubject,
        policy: &AttemptPolicy,
    ) -> Result<(), StoreError> {
        if self.has(Fault::ForgivesNothing) {
            return Ok(());
        }
        if self.has(Fault::ForgivesTheWindow) {
            self.edit(subject, |state| {
                state.window_count = (state.window_count - 1).max(0);
            });
        }
        let totp = AttemptPolicy::TOTP;
        let policy = if self.has(Fault::ForgivesAsCodes) {
            &totp
        } else {
            policy
        };
        self.inner.forgive_attempt(subject, policy)
    }

    fn lift_limits(&mut self, account: UserId) -> Result<(), StoreError> {
        let (everybody, window) = (
            self.has(Fault::LiftsEverybody),
            self.has(Fault::LiftsTheWindow),
        );
        for known in Arc::make_mut(&mut self.inner.tables.attempts).values_mut() {
            let known = Arc::make_mut(known);
            if everybody {
                known.state = known.state.lift();
            }
            if window && known.account == Some(account) {
                known.state.window_count = 0;
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
        if self.has(Fault::ForgetsFactors) {
            Arc::make_mut(&mut self.inner.tables.attempts)
                .retain(|subject, known| !subject.contains(':') || known.touched_at >= before);
        }
        let now = if self.has(Fault::ForgetsLocks) {
            Timestamp(i64::MAX)
        } else {
            now
        };
        self.inner.forget_attempts(before, now, limit)
    }
}

impl SecondFactors for BrokenTx {
    fn totp_secrets(&mut self, user: UserId) -> Result<TotpSecrets, StoreError> {
        self.inner.totp_secrets(user)
    }

    fn set_totp_secrets(&mut self, user: UserId, secrets: &TotpSecrets) -> Result<(), StoreError> {
        if self.has(Fault::ResetsOnEnrolment) {
            let attempts = Arc::make_mut(&mut self.inner.tables.attempts);
            attempts.remove(LimitSubject::totp(user).as_str());
        }
        let mut secrets = secrets.clone();
        if self.has(Fault::KeepsPending) {
            secrets.pending = secrets.pending.or(self.inner.totp_secrets(user)?.pending);
        }
        self.inner.set_totp_secrets(user, &secrets)
    }

    fn recovery_codes(&mut self, user: UserId) -> Result<Vec<Mac>, StoreError> {
        self.inner.recovery_codes(user)
    }

    fn set_recovery_codes(&mut self, user: UserId, codes: &[Mac]) -> Result<(), StoreError> {
        self.inner.set_recovery_codes(user, codes)
    }

    fn use_recovery_code(&mut self, user: UserId, code: &Mac) -> Result<bool, StoreError> {
        if self.has(Fault::RecoveryCodeStays) {
            return Ok(self.inner.recovery_codes(user)?.contains(code));
        }
        let mut owner = user;
        if self.has(Fault::SharedRecoveryCodes) {
            let all = self.inner.tables.recovery_codes.iter();
            let holder = all.rev().find(|(_, codes)| codes.contains(code));
            owner = holder.map_or(user, |(holder, _)| *holder);
        }
        self.inner.use_recovery_code(owner, code)
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
        let now = if self.has(Fault::EndlessTickets) {
            Timestamp(i64::MIN)
        } else {
            now
        };
        let tickets = Arc::clone(&self.inner.tables.tickets);
        let found = self.inner.try_ticket(id, now, at_most)?;
        if self.has(Fault::UncountedTries) {
            self.inner.tables.tickets = tickets;
        }
        Ok(found)
    }

    fn ticket_to_try(
        &mut self,
        id: TicketId,
        now: Timestamp,
        at_most: i64,
    ) -> Result<Option<Signed<TicketRecord>>, StoreError> {
        if self.has(Fault::LookCounts) {
            return self.inner.try_ticket(id, now, at_most);
        }
        let now = if self.has(Fault::LookFindsEnded) {
            Timestamp(i64::MIN)
        } else {
            now
        };
        self.inner.ticket_to_try(id, now, at_most)
    }

    fn use_ticket(&mut self, id: TicketId) -> Result<bool, StoreError> {
        if self.has(Fault::TicketStays) {
            return Ok(self.inner.tables.tickets.contains_key(&id));
        }
        self.inner.use_ticket(id)
    }

    fn void_tickets(&mut self, user: UserId) -> Result<(), StoreError> {
        if self.has(Fault::VoidsEverybody) {
            self.inner.tables.tickets = Arc::default();
        }
        self.inner.void_tickets(user)
    }

    fn forget_tickets(&mut self, before: Timestamp) -> Result<(), StoreError> {
        self.inner.forget_tickets(before)
    }
}

#[track_caller]
fn found(fault: Fault, promise: &str, check: impl FnOnce(&BrokenStore)) {
    assert_found(super::Fault::People(fault), promise, check);
}

#[test]
fn attempts_that_are_counted_after_a_look_are_found() {
    let fault = super::Fault::ReadThenWrite;
    assert_found(fault, "exactly 5 must get a reservation", |store| {
        attempts::of_racing_attempts_as_many_as_allowed_are_evaluated(store);
    });
    assert_found(fault, "the one that reaches the lock", |store| {
        attempts::of_racing_attempts_one_reaches_the_lock(store);
    });
    assert_found(fault, "calls with one step exactly one", |store| {
        attempts::of_racing_codes_one_is_accepted(store);
    });
}

#[test]
fn tickets_and_recovery_codes_that_are_taken_after_a_look_are_found() {
    let fault = super::Fault::ReadThenWrite;
    assert_found(fault, "use_recovery_code: of 24", |store| {
        let user = rows::added_user(store);
        factors::of_racing_uses_of_a_recovery_code_one_succeeds(store, user);
    });
    assert_found(fault, "exactly 5 must get the ticket", |store| {
        let user = rows::added_user(store);
        tickets::of_racing_tries_as_many_as_allowed_get_the_ticket(store, user);
    });
    assert_found(fault, "use_ticket: of 24", |store| {
        let user = rows::added_user(store);
        tickets::of_racing_uses_of_a_ticket_one_succeeds(store, user);
    });
}

#[test]
fn a_window_that_is_forgotten_is_found() {
    found(
        Fault::ForgetsTheWindow,
        "more attempts in a window",
        |store| {
            let user = rows::added_user(store);
            attempts::an_attempt_too_many_changes_nothing(store, user);
        },
    );
    found(Fault::CountsRefusals, "something was counted", |store| {
        let user = rows::added_user(store);
        attempts::an_attempt_too_many_changes_nothing(store, user);
    });
}

#[test]
fn an_end_that_does_not_hold_is_found() {
    let fault = Fault::ForgetsTheEnd;
    found(fault, "an attempt after the end was granted", |store| {
        let user = rows::added_user(store);
        attempts::an_end_holds_until_it_is_lifted(store, user);
    });
}

#[test]
fn a_right_attempt_that_takes_back_the_sum_of_thirty_days_is_found() {
    let fault = Fault::ForgetsTheMonth;
    found(
        fault,
        "other than the policy allows in thirty days",
        |store| {
            let user = rows::added_user(store);
            attempts::right_ones_take_back_nothing_in_thirty_days(store, user);
        },
    );
}

#[test]
fn attempts_that_follow_other_rules_are_found() {
    for fault in [
        Fault::ForgetsTheWindow,
        Fault::CountsRefusals,
        Fault::LocksForTheSameTime,
        Fault::ForgivesTheWindow,
        Fault::ForgivesNothing,
        Fault::ForgivesAsCodes,
        Fault::RefundsTheWrongWindow,
        Fault::LowersTheStep,
        Fault::ForgetsTheStep,
        Fault::LiftsTheWindow,
        Fault::ForgetsTheMonth,
    ] {
        found(fault, "the rules", |store| {
            let user = rows::added_user(store);
            attempts::random_attempts_follow_the_rules(store, user, 1, 600);
        });
    }
}

#[test]
fn a_step_that_becomes_unused_again_is_found() {
    for fault in [Fault::LowersTheStep, Fault::ForgetsTheStep] {
        found(fault, "was answered wrongly", |store| {
            let user = rows::added_user(store);
            attempts::a_step_is_accepted_once(store, &LimitSubject::totp(user));
        });
    }
}

#[test]
fn limits_that_are_lifted_too_far_are_found() {
    found(Fault::LiftsEverybody, "not of this account", |store| {
        let (user, other) = (rows::added_user(store), rows::added_user(store));
        attempts::limits_are_lifted_for_one_account(store, user, other);
    });
    found(Fault::LiftsTheWindow, "neither the window", |store| {
        let (user, other) = (rows::added_user(store), rows::added_user(store));
        attempts::limits_are_lifted_for_one_account(store, user, other);
    });
}

#[test]
fn counts_that_are_forgotten_too_early_are_found() {
    found(Fault::ForgetsFactors, "for an authenticator", |store| {
        let user = rows::added_user(store);
        attempts::old_counts_of_passwords_are_forgotten(store, user);
    });
    found(Fault::ForgetsLocks, "and are not locked", |store| {
        let user = rows::added_user(store);
        attempts::old_counts_of_passwords_are_forgotten(store, user);
    });
    found(Fault::ResetsOnEnrolment, "new enrolment reset", |store| {
        let user = rows::added_user(store);
        attempts::new_secrets_reset_nothing(store, user);
    });
}

#[test]
fn a_secret_that_stays_is_found() {
    found(Fault::KeepsPending, "what is None", |store| {
        let (user, other) = (rows::added_user(store), rows::added_user(store));
        factors::secrets_read_back(store, user, other);
    });
}

#[test]
fn recovery_codes_that_work_twice_or_for_others_are_found() {
    for fault in [Fault::RecoveryCodeStays, Fault::SharedRecoveryCodes] {
        found(fault, "true exactly once", |store| {
            let (user, other) = (rows::added_user(store), rows::added_user(store));
            factors::a_recovery_code_is_used_once(store, user, other);
        });
    }
}

#[test]
fn tickets_that_last_too_long_are_found() {
    found(Fault::UncountedTries, "must be counted", |store| {
        let user = rows::added_user(store);
        tickets::a_ticket_is_tried_so_often(store, user);
    });
    found(Fault::EndlessTickets, "ends at its time", |store| {
        let user = rows::added_user(store);
        tickets::a_ticket_ends_at_its_time(store, user);
    });
    found(Fault::LookCounts, "must be counted", |store| {
        let user = rows::added_user(store);
        tickets::a_ticket_is_tried_so_often(store, user);
    });
    found(Fault::LookFindsEnded, "finds what try_ticket", |store| {
        let user = rows::added_user(store);
        tickets::a_ticket_ends_at_its_time(store, user);
    });
    found(Fault::TicketStays, "used exactly once", |store| {
        let user = rows::added_user(store);
        tickets::a_ticket_is_used_once(store, user);
    });
    found(Fault::VoidsEverybody, "of another user", |store| {
        let (user, other) = (rows::added_user(store), rows::added_user(store));
        tickets::tickets_of_one_user_are_voided(store, user, other);
    });
}
