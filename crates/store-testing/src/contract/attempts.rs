use keyward_auth::{
    AttemptLimits, AttemptPolicy, AttemptState, LimitSubject, Reserved, SecondFactors, TotpSecrets,
    UserId, Users,
};
use keyward_core::{Id, Store, StoreError, Timestamp};
use keyward_crypto::TotpStep;

use super::random::Random;
use super::rows::{added_user, macs};
use super::run::{count, race, read, undone, write};

/// Checks what [`AttemptLimits`] promises, races included.
///
/// # Panics
///
/// At the first promise that is broken.
pub fn attempt_limits<S: Store<Tx: AttemptLimits + Users>>(store: &S) {
    let (user, other) = (added_user(store), added_user(store));
    attempt_limits_of(store, user, other);
}

/// The same as [`attempt_limits()`] for a store that adds no users by [`Users`]: `user` and `other`
/// must be two users that it knows, if it knows any, for whom nothing was counted.
///
/// # Panics
///
/// At the first promise that is broken.
pub fn attempt_limits_of<S: Store<Tx: AttemptLimits>>(store: &S, user: UserId, other: UserId) {
    an_attempt_is_counted_before_anything_else(store, user);
    an_attempt_too_many_changes_nothing(store, user);
    an_end_holds_until_it_is_lifted(store, user);
    right_ones_take_back_nothing_in_thirty_days(store, user);
    a_failed_unit_of_work_counts_nothing(store, other);
    what_is_not_known_succeeds_never(store);
    a_step_is_accepted_once(store, &LimitSubject::recovery(user));
    limits_are_lifted_for_one_account(store, user, other);
    old_counts_of_passwords_are_forgotten(store, user);
    random_attempts_follow_the_rules(store, user, 1, 600);
    of_racing_attempts_as_many_as_allowed_are_evaluated(store);
    of_racing_attempts_one_reaches_the_lock(store);
    of_racing_codes_one_is_accepted(store);
}

fn an_attempt_is_counted_before_anything_else<S: Store<Tx: AttemptLimits>>(
    store: &S,
    user: UserId,
) {
    let subject = LimitSubject::totp(user);
    assert_eq!(
        state(store, &subject),
        None,
        "attempts: a subject that nobody tried has a count"
    );
    let reserved = reserve(store, &subject, NOW);
    let expected = Reserved {
        window_start: NOW,
        fails: 1,
        month_fails: 1,
        locks: false,
    };
    assert_eq!(
        reserved,
        Some(expected),
        "reserve_attempt: the first attempt of a subject must be counted and granted"
    );
    let expected = AttemptState {
        fails: 1,
        window_start: NOW,
        window_count: 1,
        month_start: NOW,
        month_fails: 1,
        ..AttemptState::default()
    };
    assert_eq!(
        state(store, &subject),
        Some(expected),
        "attempts: not what reserve_attempt has counted"
    );
    assert_eq!(
        state(store, &LimitSubject::recovery(user)),
        None,
        "reserve_attempt: counted for another factor of the person too"
    );
}

pub(crate) fn an_attempt_too_many_changes_nothing<S: Store<Tx: AttemptLimits>>(
    store: &S,
    user: UserId,
) {
    let subject = LimitSubject::password(&macs(), Some(user), "ada", "192.0.2.1");
    for _ in 0..5 {
        assert!(
            reserve(store, &subject, NOW).is_some(),
            "reserve_attempt: fewer attempts in a window than the policy allows"
        );
    }
    let before = state(store, &subject);
    for now in [NOW, NOW + 59, NOW - 60] {
        assert_eq!(
            reserve(store, &subject, now),
            None,
            "reserve_attempt: more attempts in a window than the policy allows"
        );
    }
    assert_eq!(
        state(store, &subject),
        before,
        "reserve_attempt: None, but something was counted"
    );
    assert!(
        reserve(store, &subject, NOW + 60).is_some(),
        "reserve_attempt: refused in a window of its own"
    );
}

/// A lock comes with most ends, and would hide one that does not hold.
pub(crate) fn an_end_holds_until_it_is_lifted<S: Store<Tx: AttemptLimits>>(
    store: &S,
    user: UserId,
) {
    let subject = LimitSubject::password(&macs(), Some(user), "ada", "192.0.2.4");
    let policy = AttemptPolicy {
        per_window: 100,
        lock_every: 100,
        disable_at: 3,
        disable_at_in_month: 100,
    };
    let reserve = |at| reserve_under(&policy, store, &subject, at);
    for _ in 0..3 {
        assert!(
            reserve(NOW).is_some(),
            "reserve_attempt: fewer attempts than the policy allows"
        );
    }
    let before = state(store, &subject);
    for at in [NOW, NOW + 60, NOW + 400 * 86_400] {
        assert_eq!(
            reserve(at),
            None,
            "reserve_attempt: an attempt after the end was granted"
        );
    }
    assert_eq!(
        state(store, &subject),
        before,
        "reserve_attempt: None, but something was counted"
    );
    write(store, |tx| tx.lift_limits(user));
    assert!(
        reserve(NOW + 60).is_some(),
        "lift_limits: the end was not lifted"
    );
}

/// A row of wrong ones ends with each login of the owner; their sum does not.
pub(crate) fn right_ones_take_back_nothing_in_thirty_days<S: Store<Tx: AttemptLimits>>(
    store: &S,
    user: UserId,
) {
    let subject = LimitSubject::password(&macs(), Some(user), "ada", "192.0.2.5");
    let policy = AttemptPolicy {
        per_window: 100,
        lock_every: 100,
        disable_at: 100,
        disable_at_in_month: 6,
    };
    let reserve = |at| reserve_under(&policy, store, &subject, at);
    for step in 0..2 {
        let (wrong, right) = (reserve(NOW), reserve(NOW));
        let (Some(_), Some(right)) = (wrong, right) else {
            panic!("reserve_attempt: fewer attempts in thirty days than the policy allows");
        };
        assert!(
            succeed(store, &subject, &right, Some(STEP + step)),
            "attempt_succeeded: false for a step that is higher"
        );
    }
    // Two were wrong, and four more may be.
    let granted = (0..6).filter(|_| reserve(NOW + 61).is_some()).count();
    assert_eq!(
        granted, 4,
        "reserve_attempt: other than the policy allows in thirty days, in spite of right ones"
    );
}

fn a_failed_unit_of_work_counts_nothing<S: Store<Tx: AttemptLimits>>(store: &S, user: UserId) {
    let subject = LimitSubject::totp(user);
    let reserved = undone(store, |tx| {
        tx.reserve_attempt(&subject, Timestamp(NOW), &AttemptPolicy::TOTP)
    });
    assert!(reserved.is_some(), "reserve_attempt: None for a new one");
    assert_eq!(
        state(store, &subject),
        None,
        "reserve_attempt: what a failed `write` counted was kept"
    );
}

fn what_is_not_known_succeeds_never<S: Store<Tx: AttemptLimits>>(store: &S) {
    let unknown = LimitSubject::totp(Id::generate());
    let reserved = Reserved {
        window_start: NOW,
        fails: 1,
        month_fails: 1,
        locks: false,
    };
    let succeeded = write(store, |tx| {
        tx.forgive_attempt(&unknown, &AttemptPolicy::TOTP)?;
        tx.lift_limits(Id::generate())?;
        tx.attempt_succeeded(&unknown, &reserved, Some(TotpStep::from_number(7)))
    });
    assert!(
        !succeeded,
        "attempt_succeeded: true for a subject that nobody tried"
    );
    assert_eq!(
        state(store, &unknown),
        None,
        "a subject came to be without reserve_attempt"
    );
}

pub(crate) fn a_step_is_accepted_once<S: Store<Tx: AttemptLimits>>(
    store: &S,
    subject: &LimitSubject,
) {
    let reserved = reserve(store, subject, NOW);
    let reserved = reserved.unwrap_or_else(|| panic!("reserve_attempt: None for a new one"));
    for (step, expected) in [
        (Some(0), false),
        (Some(STEP), true),
        (Some(STEP), false),
        (Some(STEP - 1), false),
        (Some(0), false),
        (None, true),
        (Some(STEP), false),
        (Some(STEP + 1), true),
        (Some(STEP), false),
    ] {
        let before = state(store, subject);
        let succeeded = succeed(store, subject, &reserved, step);
        assert_eq!(
            succeeded, expected,
            "attempt_succeeded: the step {step:?} was answered wrongly; a step is written only \
             over a lower one, and none leaves it as it is"
        );
        if !succeeded {
            assert_eq!(
                state(store, subject),
                before,
                "attempt_succeeded: false, but something was written"
            );
        }
    }
    let last = state(store, subject).map(|state| state.last_step);
    assert_eq!(
        last,
        Some(STEP + 1),
        "attempt_succeeded: the last step is not the one that was accepted last"
    );
}

pub(crate) fn limits_are_lifted_for_one_account<S: Store<Tx: AttemptLimits>>(
    store: &S,
    user: UserId,
    other: UserId,
) {
    let mine = [
        LimitSubject::totp(user),
        LimitSubject::recovery(user),
        LimitSubject::password(&macs(), Some(user), "ada", "192.0.2.2"),
    ];
    let source = format!("network of {user}");
    let others = [
        LimitSubject::totp(other),
        LimitSubject::password(&macs(), Some(other), "eve", "192.0.2.2"),
        LimitSubject::password(&macs(), None, &user.to_string(), &source),
        LimitSubject::source(&macs(), &source),
    ];
    let strict = AttemptPolicy {
        per_window: 100,
        lock_every: 2,
        disable_at: 3,
        disable_at_in_month: 100,
    };
    for subject in mine.iter().chain(&others) {
        for at in [NOW + 9_000, NOW + 9_000, NOW + 90_000] {
            write(store, |tx| {
                tx.reserve_attempt(subject, Timestamp(at), &strict)
            });
        }
    }
    let before = mine.each_ref().map(|subject| state(store, subject));
    let untouched = others.each_ref().map(|subject| state(store, subject));
    write(store, |tx| tx.lift_limits(user));
    for (subject, before) in mine.iter().zip(before) {
        assert_eq!(
            state(store, subject),
            before.map(|before| before.lift()),
            "lift_limits: lock and end of everything of the account must be lifted, but neither \
             the window nor the used step"
        );
    }
    assert_eq!(
        others.each_ref().map(|subject| state(store, subject)),
        untouched,
        "lift_limits: lifted what is not of this account"
    );
}

pub(crate) fn old_counts_of_passwords_are_forgotten<S: Store<Tx: AttemptLimits>>(
    store: &S,
    user: UserId,
) {
    let forget = |before, now, limit| {
        write(store, |tx| {
            tx.forget_attempts(Timestamp(before), Timestamp(now), limit)
        })
    };
    // What earlier runs have left.
    forget(OLD + 1_000, i64::MAX, i64::MAX);
    let password = |n: i64| {
        let name = format!("{n} of {user}");
        LimitSubject::password(&macs(), Some(user), &name, &name)
    };
    let nobody = LimitSubject::password(&macs(), None, &user.to_string(), "192.0.2.3");
    let network = LimitSubject::source(&macs(), &user.to_string());
    let late = password(1);
    let locked = password(2);
    let kept = [LimitSubject::totp(user), LimitSubject::recovery(user)];
    let locking = AttemptPolicy {
        lock_every: 1,
        ..AttemptPolicy::PASSWORD
    };
    write(store, |tx| {
        for subject in [&nobody, &network].into_iter().chain(&kept) {
            tx.reserve_attempt(subject, Timestamp(OLD), &AttemptPolicy::SOURCE)?;
        }
        tx.reserve_attempt(&late, Timestamp(OLD + 1), &AttemptPolicy::PASSWORD)?;
        tx.reserve_attempt(&locked, Timestamp(OLD), &locking)
    });

    let steps = [
        (OLD, OLD + 899, 100, 0),
        (OLD + 1, OLD + 899, 0, 0),
        (OLD + 1, OLD + 899, 1, 1),
        (OLD + 1, OLD + 899, 100, 1),
        (OLD + 1, OLD + 899, 100, 0),
        (OLD + 1, OLD + 900, 100, 1),
        (OLD + 2, OLD + 900, 100, 1),
    ];
    for (before, now, limit, expected) in steps {
        assert_eq!(
            forget(before, now, limit),
            expected,
            "forget_attempts: the rows that are dropped before {before}, at {now}, up to {limit}: \
             those of passwords that were not tried since and are not locked"
        );
    }
    for subject in &kept {
        assert!(
            state(store, subject).is_some(),
            "forget_attempts: what is counted for an authenticator was dropped"
        );
    }
    for subject in [&nobody, &network, &late, &locked] {
        assert_eq!(
            state(store, subject),
            None,
            "forget_attempts: said that it dropped a row that is there"
        );
    }
}

/// A new secret gives no new attempts.
pub(crate) fn new_secrets_reset_nothing<S: Store<Tx: AttemptLimits + SecondFactors>>(
    store: &S,
    user: UserId,
) {
    let subjects = [LimitSubject::totp(user), LimitSubject::recovery(user)];
    for subject in &subjects {
        reserve(store, subject, NOW);
    }
    let before = subjects.each_ref().map(|subject| state(store, subject));
    write(store, |tx| {
        tx.set_totp_secrets(user, &TotpSecrets::default())?;
        tx.set_recovery_codes(user, &[])
    });
    assert_eq!(
        subjects.each_ref().map(|subject| state(store, subject)),
        before,
        "set_totp_secrets, set_recovery_codes: a new enrolment reset what is counted"
    );
}

/// Makes `operations` random changes of what is counted for `user`, with a clock that goes forward,
/// back, and to the ends of the calendar, and compares every answer and every state with
/// [`AttemptState`].
///
/// # Panics
///
/// At the first difference.
pub fn random_attempts_follow_the_rules<S: Store<Tx: AttemptLimits>>(
    store: &S,
    user: UserId,
    seed: u64,
    operations: usize,
) {
    let mut random = Random(seed);
    let subject = LimitSubject::totp(user);
    let mut sequence = Sequence {
        model: state(store, &subject),
        subject,
        policy: POLICIES[random.below(POLICIES.len())],
        now: NOW,
        reserved: Vec::new(),
    };
    let mut left = operations;
    while left > 0 {
        let batch = left.min(50);
        // Several in one unit of work, because that is much faster.
        sequence = write(store, |tx| {
            let mut next = sequence.clone();
            for _ in 0..batch {
                next.step(tx, &mut random)?;
            }
            Ok(next)
        });
        left -= batch;
        let stored = state(store, &sequence.subject);
        assert_eq!(
            stored, sequence.model,
            "attempts: other than in its `write`"
        );
    }
}

/// A subject, and what the rules say about it.
#[derive(Clone)]
struct Sequence {
    subject: LimitSubject,
    policy: AttemptPolicy,
    now: i64,
    model: Option<AttemptState>,
    reserved: Vec<Reserved>,
}

impl Sequence {
    fn step<Tx: AttemptLimits>(
        &mut self,
        tx: &mut Tx,
        random: &mut Random,
    ) -> Result<(), StoreError> {
        let before = self.model;
        let at = self.move_clock(random);
        let what = match random.below(20) {
            0..=11 => self.reserve(tx, at)?,
            12..=15 => self.succeed(tx, random)?,
            16..=18 => {
                tx.forgive_attempt(&self.subject, &self.policy)?;
                let policy = &self.policy;
                self.model = self.model.map(|model| model.forgive(policy));
                "forgive_attempt".to_owned()
            }
            _ => self.lift(tx, random)?,
        };
        assert_eq!(
            tx.attempts(&self.subject)?,
            self.model,
            "{what} at {at} under {:?}: the state is not what the rules say; before it was \
             {before:?}",
            self.policy
        );
        Ok(())
    }

    /// The time of one operation.
    fn move_clock(&mut self, random: &mut Random) -> i64 {
        let by = |random: &mut Random, most: usize| i64::try_from(random.below(most)).unwrap_or(0);
        match random.below(40) {
            0..=19 => self.now += by(random, 4),
            20..=29 => self.now += by(random, 61),
            30..=34 => self.now += by(random, 100_000),
            35..=36 => self.now -= by(random, 200),
            37 => self.now -= by(random, 200_000),
            38 => return CLOCKS[random.below(CLOCKS.len())],
            _ => {}
        }
        self.now
    }

    fn reserve<Tx: AttemptLimits>(&mut self, tx: &mut Tx, at: i64) -> Result<String, StoreError> {
        let model = self.model.unwrap_or_default();
        let expected = model.reserve(Timestamp(at), &self.policy);
        let reserved = tx.reserve_attempt(&self.subject, Timestamp(at), &self.policy)?;
        assert_eq!(
            reserved,
            expected.map(|(_, reserved)| reserved),
            "reserve_attempt at {at} under {:?}: not the answer of the rules from {model:?}",
            self.policy
        );
        self.model = Some(expected.map_or(model, |(state, _)| state));
        self.reserved.extend(reserved);
        Ok("reserve_attempt".to_owned())
    }

    fn succeed<Tx: AttemptLimits>(
        &mut self,
        tx: &mut Tx,
        random: &mut Random,
    ) -> Result<String, StoreError> {
        let (Some(model), false) = (self.model, self.reserved.is_empty()) else {
            return Ok("nothing".to_owned());
        };
        let reserved = self.reserved.remove(random.below(self.reserved.len()));
        let step = match random.below(5) {
            0 => None,
            1 => Some(model.last_step),
            2 => Some(model.last_step - 1),
            _ => Some(model.last_step + 1),
        };
        let step = step.map(TotpStep::from_number);
        let expected = model.succeed(&reserved, step);
        let succeeded = tx.attempt_succeeded(&self.subject, &reserved, step)?;
        assert_eq!(
            succeeded,
            expected.is_some(),
            "attempt_succeeded of {reserved:?} with {step:?}: not the answer of the rules from \
             {model:?}"
        );
        self.model = expected.or(self.model);
        Ok(format!("attempt_succeeded of {reserved:?} with {step:?}"))
    }

    /// Rarely, and at times with other limits from then on.
    fn lift<Tx: AttemptLimits>(
        &mut self,
        tx: &mut Tx,
        random: &mut Random,
    ) -> Result<String, StoreError> {
        if let Some(account) = self.subject.account() {
            tx.lift_limits(account)?;
            self.model = self.model.map(|model| model.lift());
        }
        self.policy = POLICIES[random.below(POLICIES.len())];
        Ok("lift_limits".to_owned())
    }
}

pub(crate) fn of_racing_attempts_as_many_as_allowed_are_evaluated<S: Store<Tx: AttemptLimits>>(
    store: &S,
) {
    for round in 0..3 {
        let name = Id::<()>::generate().to_string();
        let subject = LimitSubject::source(&macs(), &name);
        // One that is new to the store, and one that it knows.
        if round > 0 {
            let reserved = reserve(store, &subject, NOW - 60);
            assert!(reserved.is_some(), "reserve_attempt: None for a new one");
        }
        let granted = race(RACERS, |_| {
            reserve(store, &subject, NOW + i64::from(round)).is_some()
        });
        assert_eq!(
            count(&granted),
            5,
            "reserve_attempt: of {RACERS} racing calls exactly 5 must get a reservation; test and \
             update must be one statement"
        );
        let fails = state(store, &subject).map(|state| state.fails);
        assert_eq!(
            fails,
            Some(if round > 0 { 6 } else { 5 }),
            "reserve_attempt: not every reservation was counted"
        );
    }
}

pub(crate) fn of_racing_attempts_one_reaches_the_lock<S: Store<Tx: AttemptLimits>>(store: &S) {
    let subject = LimitSubject::source(&macs(), &Id::<()>::generate().to_string());
    for n in 0..9 {
        reserve(store, &subject, NOW + n * 60);
    }
    let granted = race(RACERS, |_| reserve(store, &subject, NOW + 540));
    let granted: Vec<_> = granted.into_iter().flatten().collect();
    assert!(
        matches!(granted[..], [Reserved { locks: true, .. }]),
        "reserve_attempt: of racing calls the one that reaches the lock must be the last, not \
         {granted:?}"
    );
}

pub(crate) fn of_racing_codes_one_is_accepted<S: Store<Tx: AttemptLimits>>(store: &S) {
    let subject = LimitSubject::source(&macs(), &Id::<()>::generate().to_string());
    for step in [STEP, STEP + 1] {
        let reserved = reserve(store, &subject, NOW);
        let reserved = reserved.unwrap_or_else(|| panic!("reserve_attempt: None"));
        let accepted = race(RACERS, |_| succeed(store, &subject, &reserved, Some(step)));
        assert_eq!(
            count(&accepted),
            1,
            "attempt_succeeded: of {RACERS} racing calls with one step exactly one must return \
             true; the step must be compared in the statement that updates"
        );
    }
}

#[track_caller]
fn reserve<S: Store<Tx: AttemptLimits>>(
    store: &S,
    subject: &LimitSubject,
    now: i64,
) -> Option<Reserved> {
    reserve_under(&AttemptPolicy::TOTP, store, subject, now)
}

#[track_caller]
fn reserve_under<S: Store<Tx: AttemptLimits>>(
    policy: &AttemptPolicy,
    store: &S,
    subject: &LimitSubject,
    now: i64,
) -> Option<Reserved> {
    write(store, |tx| {
        tx.reserve_attempt(subject, Timestamp(now), policy)
    })
}

#[track_caller]
fn succeed<S: Store<Tx: AttemptLimits>>(
    store: &S,
    subject: &LimitSubject,
    reserved: &Reserved,
    step: Option<i64>,
) -> bool {
    let step = step.map(TotpStep::from_number);
    write(store, |tx| tx.attempt_succeeded(subject, reserved, step))
}

#[track_caller]
fn state<S: Store<Tx: AttemptLimits>>(store: &S, subject: &LimitSubject) -> Option<AttemptState> {
    read(store, |tx| tx.attempts(subject))
}

/// More than any policy allows.
const RACERS: usize = 24;
const NOW: i64 = 1_800_000_000;
const STEP: i64 = 60_000_000;
/// Before everything else in any store.
const OLD: i64 = 1_000;

const CLOCKS: [i64; 9] = [
    i64::MIN,
    -1,
    0,
    59,
    2_147_483_647,
    2_147_483_648,
    4_294_967_296,
    i64::MAX - 1,
    i64::MAX,
];

const POLICIES: [AttemptPolicy; 8] = [
    AttemptPolicy::TOTP,
    AttemptPolicy::RECOVERY,
    AttemptPolicy::PASSWORD_GUESSED,
    AttemptPolicy::SOURCE,
    AttemptPolicy::EVERYWHERE,
    AttemptPolicy {
        per_window: 1_000,
        ..AttemptPolicy::TOTP
    },
    AttemptPolicy {
        per_window: 1,
        lock_every: 2,
        disable_at: 7,
        disable_at_in_month: 9,
    },
    AttemptPolicy {
        per_window: 3,
        lock_every: 1,
        disable_at: i64::MAX,
        disable_at_in_month: 20,
    },
];
