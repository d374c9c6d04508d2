use keyward_audit::{Actor, AuditEvents as _, Event};
use keyward_core::{Store, StoreError, Timestamp};
use keyward_crypto::{Mac, RecoveryCode, TicketId, TotpCode, TotpSecret, TotpStep, TotpWindow};

use crate::accounts::subject;
use crate::factors::TotpColumn;
use crate::measure;
use crate::reservation::{Refusal, certain_refusal, reserve_or_wait};
use crate::{
    Action, AdviceName, AttemptLimits as _, AttemptPolicy, AuthTx, Environment, GivenProof,
    LimitSubject, LoginTickets as _, PresentedProof, ProofUse, Reserved, TotpSecrets, UserId,
};

/// The one place where codes are accepted: at login, at enrolment, for step-up, from the command
/// line, and where one agent proves to another who it is.
///
/// An attempt is counted in a transaction of its own before anybody looks at the code. Then the
/// code is evaluated, in constant time and without a transaction. If it is right, one transaction
/// marks it used, by compare-and-set, and does what it was given for. So a code works once, and
/// neither a crash nor any number of parallel requests gives more attempts than
/// [`AttemptPolicy`] allows.
pub(crate) struct Codes<'a, S>(pub(crate) &'a Environment<S>);

/// What somebody presents to show that they have their second factor.
#[derive(Debug)]
pub enum SecondFactor {
    /// A code of the authenticator app.
    Code(TotpCode),
    /// One of the recovery codes.
    Recovery(RecoveryCode),
}

/// What is looked at: the factor of a person, or the proof of an agent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Presented<'a> {
    Code(&'a TotpCode),
    Recovery(&'a RecoveryCode),
    Proof(&'a PresentedProof),
}

impl<'a> From<&'a SecondFactor> for Presented<'a> {
    fn from(factor: &'a SecondFactor) -> Self {
        match factor {
            SecondFactor::Code(code) => Self::Code(code),
            SecondFactor::Recovery(code) => Self::Recovery(code),
        }
    }
}

impl<'a> From<&'a PresentedProof> for Presented<'a> {
    fn from(proof: &'a PresentedProof) -> Self {
        Self::Proof(proof)
    }
}

/// Which secret a code has to fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Enrolment {
    Active,
    Pending,
}

/// By what somebody is known before the storage is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asker {
    User(UserId),
    Ticket(TicketId),
}

/// What it means to be let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// For an attempt: what is counted of it is counted.
    Counted,
    /// To see whether the attempt would be refused. Nothing may be written.
    Looked,
}

impl<S: Store<Tx: AuthTx>> Codes<'_, S> {
    /// Accepts what `presented` holds once, and then does `effect` in the transaction that marks it
    /// used.
    ///
    /// `admit` says whose factor it has to be. It runs where the attempt is counted, so what it
    /// counts is kept even when the code is wrong; when it fails nothing is counted. `claim` takes
    /// the tickets that end with the code. It runs before the code is marked as used, because
    /// `admit` has locked its ticket before the attempt: whoever takes both waits in that order.
    pub(crate) fn consume<'p, T, E: From<CodeError> + From<StoreError>>(
        &self,
        presented: impl Into<Presented<'p>>,
        enrolment: Enrolment,
        asker: Asker,
        admit: impl Fn(&mut S::Tx, Admission) -> Result<UserId, E>,
        claim: impl FnOnce(&mut S::Tx, UserId) -> Result<(), E>,
        effect: impl FnOnce(&mut S::Tx, UserId) -> Result<T, E>,
    ) -> Result<T, E> {
        let presented = presented.into();
        let now = self.0.clock.now();
        let name = self.advice_name(presented, asker);
        self.refuse_early(presented, &name, &admit, now)?;
        let attempt = self.count(presented, &name, &admit, now)?;
        let Some(right) = self.evaluate(presented, enrolment, &attempt, now) else {
            self.note_failure(&attempt)?;
            return Err(CodeError::Rejected.into());
        };
        let outcome = self.0.store.write(|tx| {
            // First, as everywhere: a lock taken later could wait for one that waits for this.
            tx.lock_audit_head()?;
            claim(tx, attempt.user)?;
            if !still_fits(tx, &attempt, enrolment)? {
                return Err(CodeError::Rejected.into());
            }
            if !mark_used(tx, &attempt, &right)? {
                return Err(CodeError::Rejected.into());
            }
            effect(tx, attempt.user)
        });
        if outcome.is_err() {
            // Used before or too late, but right: it counts in its minute, and was no guess.
            self.0
                .store
                .write(|tx| tx.forgive_attempt(&attempt.subject, &attempt.policy))?;
        }
        outcome
    }

    /// Counts the attempt in a transaction of its own. A refusal counts nothing, and other nodes
    /// are told.
    fn count<E: From<CodeError> + From<StoreError>>(
        &self,
        presented: Presented<'_>,
        name: &AdviceName,
        admit: &impl Fn(&mut S::Tx, Admission) -> Result<UserId, E>,
        now: Timestamp,
    ) -> Result<Attempt, E> {
        let mut refused = None;
        let attempt = self.0.store.write(|tx| {
            let user = admit(tx, Admission::Counted)?;
            reserve(tx, user, presented, now)?.map_err(|refusal| {
                refused = Some(refusal);
                CodeError::from(refusal).into()
            })
        });
        if let Some(refusal) = refused {
            let seconds = refusal.wait.unwrap_or(DISABLED_SECONDS);
            self.0.advice.limited(name, seconds);
        }
        attempt
    }

    /// Refuses the attempt without a write, if other nodes say that it is limited and the storage
    /// confirms it. Whatever else comes of it, the attempt goes its usual way.
    fn refuse_early<E: From<CodeError> + From<StoreError>>(
        &self,
        presented: Presented<'_>,
        name: &AdviceName,
        admit: &impl Fn(&mut S::Tx, Admission) -> Result<UserId, E>,
        now: Timestamp,
    ) -> Result<(), E> {
        let names = std::slice::from_ref(name);
        if !self.0.advice.is_limited(names) {
            return Ok(());
        }
        let confirmed = self.0.store.read(|tx| {
            let user = admit(tx, Admission::Looked)?;
            let (subject, policy, _) = counted_as(presented, user);
            Ok::<_, E>(certain_refusal(tx, &subject, now, &policy)?)
        });
        let refusal = confirmed.ok().flatten();
        measure::advised(refusal.is_some());
        let Some(refusal) = refusal else {
            self.0.advice.withdraw(names);
            return Ok(());
        };
        measure::attempted(false);
        Err(CodeError::from(refusal).into())
    }

    /// By what is known of the attempt before the storage is asked.
    fn advice_name(&self, presented: Presented<'_>, asker: Asker) -> AdviceName {
        let (factor, verifier) = match presented {
            Presented::Code(_) => ("totp", None),
            Presented::Recovery(_) => ("recovery", None),
            Presented::Proof(proof) => ("proof", Some(proof.verifier)),
        };
        let verifier = verifier.as_ref().map_or(&[][..], |id| id.as_bytes());
        let (kind, id) = match &asker {
            Asker::User(user) => ("user", &user.as_bytes()[..]),
            Asker::Ticket(ticket) => ("ticket", ticket.as_str().as_bytes()),
        };
        let parts = [factor.as_bytes(), kind.as_bytes(), id, verifier];
        AdviceName::of(&self.0.macs, &parts)
    }

    fn evaluate(
        &self,
        presented: Presented<'_>,
        enrolment: Enrolment,
        attempt: &Attempt,
        now: Timestamp,
    ) -> Option<Right> {
        match (presented, &attempt.expected) {
            (Presented::Code(code), Expected::Totp(secrets)) => {
                let secret = self.secret(attempt.user, secrets, enrolment, now)?;
                // The app goes by a clock of its own.
                let shown = self.0.clock.shown();
                #[expect(clippy::disallowed_methods, reason = "this is the one consumer")]
                let step = secret.matched_step(code, shown.0, self.0.totp_window)?;
                Some(Right::Step(step))
            }
            (Presented::Proof(proof), Expected::Totp(secrets)) => {
                let secret = self.secret(attempt.user, secrets, enrolment, now)?;
                let mark = proof.mark(attempt.user);
                #[expect(clippy::disallowed_methods, reason = "this is the one consumer")]
                let step = match &proof.code {
                    GivenProof::Plain(code) => {
                        secret.matched_step(code, now.0, TotpWindow::WithPrevious)?
                    }
                    GivenProof::Bound(code) => {
                        let key = proof.key(&secret, attempt.user);
                        key.matched_step(code, now.0)?
                    }
                };
                Some(Right::Proof(mark, step))
            }
            (Presented::Recovery(code), Expected::Recovery(left)) => {
                let user = attempt.user.as_bytes();
                let fits = |mac: &&Mac| code.matches(&self.0.macs, user, mac);
                // All are compared, so that the time does not tell which one it was.
                let fitting: Vec<_> = left.iter().filter(fits).collect();
                fitting.first().map(|mac| Right::Recovery((*mac).clone()))
            }
            _ => None,
        }
    }

    fn secret(
        &self,
        user: UserId,
        secrets: &TotpSecrets,
        enrolment: Enrolment,
        now: Timestamp,
    ) -> Option<TotpSecret> {
        let (sealed, column) = match enrolment {
            Enrolment::Active => (secrets.active.as_ref()?, TotpColumn::Active),
            Enrolment::Pending => {
                let pending = secrets.pending.as_ref()?;
                let live = now < pending.expires_at;
                (live.then_some(&pending.secret)?, TotpColumn::Pending)
            }
        };
        let opened = self.0.fields.open(sealed, &column.context(user));
        let text = opened
            .inspect_err(|error| {
                tracing::error!(%user, %error, "the secret of an authenticator app cannot be opened");
            })
            .ok()?;
        TotpSecret::from_base32(text.expose()).ok()
    }

    /// When the attempt locks, whoever has a ticket has to begin anew. That somebody guesses between the
    /// logins of a person is said as well.
    fn note_failure(&self, attempt: &Attempt) -> Result<(), StoreError> {
        tracing::info!(
            user = %attempt.user,
            factor = attempt.factor,
            fails = attempt.reserved.fails,
            "a code was wrong"
        );
        let (lock, alarm) = (attempt.lock_event(), attempt.alarm());
        if alarm.is_some() {
            tracing::warn!(
                user = %attempt.user,
                factor = attempt.factor,
                wrong = attempt.reserved.month_fails,
                "many codes were wrong in thirty days: somebody may know the password and guess"
            );
        }
        if lock.is_none() && alarm.is_none() {
            return Ok(());
        }
        self.0.store.write(|tx| {
            tx.lock_audit_head()?;
            if lock.is_some() && attempt.receiver.is_none() {
                tx.void_tickets(attempt.user)?;
            }
            for event in lock.iter().chain(&alarm) {
                self.0.audit.record(tx, event)?;
            }
            Ok(())
        })
    }
}

/// An attempt that is counted and may be evaluated.
struct Attempt {
    user: UserId,
    subject: LimitSubject,
    policy: AttemptPolicy,
    reserved: Reserved,
    expected: Expected,
    factor: &'static str,
    /// Who asked, where an agent proves who it is.
    receiver: Option<UserId>,
}

impl Attempt {
    /// What the audit log says where a wrong attempt locks.
    fn lock_event(&self) -> Option<Event> {
        if !self.reserved.locks {
            return None;
        }
        let action = match self.receiver {
            Some(_) => PROOF_LOCK,
            None => MFA_LOCK,
        };
        let event = Event::new(Actor::system(), action, subject(self.user))
            .with("factor", self.factor)
            .with("fails", self.reserved.fails.to_string());
        Some(match self.receiver {
            Some(receiver) => event.with("verifier", receiver.to_string()),
            None => event,
        })
    }

    /// What it says where many attempts of a person were wrong, whatever was right between them.
    fn alarm(&self) -> Option<Event> {
        let wrong = self.reserved.month_fails;
        let is_many = self.receiver.is_none() && wrong % ALARM_EVERY == 0;
        is_many.then(|| {
            Event::new(Actor::system(), WRONG_CODES, subject(self.user))
                .with("factor", self.factor)
                .with("wrong", wrong.to_string())
        })
    }
}

enum Expected {
    Totp(TotpSecrets),
    Recovery(Vec<Mac>),
}

/// What was right, to be marked as used.
enum Right {
    Step(TotpStep),
    Recovery(Mac),
    Proof(ProofUse, TotpStep),
}

/// What an attempt is counted for, how many there may be, and the name of the factor.
fn counted_as(
    presented: Presented<'_>,
    user: UserId,
) -> (LimitSubject, AttemptPolicy, &'static str) {
    match presented {
        Presented::Code(_) => (LimitSubject::totp(user), AttemptPolicy::TOTP, "totp"),
        Presented::Recovery(_) => {
            let subject = LimitSubject::recovery(user);
            (subject, AttemptPolicy::RECOVERY, "recovery")
        }
        Presented::Proof(proof) => {
            let subject = LimitSubject::proof(proof.verifier, user);
            (subject, AttemptPolicy::PROOF, "proof")
        }
    }
}

/// Counts the attempt, and reads what it has to fit.
fn reserve<Tx: AuthTx>(
    tx: &mut Tx,
    user: UserId,
    presented: Presented<'_>,
    now: Timestamp,
) -> Result<Result<Attempt, Refusal>, StoreError> {
    let (subject, policy, factor) = counted_as(presented, user);
    let receiver = match presented {
        Presented::Proof(proof) => Some(proof.verifier),
        _ => None,
    };
    let reserved = match reserve_or_wait(tx, &subject, now, &policy)? {
        Ok(reserved) => reserved,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let expected = match presented {
        Presented::Code(_) | Presented::Proof(_) => Expected::Totp(tx.totp_secrets(user)?),
        Presented::Recovery(_) => Expected::Recovery(tx.recovery_codes(user)?),
    };
    Ok(Ok(Attempt {
        user,
        subject,
        policy,
        reserved,
        expected,
        factor,
        receiver,
    }))
}

/// Whether the secret that the code was compared with is still there: another one may have come since.
fn still_fits<Tx: AuthTx>(
    tx: &mut Tx,
    attempt: &Attempt,
    enrolment: Enrolment,
) -> Result<bool, StoreError> {
    let Expected::Totp(then) = &attempt.expected else {
        // A recovery code is there when it can be taken out.
        return Ok(true);
    };
    let now = tx.totp_secrets(attempt.user)?;
    Ok(match enrolment {
        Enrolment::Active => now.active == then.active,
        Enrolment::Pending => now.pending == then.pending,
    })
}

fn mark_used<Tx: AuthTx>(
    tx: &mut Tx,
    attempt: &Attempt,
    right: &Right,
) -> Result<bool, StoreError> {
    match right {
        Right::Step(step) => tx.attempt_succeeded(&attempt.subject, &attempt.reserved, Some(*step)),
        Right::Proof(mark, step) => {
            if !tx.use_proof(mark, *step)? {
                return Ok(false);
            }
            tx.attempt_succeeded(&attempt.subject, &attempt.reserved, None)
        }
        Right::Recovery(code) => {
            if !tx.use_recovery_code(attempt.user, code)? {
                return Ok(false);
            }
            // Who has a recovery code may use the app again, however often its codes were guessed.
            tx.lift_limits(attempt.user)?;
            tx.attempt_succeeded(&attempt.subject, &attempt.reserved, None)
        }
    }
}

/// Why a code was not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodeError {
    /// Wrong, used before, or there is nothing that it could fit. One variant for all.
    #[error("the code is wrong or was used before")]
    Rejected,
    /// Too many attempts; the next one may be made in so many seconds.
    #[error("too many attempts; try again in {0} seconds")]
    Limited(i64),
    /// A hundred wrong codes in a row, or two hundred in thirty days. A recovery code or an administrator helps.
    #[error("too many wrong codes: use a recovery code or ask an administrator")]
    Disabled,
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Refusal> for CodeError {
    fn from(Refusal { wait }: Refusal) -> Self {
        wait.map_or(Self::Disabled, Self::Limited)
    }
}

/// For how long it is said of a factor that nobody may use until somebody lifts that.
const DISABLED_SECONDS: i64 = 10 * 60;
/// Wrong codes of a person in thirty days, of which the audit log tells.
const ALARM_EVERY: i64 = 50;
const WRONG_CODES: Action = Action("mfa.wrong-codes");
const MFA_LOCK: Action = Action("mfa.lock");
const PROOF_LOCK: Action = Action("agent.proof-lock");
