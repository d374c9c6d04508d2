use keyward_core::{StoreError, Timestamp};
use keyward_crypto::TotpStep;

use crate::{AttemptPolicy, LimitSubject, UserId};

/// The attempts of one subject. A store keeps it and changes it by one statement each time; this
/// says what that statement does.
///
/// ```
/// use keyward_auth::{AttemptPolicy, AttemptState};
/// use keyward_core::Timestamp;
///
/// let (now, policy) = (Timestamp(1_800_000_000), AttemptPolicy::TOTP);
/// let mut state = AttemptState::default();
/// for _ in 0..5 {
///     // Counted as a wrong one before anybody looks at the code.
///     state = state.reserve(now, &policy).ok_or("five in a minute")?.0;
/// }
/// assert!(state.reserve(now, &policy).is_none());
/// assert_eq!(state.retry_after(now, &policy), Some(60));
/// assert!(state.reserve(now.plus(60), &policy).is_some());
/// # Ok::<(), &str>(())
/// ```
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
    /// When the thirty days of the next member began.
    pub month_start: i64,
    /// Wrong attempts since then, and those that are being evaluated. Right ones leave it.
    pub month_fails: i64,
}

impl AttemptState {
    /// Counts an attempt before anybody looks at it, as if it were wrong. `None`: it is not to be
    /// looked at, and nothing has changed.
    #[must_use]
    pub fn reserve(&self, now: Timestamp, policy: &AttemptPolicy) -> Option<(Self, Reserved)> {
        let now = attempt_time(now);
        let opens_window = self.opens_window(now);
        if self.disabled_at.is_some()
            || self.locked_until > now
            || !(opens_window || self.window_count < policy.per_window)
        {
            return None;
        }
        let fails = self.fails.saturating_add(1);
        let opens_month = is_outside(now, self.month_start, MONTH_SECONDS);
        let month_fails = if opens_month {
            1
        } else {
            self.month_fails.saturating_add(1)
        };
        let state = Self {
            fails,
            window_start: if opens_window { now } else { self.window_start },
            window_count: if opens_window {
                1
            } else {
                self.window_count + 1
            },
            locked_until: if policy.locks(fails) {
                now.saturating_add(lock_seconds(fails / policy.lock_every))
            } else {
                self.locked_until
            },
            disabled_at: policy.ends(fails, month_fails).then_some(now),
            last_step: self.last_step,
            month_start: if opens_month { now } else { self.month_start },
            month_fails,
        };
        let reserved = Reserved::new(policy, state.window_start, fails, month_fails);
        Some((state, reserved))
    }

    /// The attempt was right: the row of wrong ones ends, and the attempt is given back. Others that were
    /// wrong in these thirty days stay counted. `None` when
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
            month_fails: (self.month_fails - 1).max(0),
            ..*self
        })
    }

    /// What was counted by `policy` was no guess: the code was right but used, or nobody looked at the
    /// password. It counts in its window only.
    #[must_use]
    pub fn forgive(&self, policy: &AttemptPolicy) -> Self {
        let locked_here = policy.locks(self.fails);
        let fails = (self.fails - 1).max(0);
        let month_fails = (self.month_fails - 1).max(0);
        Self {
            fails,
            locked_until: if locked_here { 0 } else { self.locked_until },
            disabled_at: self.disabled_at.filter(|_| policy.ends(fails, month_fails)),
            month_fails,
            ..*self
        }
    }

    /// An administrator lifts lock and end, and what was wrong is forgotten. The window and the used step
    /// stay.
    #[must_use]
    pub fn lift(&self) -> Self {
        Self {
            fails: 0,
            locked_until: 0,
            disabled_at: None,
            month_fails: 0,
            ..*self
        }
    }

    /// In how many seconds the next attempt may be made, at least 1; `None` when somebody has to
    /// lift the end.
    #[must_use]
    pub fn retry_after(&self, now: Timestamp, policy: &AttemptPolicy) -> Option<i64> {
        let now = attempt_time(now);
        let unlocked = self.locked_until.max(now);
        // What counts is the window at the end of the lock: the clock may have been set back.
        let is_full = self.window_count >= policy.per_window && !self.opens_window(unlocked);
        let next = if is_full {
            self.window_start.saturating_add(WINDOW_SECONDS)
        } else {
            unlocked
        };
        let wait = next.saturating_sub(now).max(1);
        self.disabled_at.is_none().then_some(wait)
    }

    /// A window that lies in the future was opened before the clock was set back.
    fn opens_window(&self, now: i64) -> bool {
        is_outside(now, self.window_start, WINDOW_SECONDS)
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
    /// The wrong attempts in thirty days, this one included.
    pub month_fails: i64,
    /// Whether it locks if it is wrong.
    pub locks: bool,
}

impl Reserved {
    /// What `policy` says of an attempt that is counted in a window, in a row and in thirty days.
    #[must_use]
    pub fn new(policy: &AttemptPolicy, window_start: i64, fails: i64, month_fails: i64) -> Self {
        Self {
            window_start,
            fails,
            month_fails,
            locks: policy.locks(fails) || policy.ends(fails, month_fails),
        }
    }
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
    fn forgive_attempt(
        &mut self,
        subject: &LimitSubject,
        policy: &AttemptPolicy,
    ) -> Result<(), StoreError>;

    /// Does [`AttemptState::lift`] for everything that is counted for an account.
    fn lift_limits(&mut self, account: UserId) -> Result<(), StoreError>;

    /// The attempts of one subject.
    fn attempts(&mut self, subject: &LimitSubject) -> Result<Option<AttemptState>, StoreError>;

    /// Drops up to `limit` rows of passwords and proofs that were not tried since `before` and are not locked
    /// at `now`, and says how many. What is counted for an authenticator stays. Rows that another
    /// unit of work holds may stay for the next time.
    fn forget_attempts(
        &mut self,
        before: Timestamp,
        now: Timestamp,
        limit: i64,
    ) -> Result<usize, StoreError>;
}

/// How long attempts are counted together.
pub const WINDOW_SECONDS: i64 = 60;

/// How long wrong attempts are added up that right ones do not take back.
pub const MONTH_SECONDS: i64 = 30 * 24 * 60 * 60;

/// Whether `now` belongs to another span than the one from `start` on.
fn is_outside(now: i64, start: i64, seconds: i64) -> bool {
    now >= start.saturating_add(seconds) || now < start.saturating_sub(seconds)
}

/// A time as attempts are counted by it. Beyond what any calendar shows it stands still, so that
/// neither Rust nor a database computes with numbers that are too large for it.
#[must_use]
pub fn attempt_time(now: Timestamp) -> i64 {
    now.0.clamp(-LATEST, LATEST)
}

/// How long the lock with this number, from 1, lasts.
#[must_use]
pub fn lock_seconds(number: i64) -> i64 {
    let doublings = number.saturating_sub(1).clamp(0, 7);
    (FIRST_LOCK << doublings).min(LONGEST_LOCK)
}

const FIRST_LOCK: i64 = 15 * 60;
const LONGEST_LOCK: i64 = 24 * 60 * 60;
const LATEST: i64 = i64::MAX / 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MANY_WRONG;

    const TOTP: AttemptPolicy = AttemptPolicy::TOTP;
    const NOW: i64 = 1_800_000_000;

    /// One subject and a clock, as a store keeps them.
    struct Subject {
        state: AttemptState,
        policy: AttemptPolicy,
    }

    impl Subject {
        fn new(policy: AttemptPolicy) -> Self {
            let state = AttemptState::default();
            Self { state, policy }
        }

        fn try_at(&mut self, now: i64) -> Option<Reserved> {
            let (state, reserved) = self.state.reserve(Timestamp(now), &self.policy)?;
            self.state = state;
            Some(reserved)
        }

        fn tries_at(&mut self, now: i64, times: usize) -> usize {
            (0..times).filter_map(|_| self.try_at(now)).count()
        }

        /// Fails until the count stands at `fails`, without a lock or a full window.
        fn failed(policy: AttemptPolicy, fails: i64) -> Self {
            let mut subject = Self::new(policy);
            subject.state.fails = fails;
            subject
        }

        fn succeed(&mut self, reserved: &Reserved, step: Option<i64>) -> bool {
            let step = step.map(|step| TotpStep::at(step * 30));
            let Some(state) = self.state.succeed(reserved, step) else {
                return false;
            };
            self.state = state;
            true
        }

        fn retry_after(&self, now: i64) -> Option<i64> {
            self.state.retry_after(Timestamp(now), &self.policy)
        }

        /// Whether `retry_after` is the first second that lets one in, where `now` does not.
        fn tells_when(&self, now: i64) -> bool {
            let opens = |at: i64| self.state.reserve(Timestamp(at), &self.policy).is_some();
            if opens(now) {
                return self.retry_after(now) == Some(1);
            }
            let wait = self.retry_after(now).unwrap();
            opens(now + wait) && !opens(now + wait - 1)
        }
    }

    #[test]
    fn five_of_a_thousand_at_once_are_evaluated() {
        let mut subject = Subject::new(TOTP);
        assert_eq!(subject.tries_at(NOW, 1_000), 5);
        assert_eq!((subject.state.fails, subject.state.window_count), (5, 5));
        assert_eq!(subject.tries_at(NOW + 59, 1_000), 0);
        assert_eq!(subject.tries_at(NOW + 60, 1_000), 5);
        assert_eq!(subject.state.window_start, NOW + 60);
    }

    #[test]
    fn eight_days_of_guessing_evaluate_a_hundred() {
        let mut subject = Subject::new(TOTP);
        let mut evaluated = Vec::new();
        for second in 0..8 * 86_400 {
            if subject.try_at(NOW + second).is_some() {
                evaluated.push(second);
            }
        }
        assert_eq!(evaluated.len(), 100);
        assert_eq!(
            subject.state.disabled_at,
            evaluated.last().map(|at| NOW + at)
        );
        assert_eq!(subject.retry_after(NOW + 8 * 86_400), None);
        assert_eq!(subject.tries_at(i64::MAX, 10), 0);
    }

    #[test]
    fn who_guesses_between_the_logins_of_the_owner_has_two_hundred_in_thirty_days() {
        let mut subject = Subject::new(TOTP);
        let mut evaluated = 0;
        for day in 0..60 {
            let now = NOW + day * 86_400;
            let guesses = subject.tries_at(now, 4) + subject.tries_at(now + 60, 4);
            evaluated += guesses;
            let Some(owner) = subject.try_at(now + 7_200) else {
                break;
            };
            assert!(subject.succeed(&owner, Some(60_000_000 + day)));
        }
        assert_eq!(evaluated, 200);
        assert_eq!(subject.state.month_fails, 200);
        assert_eq!(subject.retry_after(NOW + 60 * 86_400), None);
        subject.state = subject.state.lift();
        assert_eq!(
            subject.tries_at(NOW + 60 * 86_400, 5),
            5,
            "somebody lifted it"
        );
    }

    #[test]
    fn fewer_wrong_ones_in_thirty_days_end_nothing() {
        let mut subject = Subject::new(TOTP);
        for day in 0..365 {
            let now = NOW + day * 86_400;
            assert_eq!(subject.tries_at(now, 5), 5, "{day}");
            let owner = subject.try_at(now + 60).unwrap();
            assert!(subject.succeed(&owner, Some(60_000_000 + day)));
            assert!(subject.state.month_fails <= 150, "{day}");
        }
        assert_eq!(subject.state.month_start, NOW + 360 * 86_400);
    }

    #[test]
    fn recovery_codes_and_passwords_never_end() {
        for policy in [AttemptPolicy::RECOVERY, AttemptPolicy::PASSWORD] {
            let mut subject = Subject::failed(policy, 99);
            subject.state.month_start = NOW;
            subject.state.month_fails = 199;
            assert!(subject.try_at(NOW).unwrap().locks, "they lock");
            assert_eq!(subject.state.disabled_at, None);
            assert_eq!(subject.state.locked_until, NOW + 86_400);
            assert_eq!(subject.tries_at(NOW + 86_399, 1), 0);
            assert_eq!(subject.tries_at(NOW + 86_400, 9), 5);
        }
    }

    #[test]
    fn a_network_gets_a_hundred_a_minute_and_is_never_locked() {
        let mut subject = Subject::new(AttemptPolicy::SOURCE);
        for minute in 0..100 {
            assert_eq!(subject.tries_at(NOW + minute * 60, 1_000), 100);
        }
        assert_eq!(subject.state.locked_until, 0);
        assert_eq!(subject.state.disabled_at, None);
    }

    #[test]
    fn every_tenth_wrong_one_locks() {
        for fails in 1..=120 {
            let mut subject = Subject::failed(AttemptPolicy::RECOVERY, fails - 1);
            let reserved = subject.try_at(NOW).unwrap();
            assert_eq!(reserved.fails, fails);
            assert_eq!(reserved.locks, fails % 10 == 0, "{fails}");
            let lock = if fails % 10 == 0 {
                NOW + lock_seconds(fails / 10)
            } else {
                0
            };
            assert_eq!(subject.state.locked_until, lock, "{fails}");
        }
    }

    #[test]
    fn locks_double_up_to_a_day() {
        let minutes = [15, 30, 60, 120, 240, 480, 960, 1_440, 1_440, 1_440];
        for (number, minutes) in (1..).zip(minutes) {
            assert_eq!(lock_seconds(number), minutes * 60, "lock {number}");
        }
        assert_eq!(lock_seconds(i64::MAX), 86_400);
        assert_eq!(lock_seconds(0), 900);
        assert_eq!(lock_seconds(i64::MIN), 900);
    }

    #[test]
    fn the_hundredth_wrong_one_is_the_end() {
        let mut subject = Subject::failed(TOTP, 98);
        assert!(!subject.try_at(NOW).unwrap().locks);
        assert_eq!(subject.state.disabled_at, None);
        assert!(subject.try_at(NOW).unwrap().locks);
        assert_eq!(subject.state.disabled_at, Some(NOW));
        assert_eq!(subject.state.reserve(Timestamp(i64::MAX), &TOTP), None);
    }

    #[test]
    fn an_end_that_is_no_multiple_of_a_lock_is_said_too() {
        let odd = AttemptPolicy {
            disable_at: 3,
            ..TOTP
        };
        let mut subject = Subject::failed(odd, 2);
        assert!(subject.try_at(NOW).unwrap().locks);
        assert_eq!(subject.state.locked_until, 0);
        assert_eq!(subject.state.disabled_at, Some(NOW));
    }

    #[test]
    fn a_refused_attempt_changes_nothing() {
        let states = [
            AttemptState {
                locked_until: NOW + 1,
                ..AttemptState::default()
            },
            AttemptState {
                disabled_at: Some(0),
                ..AttemptState::default()
            },
            AttemptState {
                window_start: NOW,
                window_count: 5,
                ..AttemptState::default()
            },
        ];
        for state in states {
            assert_eq!(state.reserve(Timestamp(NOW), &TOTP), None, "{state:?}");
        }
    }

    #[test]
    fn a_lock_ends_in_its_last_second() {
        let mut subject = Subject::new(TOTP);
        subject.state.locked_until = NOW;
        assert_eq!(subject.tries_at(NOW - 1, 1), 0);
        assert_eq!(subject.tries_at(NOW, 1), 1);
    }

    #[test]
    fn a_clock_that_goes_back_a_little_stays_in_its_window() {
        let mut subject = Subject::new(TOTP);
        assert_eq!(subject.tries_at(NOW, 3), 3);
        assert_eq!(subject.tries_at(NOW - 60, 9), 2);
        assert_eq!(subject.state.window_start, NOW);
        assert_eq!(subject.tries_at(NOW - 61, 9), 5, "that was another clock");
        assert_eq!(subject.state.window_start, NOW - 61);
    }

    #[test]
    fn a_right_one_ends_the_row_and_is_given_back() {
        let mut subject = Subject::failed(TOTP, 7);
        let first = subject.try_at(NOW).unwrap();
        let second = subject.try_at(NOW + 1).unwrap();
        assert!(subject.succeed(&second, Some(60_000_000)));
        let expected = AttemptState {
            window_start: NOW,
            window_count: 1,
            last_step: 60_000_000,
            month_start: NOW,
            month_fails: 1,
            ..AttemptState::default()
        };
        assert_eq!(subject.state, expected);
        assert!(subject.succeed(&first, None));
        assert!(subject.succeed(&first, None), "never below nothing");
        assert_eq!(subject.state.window_count, 0);
    }

    #[test]
    fn a_right_one_is_given_back_to_its_own_window_only() {
        let mut subject = Subject::new(TOTP);
        let reserved = subject.try_at(NOW).unwrap();
        assert_eq!(subject.tries_at(NOW + 60, 2), 2);
        assert!(subject.succeed(&reserved, None));
        assert_eq!(subject.state.window_count, 2);
        assert_eq!(subject.state.fails, 0);
    }

    #[test]
    fn a_right_one_that_was_reserved_before_the_end_lifts_it() {
        let mut subject = Subject::failed(TOTP, 98);
        let reserved = subject.try_at(NOW).unwrap();
        assert!(subject.try_at(NOW).is_some());
        assert!(subject.succeed(&reserved, Some(60_000_000)));
        assert_eq!(subject.state.disabled_at, None);
        assert_eq!(subject.state.locked_until, 0);
    }

    #[test]
    fn a_step_is_accepted_once_and_never_an_earlier_one() {
        let mut subject = Subject::new(TOTP);
        let reserved = subject.try_at(NOW).unwrap();
        assert!(!subject.succeed(&reserved, Some(0)), "nobody's first step");
        assert!(!subject.succeed(&reserved, Some(-1)));
        assert!(subject.succeed(&reserved, Some(1)));
        let before = subject.state;
        for used in [1, 0, -5] {
            assert!(!subject.succeed(&reserved, Some(used)), "{used}");
        }
        assert_eq!(subject.state, before);
        assert!(subject.succeed(&reserved, None));
        assert_eq!(subject.state.last_step, 1);
        assert!(subject.succeed(&reserved, Some(2)));
    }

    #[test]
    fn a_used_code_counts_in_its_window_only() {
        let mut subject = Subject::failed(TOTP, 3);
        subject.try_at(NOW).unwrap();
        subject.state = subject.state.forgive(&TOTP);
        assert_eq!((subject.state.fails, subject.state.window_count), (3, 1));
        for _ in 0..4 {
            subject.try_at(NOW).unwrap();
            subject.state = subject.state.forgive(&TOTP);
        }
        assert_eq!(subject.tries_at(NOW, 1), 0);
        assert_eq!((subject.state.fails, subject.state.month_fails), (3, 0));
    }

    #[test]
    fn a_used_code_neither_locks_nor_ends() {
        for fails in [9, 19, 99] {
            let mut subject = Subject::failed(TOTP, fails);
            assert!(subject.try_at(NOW).unwrap().locks);
            subject.state = subject.state.forgive(&TOTP);
            assert_eq!(subject.state.fails, fails);
            assert_eq!(subject.state.locked_until, 0);
            assert_eq!(subject.state.disabled_at, None);
        }
    }

    #[test]
    fn a_used_code_takes_no_lock_of_others_away() {
        let locked = AttemptState {
            fails: 11,
            locked_until: NOW,
            disabled_at: Some(NOW),
            ..AttemptState::default()
        };
        assert_eq!(locked.forgive(&TOTP).locked_until, NOW);
        let ended = |fails| AttemptState { fails, ..locked }.forgive(&TOTP).disabled_at;
        assert_eq!(ended(101), Some(NOW));
        assert_eq!(ended(100), None);
        let in_month = |month_fails| {
            let state = AttemptState {
                month_fails,
                ..locked
            };
            state.forgive(&TOTP).disabled_at
        };
        assert_eq!(in_month(201), Some(NOW));
        assert_eq!(in_month(200), None);
        assert_eq!(
            AttemptState::default().forgive(&TOTP),
            AttemptState::default()
        );
    }

    #[test]
    fn what_nobody_looked_at_locks_under_no_policy() {
        for policy in [TOTP, AttemptPolicy::PASSWORD_GUESSED] {
            let mut subject = Subject::failed(policy, policy.lock_every - 1);
            assert!(subject.try_at(NOW).unwrap().locks);
            assert_eq!(subject.tries_at(NOW, 1), 0);
            subject.state = subject.state.forgive(&policy);
            assert_eq!(subject.state.fails, policy.lock_every - 1);
            assert_eq!(subject.tries_at(NOW, 1), 1);
        }
    }

    #[test]
    fn from_a_hundred_wrong_passwords_on_every_second_one_of_a_network_locks() {
        for (wrong, evaluated) in [(0, 5), (99, 5), (100, 2), (10_000, 2)] {
            let mut subject = Subject::new(AttemptPolicy::of_password(wrong));
            assert_eq!(subject.tries_at(NOW, 1_000), evaluated, "{wrong}");
        }
        let mut network = Subject::new(AttemptPolicy::of_password(MANY_WRONG));
        let times: Vec<_> = (0..24 * 3_600)
            .filter(|second| network.try_at(NOW + second).is_some())
            .collect();
        let quarter = 15 * 60;
        let locks = [0, 1, 3, 7, 15, 31, 63].map(|quarters| quarters * quarter);
        let expected: Vec<_> = locks.into_iter().flat_map(|at| [at, at + 1]).collect();
        assert_eq!(
            times.iter().map(|at| at / 60).collect::<Vec<_>>(),
            expected.iter().map(|at| at / 60).collect::<Vec<_>>()
        );
    }

    #[test]
    fn passwords_from_everywhere_are_counted_and_never_stopped() {
        let mut subject = Subject::new(AttemptPolicy::EVERYWHERE);
        assert_eq!(subject.tries_at(NOW, 1_000), 1_000);
        let last = subject.try_at(NOW).unwrap();
        assert_eq!((last.fails, last.locks), (1_001, false));
        subject.state.fails = i64::MAX - 1;
        assert!(subject.try_at(NOW).is_some());
    }

    #[test]
    fn lifting_leaves_the_window_and_the_used_step() {
        let state = AttemptState {
            fails: 100,
            window_start: NOW,
            window_count: 5,
            locked_until: NOW + 86_400,
            disabled_at: Some(NOW),
            last_step: 60_000_000,
            month_start: NOW,
            month_fails: 150,
        };
        let expected = AttemptState {
            fails: 0,
            locked_until: 0,
            disabled_at: None,
            month_fails: 0,
            ..state
        };
        assert_eq!(state.lift(), expected);
    }

    #[test]
    fn the_time_to_wait_is_neither_too_long_nor_too_short() {
        let mut subject = Subject::new(TOTP);
        assert_eq!(subject.retry_after(NOW), Some(1));
        subject.tries_at(NOW, 5);
        assert_eq!(subject.retry_after(NOW), Some(60));
        assert_eq!(subject.retry_after(NOW + 59), Some(1));
        assert_eq!(subject.retry_after(NOW - 60), Some(120));
        subject.tries_at(NOW + 60, 5);
        assert_eq!(subject.retry_after(NOW + 60), Some(900));
        for now in [0, 60, 61, 959, 960] {
            assert!(subject.tells_when(NOW + now), "{now}");
        }
    }

    #[test]
    fn the_time_to_wait_is_right_in_every_state() {
        let around = [-121, -61, -60, -59, -1, 0, 1, 59, 60, 61, 900];
        for (start, lock) in around.iter().flat_map(|a| around.map(|b| (*a, b))) {
            for window_count in [4, 5, 6] {
                let mut subject = Subject::new(TOTP);
                subject.state.window_count = window_count;
                subject.state.window_start = NOW + start;
                subject.state.locked_until = NOW + lock;
                assert!(subject.tells_when(NOW), "{:?}", subject.state);
            }
        }
    }

    #[test]
    fn no_clock_is_too_much() {
        let clocks = [
            i64::MIN,
            i64::MIN + 1,
            -62_135_596_800,
            -1,
            0,
            1,
            i64::from(i32::MAX),
            i64::from(i32::MAX) + 1,
            i64::from(u32::MAX),
            i64::from(u32::MAX) + 1,
            253_402_300_800,
            i64::MAX - 1,
            i64::MAX,
        ];
        for (first, second) in clocks.iter().flat_map(|a| clocks.map(|b| (*a, b))) {
            let mut subject = Subject::failed(TOTP, 4);
            // Before 1970 nothing is evaluated: a fresh row is unlocked since then.
            let evaluated = usize::from(first >= 0);
            assert_eq!(subject.tries_at(first, 1), evaluated, "{first}");
            subject.tries_at(second, 50);
            let state = &subject.state;
            assert!(state.fails <= 10, "{first} {second}");
            assert!(subject.retry_after(first).is_some_and(|wait| wait > 0));
            assert!(subject.retry_after(second).is_some_and(|wait| wait > 0));
        }
        for far in [i64::MIN, i64::MAX] {
            let state = AttemptState {
                window_start: far,
                locked_until: far,
                ..AttemptState::default()
            };
            for now in clocks {
                let now = Timestamp(now);
                assert_eq!(state.reserve(now, &TOTP).is_some(), far == i64::MIN);
                assert!(state.retry_after(now, &TOTP).is_some());
            }
        }
    }

    #[test]
    fn no_count_is_too_much() {
        let mut subject = Subject::failed(AttemptPolicy::RECOVERY, i64::MAX - 1);
        assert_eq!(subject.try_at(NOW).unwrap().fails, i64::MAX);
        assert_eq!(subject.state.disabled_at, Some(NOW));
        let beyond = AttemptState {
            disabled_at: None,
            ..subject.state
        };
        let (state, _) = beyond.reserve(Timestamp(NOW), &subject.policy).unwrap();
        assert_eq!(state.fails, i64::MAX);
    }

    #[test]
    fn a_time_is_what_it_is_for_as_long_as_anybody_counts() {
        for now in [-62_135_596_800, 0, NOW, 253_402_300_800] {
            assert_eq!(attempt_time(Timestamp(now)), now);
        }
        let (first, last) = (Timestamp(i64::MIN), Timestamp(i64::MAX));
        assert_eq!(attempt_time(first), -attempt_time(last));
    }
}
