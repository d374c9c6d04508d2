use keyward_audit::{Actor, Event, Subject};
use keyward_core::{Store, StoreError};
use keyward_crypto::{Password, PasswordHash, Signed, Verdict};

use crate::reservation::reserve_or_wait;
use crate::{
    Action, AttemptLimits as _, AttemptPolicy, AuthTx, Environment, LimitSubject, Overloaded,
    Reserved, User, UserId, UserKind, UserStatus, Username, Users as _, Visitor,
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
    account: LimitSubject,
    source: LimitSubject,
    reserved: (Reserved, Reserved),
}

impl<S: Store<Tx: AuthTx>> PasswordCheck<'_, S> {
    pub(crate) fn check(
        &self,
        username: &Username,
        password: &Password,
        visitor: &Visitor,
    ) -> Result<RightPassword, PasswordRefused> {
        let counted = self.count(username, visitor)?;
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
            account: counted.account,
            source: counted.source,
            reserved: counted.reserved,
        })
    }

    /// Counts the attempt, for the account and for the network.
    fn count(&self, username: &Username, visitor: &Visitor) -> Result<Counted, PasswordRefused> {
        let (now, macs) = (self.0.clock.now(), &self.0.macs);
        self.0.store.write(|tx| {
            let user = tx.user_by_name(username)?;
            let id = user.as_ref().map(|user| user.unverified().id);
            let account = LimitSubject::password(macs, id, username.as_str(), &visitor.source);
            let source = LimitSubject::source(macs, &visitor.source);
            let mut reserve = |subject: &LimitSubject, policy: &AttemptPolicy| {
                reserve_or_wait(tx, subject, now, policy)?
                    .map_err(|wait| PasswordRefused::Limited(wait.unwrap_or(1)))
            };
            // The row of the network first, always: two calls that lock both wait in one order.
            let of_source = reserve(&source, &AttemptPolicy::SOURCE)?;
            let of_account = reserve(&account, &AttemptPolicy::PASSWORD)?;
            Ok(Counted {
                user,
                account,
                source,
                reserved: (of_account, of_source),
            })
        })
    }

    /// Nobody looked at the password, so it was no guess, or else a flood of logins would lock out
    /// who keeps trying in between. It still counts in its minute.
    fn forgive(&self, counted: &Counted) -> Result<(), StoreError> {
        self.0.store.write(|tx| {
            tx.forgive_attempt(&counted.source)?;
            tx.forgive_attempt(&counted.account)
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
        if !of_account.locks {
            return Ok(());
        }
        let actor = Actor::system().in_request(visitor.request.as_deref());
        let event = Event::new(actor, LOGIN_LOCK, Subject::new("user", named))
            .with("source", visitor.source.clone())
            .with("fails", of_account.fails.to_string());
        self.0.store.write(|tx| self.0.audit.record(tx, &event))
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
    ) -> Result<Signed<User>, PasswordRefused> {
        tx.lock_audit_head()?;
        let (of_account, of_source) = self.reserved;
        tx.attempt_succeeded(&self.source, &of_source, None)?;
        tx.attempt_succeeded(&self.account, &of_account, None)?;
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

struct Counted {
    user: Option<Signed<User>>,
    account: LimitSubject,
    source: LimitSubject,
    reserved: (Reserved, Reserved),
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
