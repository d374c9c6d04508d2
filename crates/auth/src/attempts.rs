use keyward_core::{StoreError, Timestamp};
use keyward_crypto::{MacPurpose, MacRing, TotpStep};

use crate::UserId;

/// What attempts are counted for: one authenticator, never a name that somebody typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitSubject {
    key: String,
    account: Option<UserId>,
}

impl LimitSubject {
    /// The authenticator app of a person. Stays the same when another one is enrolled.
    #[must_use]
    pub fn totp(user: UserId) -> Self {
        Self {
            key: format!("totp:{user}"),
            account: Some(user),
        }
    }

    /// The recovery codes of a person, old and new ones.
    #[must_use]
    pub fn recovery(user: UserId) -> Self {
        Self {
            key: format!("recovery:{user}"),
            account: Some(user),
        }
    }

    /// The password of an account, from one network. `account` is the user's id, or for a name
    /// that nobody has the name, so that both are counted alike.
    pub(crate) fn password(macs: &MacRing, user: Option<UserId>, name: &str, source: &str) -> Self {
        let id = user.map(|id| id.to_string());
        let parts = [
            b"password".as_slice(),
            id.as_deref().unwrap_or(name).as_bytes(),
            source.as_bytes(),
        ];
        Self {
            key: Self::keyed(macs, &parts),
            account: user,
        }
    }

    /// All passwords that are tried from one network.
    pub(crate) fn source(macs: &MacRing, source: &str) -> Self {
        Self {
            key: Self::keyed(macs, &[b"source", source.as_bytes()]),
            account: None,
        }
    }

    /// What was typed may be anything, even a password in the wrong field, so none of it is kept.
    fn keyed(macs: &MacRing, parts: &[&[u8]]) -> String {
        macs.mac(MacPurpose::LimitSubject, parts).as_stored()
    }

    /// The key of the row.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.key
    }

    /// Whose authenticator it is, if there is such a user.
    #[must_use]
    pub fn account(&self) -> Option<UserId> {
        self.account
    }
}

/// How many attempts somebody gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptPolicy {
    /// In [`WINDOW_SECONDS`].
    pub per_window: i64,
    /// Every so many wrong ones in a row lock: 15 minutes first, then twice as long each time, up
    /// to 24 hours.
    pub lock_every: i64,
    /// So many wrong ones in a row end it until somebody lifts that.
    pub disable_at: i64,
}

impl AttemptPolicy {
    /// Codes of an authenticator app: 5 in 60 seconds, a lock after 10 wrong ones in a row, the end
    /// after 100 (NIST SP 800-63B-4, section 3.2.2).
    pub const TOTP: Self = Self {
        per_window: 5,
        lock_every: 10,
        disable_at: 100,
    };
    /// Recovery codes: as [`TOTP`](Self::TOTP), but they never end, because nobody guesses 80 bits.
    pub const RECOVERY: Self = Self {
        disable_at: NEVER,
        ..Self::TOTP
    };
    /// Passwords of one account from one network.
    pub const PASSWORD: Self = Self::RECOVERY;
    /// All passwords from one network: against trying one password on many accounts. Never locks.
    pub const SOURCE: Self = Self {
        per_window: 100,
        lock_every: NEVER,
        disable_at: NEVER,
    };
}

/// The attempts of one subject. A store keeps it and changes it by one statement each time; this
/// says what that statement does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttemptState {
    /// Wrong attempts in a row, and those that are being evaluated.
    pub fails: i64,
    /// When the current window began.
    pub window_start: i64,
    /// Attempts in the current window.
    pub window_count: i64,
    /// Until when none is evaluated.
    pub locked_until: i64,
    /// Since when none is evaluated until somebody lifts that.
    pub disabled_at: Option<i64>,
    /// The last step whose code was accepted. Never decreases.
    pub last_step: i64,
}

impl AttemptState {
    /// Counts an attempt before anybody looks at it, as if it were wrong. `None`: it is not to be
    /// looked at, and nothing has changed.
    #[must_use]
    pub fn reserve(&self, now: Timestamp, policy: &AttemptPolicy) -> Option<(Self, Reserved)> {
        let now = now.0;
        let opens_window = self.opens_window(now);
        if self.disabled_at.is_some()
            || self.locked_until > now
            || !(opens_window || self.window_count < policy.per_window)
        {
            return None;
        }
        let fails = self.fails.saturating_add(1);
        let locks = fails % policy.lock_every == 0;
        let state = Self {
            fails,
            window_start: if opens_window { now } else { self.window_start },
            window_count: if opens_window {
                1
            } else {
                self.window_count + 1
            },
            locked_until: if locks {
                now.saturating_add(lock_seconds(fails / policy.lock_every))
            } else {
                self.locked_until
            },
            disabled_at: (fails >= policy.disable_at).then_some(now),
            last_step: self.last_step,
        };
        let reserved = Reserved {
            window_start: state.window_start,
            fails,
            locks: locks || state.disabled_at.is_some(),
        };
        Some((state, reserved))
    }

    /// The attempt was right: the row of wrong ones ends, and the attempt is given back. `None` when
    /// the code of this step, or of a later one, was accepted before.
    #[must_use]
    pub fn succeed(&self, reserved: &Reserved, step: Option<TotpStep>) -> Option<Self> {
        let last_step = match step.map(TotpStep::number) {
            Some(step) if step <= self.last_step => return None,
            Some(step) => step,
            None => self.last_step,
        };
        Some(Self {
            fails: 0,
            window_count: self.window_count - i64::from(self.is_window_of(reserved)),
            locked_until: 0,
            disabled_at: None,
            last_step,
            ..*self
        })
    }

    /// The code was right but used: it counts in its window, but not as a guess.
    #[must_use]
    pub fn forgive(&self) -> Self {
        let locked_here = self.fails % AttemptPolicy::TOTP.lock_every == 0;
        Self {
            fails: (self.fails - 1).max(0),
            locked_until: if locked_here { 0 } else { self.locked_until },
            disabled_at: self
                .disabled_at
                .filter(|_| self.fails > AttemptPolicy::TOTP.disable_at),
            ..*self
        }
    }

    /// An administrator lifts lock and end. The window and the used step stay.
    #[must_use]
    pub fn lift(&self) -> Self {
        Self {
            fails: 0,
            locked_until: 0,
            disabled_at: None,
            ..*self
        }
    }

    /// In how many seconds the next attempt may be made; `None` when somebody has to lift the end.
    #[must_use]
    pub fn retry_after(&self, now: Timestamp, policy: &AttemptPolicy) -> Option<i64> {
        let until_unlocked = self.locked_until.saturating_sub(now.0);
        let is_full = self.window_count >= policy.per_window && !self.opens_window(now.0);
        let window_end = self.window_start.saturating_add(WINDOW_SECONDS);
        let until_window = if is_full {
            window_end.saturating_sub(now.0)
        } else {
            0
        };
        let wait = until_unlocked.max(until_window).max(1);
        self.disabled_at.is_none().then_some(wait)
    }

    /// A window that lies in the future was opened before the clock was set back.
    fn opens_window(&self, now: i64) -> bool {
        now >= self.window_start.saturating_add(WINDOW_SECONDS)
            || now < self.window_start.saturating_sub(WINDOW_SECONDS)
    }

    fn is_window_of(&self, reserved: &Reserved) -> bool {
        self.window_start == reserved.window_start && self.window_count > 0
    }
}

/// An attempt that may be evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserved {
    /// The window that it is counted in.
    pub window_start: i64,
    /// The wrong attempts in a row, this one included.
    pub fails: i64,
    /// Whether it locks if it is wrong.
    pub locks: bool,
}

/// Attempts, inside a unit of work.
pub trait AttemptLimits {
    /// Does [`AttemptState::reserve`] in one statement, for a subject that need not be known yet.
    ///
    /// Of any number of racing calls exactly as many get a reservation as the policy allows.
    fn reserve_attempt(
        &mut self,
        subject: &LimitSubject,
        now: Timestamp,
        policy: &AttemptPolicy,
    ) -> Result<Option<Reserved>, StoreError>;

    /// Does [`AttemptState::succeed`] in one statement, and says whether it did. A step is written
    /// only over a lower one, so of racing calls with one step one gets `true`.
    fn attempt_succeeded(
        &mut self,
        subject: &LimitSubject,
        reserved: &Reserved,
        step: Option<TotpStep>,
    ) -> Result<bool, StoreError>;

    /// Does [`AttemptState::forgive`] in one statement.
    fn forgive_attempt(&mut self, subject: &LimitSubject) -> Result<(), StoreError>;

    /// Does [`AttemptState::lift`] for everything that is counted for an account.
    fn lift_limits(&mut self, account: UserId) -> Result<(), StoreError>;

    /// The attempts of one subject.
    fn attempts(&mut self, subject: &LimitSubject) -> Result<Option<AttemptState>, StoreError>;

    /// Drops up to `limit` rows of passwords that were not tried since `before` and are not locked
    /// at `now`, and says how many. What is counted for an authenticator stays.
    fn forget_attempts(
        &mut self,
        before: Timestamp,
        now: Timestamp,
        limit: i64,
    ) -> Result<usize, StoreError>;
}

/// How long attempts are counted together.
pub const WINDOW_SECONDS: i64 = 60;

/// How long the lock with this number, from 1, lasts.
#[must_use]
pub fn lock_seconds(number: i64) -> i64 {
    let doublings = u32::try_from(number.saturating_sub(1)).unwrap_or(0).min(7);
    (FIRST_LOCK << doublings).min(LONGEST_LOCK)
}

const FIRST_LOCK: i64 = 15 * 60;
const LONGEST_LOCK: i64 = 24 * 60 * 60;
/// More attempts than anybody makes.
const NEVER: i64 = i64::MAX;
