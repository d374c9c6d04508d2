use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use crate::{Clock, SystemClock, Timestamp};

/// A clock that is not set back: what has ended stays ended, and nothing lasts longer because the
/// clock of the machine was wrong.
///
/// When the clock that it reads from falls behind by more than 90 seconds, [`now`](Clock::now) goes on
/// from the latest time that was seen, at the pace of a clock that nobody sets.
/// [`shown`](Clock::shown) says what the machine shows all the while. Smaller steps are what
/// synchronisation does, and are followed.
///
/// A clock that was ahead for a moment therefore stays ahead: that ends things too early, never too
/// late.
///
/// ```
/// use std::sync::Arc;
///
/// use keyward_core::{Clock, ManualClock, SteadyClock, Timestamp};
///
/// let machine = Arc::new(ManualClock::at(Timestamp(1_800_000_000)));
/// let clock = SteadyClock::new(Arc::clone(&machine) as Arc<dyn Clock>);
/// let end = clock.now().plus(60);
/// machine.advance(60);
/// assert!(clock.now() >= end);
/// machine.advance(-3_600);
/// assert!(clock.now() >= end);
/// assert_eq!(clock.shown(), Timestamp(1_799_996_460));
/// ```
pub struct SteadyClock {
    machine: Arc<dyn Clock>,
    pace: Arc<dyn Clock>,
    /// By how much the machine was before the pace at the most.
    ahead: AtomicI64,
}

impl SteadyClock {
    /// What synchronisation may set a clock back by, and clocks of nodes may differ by.
    pub const TOLERATED_SECONDS: i64 = 90;

    /// Holds on to what `machine` shows.
    #[must_use]
    pub fn new(machine: Arc<dyn Clock>) -> Self {
        Self::paced_by(machine, Arc::new(SinceStart(Instant::now())))
    }

    /// The same, with another clock for the pace, for tests. It begins anywhere and only goes forward.
    #[must_use]
    pub fn paced_by(machine: Arc<dyn Clock>, pace: Arc<dyn Clock>) -> Self {
        let clock = Self {
            machine,
            pace,
            ahead: AtomicI64::new(i64::MIN),
        };
        clock.not_before(clock.machine.now());
        clock
    }
}

impl Default for SteadyClock {
    /// Over the system's clock.
    fn default() -> Self {
        Self::new(Arc::new(SystemClock))
    }
}

impl Clock for SteadyClock {
    fn now(&self) -> Timestamp {
        let (shown, pace) = (self.machine.shown(), self.pace.now());
        let ahead = shown.0.saturating_sub(pace.0);
        let most = self.ahead.load(Ordering::Relaxed);
        if ahead >= most {
            self.ahead.fetch_max(ahead, Ordering::Relaxed);
            return shown;
        }
        if most.saturating_sub(ahead) <= Self::TOLERATED_SECONDS {
            return shown;
        }
        pace.plus(most)
    }

    fn shown(&self) -> Timestamp {
        self.machine.shown()
    }

    fn not_before(&self, at: Timestamp) {
        let ahead = at.0.saturating_sub(self.pace.now().0);
        self.ahead.fetch_max(ahead, Ordering::Relaxed);
    }
}

/// The seconds of this process, by a clock that nobody sets.
struct SinceStart(Instant);

impl Clock for SinceStart {
    fn now(&self) -> Timestamp {
        Timestamp(i64::try_from(self.0.elapsed().as_secs()).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ManualClock;

    struct Hands {
        machine: Arc<ManualClock>,
        pace: Arc<ManualClock>,
        clock: SteadyClock,
    }

    impl Hands {
        fn at(machine: i64, pace: i64) -> Self {
            let machine = Arc::new(ManualClock::at(Timestamp(machine)));
            let pace = Arc::new(ManualClock::at(Timestamp(pace)));
            let clock = SteadyClock::paced_by(
                Arc::clone(&machine) as Arc<dyn Clock>,
                Arc::clone(&pace) as Arc<dyn Clock>,
            );
            Self {
                machine,
                pace,
                clock,
            }
        }

        fn pass(&self, seconds: i64) {
            self.machine.advance(seconds);
            self.pace.advance(seconds);
        }
    }

    #[test]
    fn time_goes_on_from_the_latest_at_its_own_pace_when_the_clock_is_set_back() {
        let hands = Hands::at(NOW, 7);
        hands.pass(100);
        assert_eq!(hands.clock.now(), Timestamp(NOW + 100));
        for back in [91, 3_600, 400 * 86_400] {
            hands.machine.advance(-back);
            let before = hands.clock.now().0;
            hands.pass(50);
            assert_eq!(hands.clock.now(), Timestamp(before + 50), "{back}");
            assert_eq!(hands.clock.shown(), hands.machine.now());
        }
        assert_eq!(hands.clock.now(), Timestamp(NOW + 250));
    }

    #[test]
    fn small_steps_are_followed_and_do_not_add_up() {
        let hands = Hands::at(NOW, 0);
        hands.machine.advance(-90);
        assert_eq!(hands.clock.now(), Timestamp(NOW - 90));
        hands.machine.advance(-1);
        assert_eq!(hands.clock.now(), Timestamp(NOW));
        hands.machine.advance(1);
        assert_eq!(hands.clock.now(), Timestamp(NOW - 90));
    }

    #[test]
    fn a_step_forward_is_taken_at_once_and_kept() {
        let hands = Hands::at(NOW, 0);
        hands.machine.advance(3_600);
        assert_eq!(hands.clock.now(), Timestamp(NOW + 3_600));
        hands.machine.advance(-3_600);
        assert_eq!(hands.clock.now(), Timestamp(NOW + 3_600));
        hands.machine.advance(3_600);
        assert_eq!(hands.clock.now(), Timestamp(NOW + 3_600));
    }

    #[test]
    fn a_clock_that_was_set_back_before_anybody_looked_is_noticed() {
        let hands = Hands::at(NOW, 0);
        hands.machine.advance(-400);
        assert_eq!(hands.clock.now(), Timestamp(NOW));
    }

    #[test]
    fn the_latest_time_of_an_earlier_run_is_gone_on_from() {
        let hands = Hands::at(NOW, 0);
        hands.clock.not_before(Timestamp(NOW + 3_600));
        hands.pass(10);
        assert_eq!(hands.clock.now(), Timestamp(NOW + 3_610));
        hands.clock.not_before(Timestamp(NOW));
        assert_eq!(hands.clock.now(), Timestamp(NOW + 3_610));
        assert_eq!(hands.clock.shown(), Timestamp(NOW + 10));
    }

    #[test]
    fn a_steady_clock_over_another_shows_what_the_machine_shows() {
        let hands = Hands::at(NOW, 0);
        hands.clock.not_before(Timestamp(NOW + 3_600));
        let outer = SteadyClock::paced_by(Arc::new(hands.clock), hands.pace);
        assert_eq!(outer.now(), Timestamp(NOW + 3_600));
        assert_eq!(outer.shown(), Timestamp(NOW));
    }

    #[test]
    fn no_time_is_too_much() {
        for machine in [i64::MIN, -1, 0, i64::MAX] {
            for pace in [i64::MIN, 0, i64::MAX] {
                let hands = Hands::at(machine, pace);
                for latest in [i64::MIN, 0, i64::MAX] {
                    hands.clock.not_before(Timestamp(latest));
                    let _ = hands.clock.now();
                }
            }
        }
    }

    #[test]
    fn over_the_clock_of_the_system_it_shows_the_time() {
        let clock = SteadyClock::default();
        let (now, system) = (clock.now(), SystemClock.now());
        assert!((now.0 - system.0).abs() <= 5, "{now} {system}");
    }

    const NOW: i64 = 1_800_000_000;
}
