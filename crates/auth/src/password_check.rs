use keyward_audit::{Actor, AuditEvents as _, Event, Subject};
use keyward_core::{Store, StoreError, Timestamp};
use keyward_crypto::{Password, PasswordHash, Signed, Verdict};

use crate::measure;
use crate::reservation::{Refusal, certain_refusal, reserve_or_wait};
use crate::{
    Action, AdviceName, AttemptLimits as _, AttemptPolicy, AuthTx, Environment, LimitSubject,
    MANY_WRONG, Overloaded, Reserved, User, UserId, UserKind, UserStatus, Username, Users as _,
    Visitor,
};

/// The one place where passwords are checked: at login, for step-up, and for a change of password.
///
/// Attempts are counted per account and network, before anybody looks, so nobody can lock somebody
/// else out from elsewhere. Whatever the name, one password is hashed and the same rows are
/// written, so neither answer nor time tells which accounts exist.
pub(crate) struct PasswordCheck<'a, S>(pub(crate) &'a Environment<S>);

/// A password that was right.
pub(crate) struct RightPassword {
    /// The account, as it was then.
    pub(crate) user: Signed<User>,
    /// The hash to store, where the old one is weaker than today's.
    pub(crate) stronger: Option<PasswordHash>,
    subjects: Subjects,
    reserved: (Reserved, Reserved),
}

/// What a password is counted for.
struct Subjects {
    source: LimitSubject,
    account: LimitSubject,
    everywhere: LimitSubject,
}

impl Subjects {
    /// How many tries the account has from the network: fewer, while many guess at it.
    fn policy(&self, tx: &mut impl AuthTx) -> Result<AttemptPolicy, StoreError> {
        let everywhere = tx.attempts(&self.everywhere)?.unwrap_or_default();
        Ok(AttemptPolicy::of_password(everywhere.fails))
    }
}

impl<S: Store<Tx: AuthTx>> PasswordCheck<'_, S> {
    pub(crate) fn check(
        &self,
        username: &Username,
        password: &Password,
        visitor: &Visitor,
    ) -> Result<RightPassword, PasswordRefused> {
        let now = self.0.clock.now();
        let names = self.advice_names(username, visitor);
        self.refuse_early(username, visitor, &names, now)?;
        let counted = self
            .count(username, visitor, now)
            .inspect_err(|uncounted| self.tell(&names, uncounted))?;
        let candidate = counted.user.as_ref().and_then(|user| self.can_log_in(user));
        let hash = candidate.and_then(|user| user.password_hash.as_ref());
        let verdict = match self.0.hashing.verify(password, hash) {
            Ok(verdict) => verdict,
            Err(overloaded) => {
                self.forgive(&counted)?;
                return Err(overloaded.into());
            }
        };
        let Some(user) = counted.user.clone().filter(|_| verdict != Verdict::Wrong) else {
            self.note_failure(&counted, visitor)?;
            return Err(PasswordRefused::Rejected);
        };
        let stronger = match verdict {
            Verdict::RightButOld => Some(self.0.hashing.hash(password)?),
            _ => None,
        };
        Ok(RightPassword {
            user,
            stronger,
            subjects: counted.subjects,
            reserved: counted.reserved,
        })
    }

    /// Counts the attempt, for the account and for the network.
    fn count(
        &self,
        username: &Username,
        visitor: &Visitor,
        now: Timestamp,
    ) -> Result<Counted, Uncounted> {
        self.0.store.write(|tx| {
            let user = tx.user_by_name(username)?;
            let subjects = self.subjects(user.as_ref(), username, visitor);
            let policy = subjects.policy(tx)?;
            // The row of the network first, always: two calls that lock both wait in one order.
            let of_source = reserve_or_wait(tx, &subjects.source, now, &AttemptPolicy::SOURCE)?
                .map_err(Uncounted::OfSource)?;
            let of_account = reserve_or_wait(tx, &subjects.account, now, &policy)?
                .map_err(Uncounted::OfAccount)?;
            Ok(Counted {
                user,
                subjects,
                policy,
                reserved: (of_account, of_source),
            })
        })
    }

    /// What the attempt is counted for: the network, and the account from there and from everywhere.
    fn subjects(
        &self,
        user: Option<&Signed<User>>,
        username: &Username,
        visitor: &Visitor,
    ) -> Subjects {
        let (macs, source, name) = (&self.0.macs, &visitor.source, username.as_str());
        let id = user.map(|user| user.unverified().id);
        Subjects {
            source: LimitSubject::source(macs, source),
            account: LimitSubject::password(macs, id, name, source),
            everywhere: LimitSubject::everywhere(macs, id, name),
        }
    }

    /// The same, by what is known before the storage is asked.
    fn advice_names(&self, username: &Username, visitor: &Visitor) -> [AdviceName; 2] {
        let (name, source) = (username.as_str().as_bytes(), visitor.source.as_bytes());
        [&[b"source", source][..], &[b"password", name, source]]
            .map(|parts| AdviceName::of(&self.0.macs, parts))
    }

    /// Refuses the attempt without a write, if other nodes say that it is limited and the storage
    /// confirms it. Else the attempt goes its usual way.
    fn refuse_early(
        &self,
        username: &Username,
        visitor: &Visitor,
        names: &[AdviceName],
        now: Timestamp,
    ) -> Result<(), PasswordRefused> {
        if !self.0.advice.is_limited(names) {
            return Ok(());
        }
        let refusal = self.0.store.read(|tx| {
            let user = tx.user_by_name(username)?;
            let subjects = self.subjects(user.as_ref(), username, visitor);
            let of_source = certain_refusal(tx, &subjects.source, now, &AttemptPolicy::SOURCE)?;
            if of_source.is_some() {
                return Ok::<_, StoreError>(of_source);
            }
            let policy = subjects.policy(tx)?;
            certain_refusal(tx, &subjects.account, now, &policy)
        })?;
        measure::advised(refusal.is_some());
        let Some(refusal) = refusal else {
            self.0.advice.withdraw(names);
            return Ok(());
        };
        measure::attempted(false);
        Err(refusal.into())
    }

    /// Tells other nodes what the attempt was refused for.
    fn tell(&self, [of_source, of_account]: &[AdviceName; 2], uncounted: &Uncounted) {
        let (name, refusal) = match uncounted {
            Uncounted::OfSource(refusal) => (of_source, refusal),
            Uncounted::OfAccount(refusal) => (of_account, refusal),
            Uncounted::Store(_) => return,
        };
        self.0.advice.limited(name, refusal.wait.unwrap_or(1));
    }

    /// Nobody looked at the password, so it was no guess, or else a flood of logins would lock out
    /// who keeps trying in between. It still counts in its minute.
    fn forgive(&self, counted: &Counted) -> Result<(), StoreError> {
        self.0.store.write(|tx| {
            let Subjects {
                source, account, ..
            } = &counted.subjects;
            tx.forgive_attempt(source, &AttemptPolicy::SOURCE)?;
            tx.forgive_attempt(account, &counted.policy)
        })
    }

    /// The account, if a password can open it: agents have none, and a row that somebody else wrote
    /// opens nothing.
    fn can_log_in<'u>(&self, user: &'u Signed<User>) -> Option<&'u User> {
        let is_genuine = user.is_genuine(&self.0.macs);
        let row = user.unverified();
        let may = row.kind == UserKind::Human && row.status == UserStatus::Active;
        (is_genuine && may).then_some(row)
    }

    fn note_failure(&self, counted: &Counted, visitor: &Visitor) -> Result<(), StoreError> {
        let user = counted.user.as_ref().map(|user| user.unverified().id);
        let named = user.map_or_else(|| "unknown".to_owned(), |id| id.to_string());
        let (of_account, _) = counted.reserved;
        tracing::info!(
            user = named,
            source = visitor.source,
            fails = of_account.fails,
            "a password was wrong"
        );
        let wrong = self.count_everywhere(&counted.subjects)?;
        let event = |action| {
            let actor = Actor::system().in_request(visitor.request.as_deref());
            Event::new(actor, action, Subject::new("user", named.clone()))
                .with("source", visitor.source.clone())
        };
        let lock = of_account.locks.then(|| {
            let fails = of_account.fails.to_string();
            event(LOGIN_LOCK).with("fails", fails)
        });
        let alarm = (wrong % MANY_WRONG == 0).then(|| {
            tracing::warn!(
                user = named,
                wrong,
                "many passwords of one account were wrong in a row: somebody may be guessing"
            );
            event(WRONG_PASSWORDS).with("wrong", wrong.to_string())
        });
        if lock.is_none() && alarm.is_none() {
            return Ok(());
        }
        self.0.store.write(|tx| {
            tx.lock_audit_head()?;
            for event in lock.iter().chain(&alarm) {
                self.0.audit.record(tx, event)?;
            }
            Ok(())
        })
    }

    /// Adds a wrong one to those in a row from all networks, and says how many there are. Nothing is
    /// stopped by that number, so it need not be known before somebody looks; and in a transaction of its
    /// own, so that nobody waits for the row while the audit log is held.
    fn count_everywhere(&self, subjects: &Subjects) -> Result<i64, StoreError> {
        let (everywhere, now) = (&subjects.everywhere, self.0.clock.now());
        let policy = AttemptPolicy::EVERYWHERE;
        let counted = self
            .0
            .store
            .write(|tx| tx.reserve_attempt(everywhere, now, &policy))?;
        Ok(counted.map_or(1, |reserved| reserved.fails))
    }
}

impl RightPassword {
    /// Gives the attempt back and stores the stronger hash, in the transaction that does what the
    /// password was given for. The user as they are now.
    ///
    /// # Errors
    ///
    /// [`PasswordRefused::Rejected`] when the account was changed since: the password may be
    /// another one by now.
    pub(crate) fn settle<Tx: AuthTx>(
        self,
        tx: &mut Tx,
        macs: &keyward_crypto::MacRing,
        now: Timestamp,
    ) -> Result<Signed<User>, PasswordRefused> {
        tx.lock_audit_head()?;
        let (of_account, of_source) = self.reserved;
        tx.attempt_succeeded(&self.subjects.source, &of_source, None)?;
        tx.attempt_succeeded(&self.subjects.account, &of_account, None)?;
        end_row(tx, &self.subjects.everywhere, now)?;
        let id: UserId = self.user.unverified().id;
        let current = tx.user(id)?.ok_or(PasswordRefused::Rejected)?;
        if current.mac() != self.user.mac() {
            return Err(PasswordRefused::Rejected);
        }
        let Some(hash) = self.stronger else {
            return Ok(current);
        };
        let mut upgraded = current.unverified().clone();
        upgraded.password_hash = Some(hash);
        upgraded.version = upgraded.version.saturating_add(1);
        let upgraded = Signed::sign(upgraded, macs);
        tx.replace_user(current.mac(), &upgraded)?;
        Ok(upgraded)
    }
}

/// Ends the row of wrong ones from all networks, if there is one.
fn end_row(
    tx: &mut impl AuthTx,
    everywhere: &LimitSubject,
    now: Timestamp,
) -> Result<(), StoreError> {
    let wrong = tx.attempts(everywhere)?.unwrap_or_default().fails;
    if wrong == 0 {
        return Ok(());
    }
    if let Some(reserved) = tx.reserve_attempt(everywhere, now, &AttemptPolicy::EVERYWHERE)? {
        tx.attempt_succeeded(everywhere, &reserved, None)?;
    }
    Ok(())
}

struct Counted {
    user: Option<Signed<User>>,
    subjects: Subjects,
    policy: AttemptPolicy,
    reserved: (Reserved, Reserved),
}

/// Why an attempt was not counted, and nobody looks at the password.
#[derive(Debug, thiserror::Error)]
enum Uncounted {
    #[error("too many attempts from the network")]
    OfSource(Refusal),
    #[error("too many attempts for the account")]
    OfAccount(Refusal),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Uncounted> for PasswordRefused {
    fn from(uncounted: Uncounted) -> Self {
        match uncounted {
            Uncounted::OfSource(refusal) | Uncounted::OfAccount(refusal) => refusal.into(),
            Uncounted::Store(error) => error.into(),
        }
    }
}

impl From<Refusal> for PasswordRefused {
    fn from(Refusal { wait }: Refusal) -> Self {
        Self::Limited(wait.unwrap_or(1))
    }
}

/// Why a password opened nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordRefused {
    /// Wrong, or there is no such account, or it is disabled, or it has none. One variant for all.
    #[error("the user name or the password is wrong")]
    Rejected,
    /// Too many attempts from this network; the next one may be made in so many seconds.
    #[error("too many attempts; try again in {0} seconds")]
    Limited(i64),
    /// See [`Overloaded`].
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const LOGIN_LOCK: Action = Action("login.lock");
const WRONG_PASSWORDS: Action = Action("login.wrong-passwords");
