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
    #[must_use]
    pub fn password(macs: &MacRing, user: Option<UserId>, name: &str, source: &str) -> Self {
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
    #[must_use]
    pub fn source(macs: &MacRing, source: &str) -> Self {
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

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds)
    }

    /// Attempts at `now` until one is refused; all of them are wrong.
    fn exhaust(state: &mut AttemptState, now: i64, policy: &AttemptPolicy) -> usize {
        let mut evaluated = 0;
        while let Some((next, _)) = state.reserve(at(now), policy) {
            *state = next;
            evaluated += 1;
            assert!(evaluated <= 1_000, "there is no limit");
        }
        evaluated
    }

    #[test]
    fn five_are_evaluated_in_sixty_seconds() {
        let mut state = AttemptState::default();
        assert_eq!(exhaust(&mut state, NOW, &AttemptPolicy::TOTP), 5);
        assert_eq!(exhaust(&mut state, NOW + 59, &AttemptPolicy::TOTP), 0);
        assert_eq!(exhaust(&mut state, NOW + 60, &AttemptPolicy::TOTP), 5);
    }

    #[test]
    fn eight_days_of_constant_guessing_are_a_hundred_evaluations() {
        let mut state = AttemptState::default();
        let mut evaluated = 0;
        for second in 0..8 * 24 * 60 * 60 {
            evaluated += exhaust(&mut state, NOW + second, &AttemptPolicy::TOTP);
        }
        assert_eq!(evaluated, 100);
        assert!(state.disabled_at.is_some());
        assert_eq!(state.retry_after(at(NOW), &AttemptPolicy::TOTP), None);
    }

    #[test]
    fn what_never_ends_goes_on_with_ten_tries_a_day() {
        let mut state = AttemptState::default();
        let day = 24 * 60 * 60;
        let evaluated = |state: &mut AttemptState, from: i64| -> usize {
            (from..from + day)
                .map(|now| exhaust(state, now, &AttemptPolicy::PASSWORD))
                .sum()
        };
        for _ in 0..5 {
            evaluated(&mut state, NOW);
        }
        let mut later = state;
        assert!(evaluated(&mut later, NOW + 30 * day) <= 10);
        assert_eq!(state.disabled_at, None);
    }

    #[test]
    fn every_tenth_wrong_one_locks_for_twice_as_long() {
        let mut state = AttemptState::default();
        let mut now = NOW;
        for expected in [
            900, 1_800, 3_600, 7_200, 14_400, 28_800, 57_600, 86_400, 86_400,
        ] {
            for _ in 0..2 {
                assert!(state.locked_until <= now);
                assert_eq!(exhaust(&mut state, now, &AttemptPolicy::PASSWORD), 5);
                now += 60;
            }
            now -= 60;
            assert_eq!(state.locked_until - now, expected);
            let last_second = now + expected - 1;
            assert_eq!(
                exhaust(&mut state, last_second, &AttemptPolicy::PASSWORD),
                0
            );
            now += expected;
        }
    }

    #[test]
    fn the_answer_to_a_refused_attempt_says_when_the_next_one_is_evaluated() {
        let mut state = AttemptState::default();
        let mut now = NOW;
        for _ in 0..40 {
            exhaust(&mut state, now, &AttemptPolicy::PASSWORD);
            let wait = state
                .retry_after(at(now), &AttemptPolicy::PASSWORD)
                .unwrap();
            let early = state.reserve(at(now + wait - 1), &AttemptPolicy::PASSWORD);
            assert!(early.is_none(), "at {now}");
            now += wait;
            let in_time = state.reserve(at(now), &AttemptPolicy::PASSWORD);
            assert!(in_time.is_some(), "at {now}");
        }
    }

    #[test]
    fn a_right_one_is_given_back_and_ends_the_row() {
        let mut state = AttemptState::default();
        for _ in 0..100 {
            let (reserved_state, reserved) = state.reserve(at(NOW), &AttemptPolicy::TOTP).unwrap();
            let step = TotpStep::from_number(state.last_step + 1);
            state = reserved_state.succeed(&reserved, Some(step)).unwrap();
        }
        assert_eq!((state.fails, state.window_count), (0, 0));
    }

    #[test]
    fn a_step_is_accepted_once_and_never_a_lower_one() {
        let (state, reserved) = AttemptState::default()
            .reserve(at(NOW), &AttemptPolicy::TOTP)
            .unwrap();
        let used = state
            .succeed(&reserved, Some(TotpStep::from_number(7)))
            .unwrap();
        for step in [i64::MIN, 0, 6, 7] {
            let again = used.succeed(&reserved, Some(TotpStep::from_number(step)));
            assert_eq!(again, None, "{step}");
        }
        let next = used.succeed(&reserved, Some(TotpStep::from_number(8)));
        assert_eq!(next.unwrap().last_step, 8);
    }

    #[test]
    fn a_right_one_in_a_later_window_gives_nothing_back() {
        let (state, reserved) = AttemptState::default()
            .reserve(at(NOW), &AttemptPolicy::TOTP)
            .unwrap();
        let (later, _) = state.reserve(at(NOW + 60), &AttemptPolicy::TOTP).unwrap();
        assert_eq!(later.succeed(&reserved, None).unwrap().window_count, 1);
    }

    #[test]
    fn the_tenth_one_does_not_lock_when_it_was_right_or_used_before() {
        let tenth = AttemptState {
            fails: 9,
            ..AttemptState::default()
        };
        let (state, reserved) = tenth.reserve(at(NOW), &AttemptPolicy::TOTP).unwrap();
        assert!(reserved.locks && state.locked_until > NOW);
        assert_eq!(state.succeed(&reserved, None).unwrap().locked_until, 0);
        let forgiven = state.forgive();
        assert_eq!((forgiven.fails, forgiven.locked_until), (9, 0));
        assert_eq!(forgiven.window_count, 1, "it counts in its window");
    }

    #[test]
    fn the_hundredth_one_does_not_end_the_app_when_it_was_used_before() {
        let last = AttemptState {
            fails: 99,
            ..AttemptState::default()
        };
        let (state, reserved) = last.reserve(at(NOW), &AttemptPolicy::TOTP).unwrap();
        assert!(reserved.locks && state.disabled_at == Some(NOW));
        assert_eq!(state.forgive().disabled_at, None);
        assert_eq!(state.succeed(&reserved, None).unwrap().disabled_at, None);
    }

    #[test]
    fn lifting_leaves_the_window_and_the_used_step() {
        let state = AttemptState {
            fails: 100,
            window_start: NOW,
            window_count: 5,
            locked_until: NOW + 900,
            disabled_at: Some(NOW),
            last_step: 7,
        };
        let lifted = state.lift();
        assert_eq!(
            (lifted.fails, lifted.locked_until, lifted.disabled_at),
            (0, 0, None)
        );
        assert_eq!((lifted.window_count, lifted.last_step), (5, 7));
    }

    #[test]
    fn a_clock_that_jumps_shortens_no_lock_and_breaks_nothing() {
        let jumps = [
            i64::MIN,
            -1,
            0,
            NOW - 400 * 86_400,
            NOW - 3_600,
            NOW + 3_600,
            NOW + 400 * 86_400,
            2_147_483_648,
            4_294_967_296,
            i64::MAX,
        ];
        for jump in jumps {
            let mut state = AttemptState {
                fails: 9,
                ..AttemptState::default()
            };
            exhaust(&mut state, NOW, &AttemptPolicy::TOTP);
            let locked_until = state.locked_until;
            assert_eq!(locked_until, NOW + 900);
            exhaust(&mut state, jump, &AttemptPolicy::TOTP);
            assert!(state.locked_until >= locked_until, "{jump}");
            assert_eq!(
                exhaust(&mut state, NOW + 899, &AttemptPolicy::TOTP),
                0,
                "{jump}"
            );
            let _ = state.retry_after(at(jump), &AttemptPolicy::TOTP);
        }
    }

    #[test]
    fn a_window_from_before_the_clock_was_set_back_keeps_nobody_out() {
        let mut state = AttemptState::default();
        exhaust(&mut state, NOW + 400 * 86_400, &AttemptPolicy::SOURCE);
        assert_eq!(exhaust(&mut state, NOW, &AttemptPolicy::SOURCE), 100);
        // Clocks of two nodes may differ by a little, which gives no new tries.
        assert_eq!(exhaust(&mut state, NOW - 60, &AttemptPolicy::SOURCE), 0);
    }
}
