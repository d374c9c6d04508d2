/// How many attempts somebody gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptPolicy {
    /// In [`WINDOW_SECONDS`](crate::WINDOW_SECONDS).
    pub per_window: i64,
    /// Every so many wrong ones in a row (at least 1) lock: 15 minutes first, then twice as long each time, up
    /// to 24 hours.
    pub lock_every: i64,
    /// So many wrong ones in a row end it until somebody lifts that.
    pub disable_at: i64,
    /// So many wrong ones in [`MONTH_SECONDS`](crate::MONTH_SECONDS) end it as well, whatever was right between them.
    pub disable_at_in_month: i64,
}

impl AttemptPolicy {
    /// Codes of an authenticator app: 5 in 60 seconds, a lock after 10 wrong ones in a row, the end
    /// after 100 (NIST SP 800-63B-4, section 3.2.2) or after 200 in thirty days, so that nobody can guess on and on
    /// between the logins of the owner.
    pub const TOTP: Self = Self {
        per_window: 5,
        lock_every: 10,
        disable_at: 100,
        disable_at_in_month: 200,
    };
    /// Recovery codes: as [`TOTP`](Self::TOTP), but they never end, because nobody guesses 80 bits.
    pub const RECOVERY: Self = Self {
        disable_at: NEVER,
        disable_at_in_month: NEVER,
        ..Self::TOTP
    };
    /// Passwords of one account from one network.
    pub const PASSWORD: Self = Self::RECOVERY;
    /// The same while many guess at the account: every second wrong one locks. Each network still has
    /// tries of its own, so that nobody's guesses keep the owner out.
    pub const PASSWORD_GUESSED: Self = Self {
        lock_every: 2,
        ..Self::PASSWORD
    };
    /// Passwords of one account from all networks together, which are counted and never stopped.
    pub const EVERYWHERE: Self = Self {
        per_window: NEVER,
        ..Self::SOURCE
    };
    /// Proofs of one agent to one receiver.
    pub const PROOF: Self = Self::RECOVERY;
    /// All passwords from one network: against trying one password on many accounts. Never locks.
    pub const SOURCE: Self = Self {
        per_window: 100,
        lock_every: NEVER,
        disable_at: NEVER,
        disable_at_in_month: NEVER,
    };

    /// Passwords of one account from one network, of which so many were wrong in a row from all networks.
    #[must_use]
    pub fn of_password(wrong_everywhere: i64) -> Self {
        if wrong_everywhere < MANY_WRONG {
            Self::PASSWORD
        } else {
            Self::PASSWORD_GUESSED
        }
    }

    /// Whether so many wrong ones in a row lock.
    pub(crate) fn locks(&self, fails: i64) -> bool {
        fails % self.lock_every == 0
    }

    /// Whether so many wrong ones in a row, or in thirty days, are the end.
    pub(crate) fn ends(&self, fails: i64, month_fails: i64) -> bool {
        fails >= self.disable_at || month_fails >= self.disable_at_in_month
    }
}

/// So many wrong passwords of one account in a row, from wherever, are more than its owner types.
pub const MANY_WRONG: i64 = 100;

/// More attempts than anybody makes.
const NEVER: i64 = i64::MAX;
