use std::time::{Duration, Instant};

/// Whether Redis is asked. Once it has failed nobody is kept waiting, until a probe has found it
/// well; between probes the pauses grow.
#[derive(Debug)]
pub(crate) struct Breaker {
    state: State,
    /// In a row, without a while of health between them.
    failures: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nobody has tried yet.
    Untried,
    /// It is asked, since then.
    Closed(Instant),
    /// It is not asked, and probed then.
    Open(Instant),
}

impl Breaker {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Untried,
            failures: 0,
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed(_))
    }

    /// How long until Redis is to be probed; `None` while it is asked.
    pub(crate) fn probe_in(&self, now: Instant) -> Option<Duration> {
        match self.state {
            State::Untried => Some(Duration::ZERO),
            State::Closed(_) => None,
            State::Open(at) => Some(at.saturating_duration_since(now)),
        }
    }

    /// Somebody has waited in vain. Says whether that is news; of many who have waited together, the
    /// first one brings it.
    pub(crate) fn trip(&mut self, now: Instant, jitter: u8) -> bool {
        let State::Closed(since) = self.state else {
            return false;
        };
        if now.saturating_duration_since(since) >= FORGIVEN_AFTER {
            self.failures = 0;
        }
        self.open(now, jitter);
        true
    }

    /// A probe has failed. Says whether that is news.
    pub(crate) fn probe_failed(&mut self, now: Instant, jitter: u8) -> bool {
        if self.is_closed() {
            return self.trip(now, jitter);
        }
        let is_news = self.state == State::Untried;
        self.open(now, jitter);
        is_news
    }

    /// A probe was answered in time. Says whether that is news.
    pub(crate) fn close(&mut self, now: Instant) -> bool {
        if self.is_closed() {
            return false;
        }
        self.state = State::Closed(now);
        true
    }

    /// `jitter` of 0 to 255 makes the pause a quarter shorter to a quarter longer, so that nodes do
    /// not come back all at once.
    fn open(&mut self, now: Instant, jitter: u8) {
        let doublings = self.failures.min(MOST_DOUBLINGS);
        let pause = SHORTEST.saturating_mul(1 << doublings).min(LONGEST);
        let pause = pause.mul_f64(0.75 + 0.5 * f64::from(jitter) / 255.0);
        self.failures = self.failures.saturating_add(1);
        self.state = State::Open(now + pause);
    }
}

const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);
const MOST_DOUBLINGS: u32 = 5;
/// After so long without a failure the pauses begin anew.
const FORGIVEN_AFTER: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    /// Neither shorter nor longer, to within a hundredth.
    const MIDDLE: u8 = 128;

    fn pause(breaker: &Breaker, now: Instant) -> f64 {
        (breaker.probe_in(now).unwrap().as_secs_f64() * 10.0).round() / 10.0
    }

    #[test]
    fn a_new_one_is_probed_at_once_and_asks_nobody_before() {
        let now = Instant::now();
        let mut breaker = Breaker::new();
        assert!(!breaker.is_closed());
        assert_eq!(breaker.probe_in(now), Some(Duration::ZERO));
        assert!(breaker.close(now), "news");
        assert!(breaker.is_closed());
        assert_eq!(breaker.probe_in(now), None);
        assert!(!breaker.close(now), "no news");
    }

    #[test]
    fn of_many_who_waited_together_one_opens_it() {
        let now = Instant::now();
        let mut breaker = Breaker::new();
        breaker.close(now);
        let news = (0..100).filter(|_| breaker.trip(now, MIDDLE)).count();
        assert_eq!(news, 1);
        assert!(!breaker.is_closed());
        assert!((pause(&breaker, now) - 1.0).abs() < 0.01);
    }

    #[test]
    fn pauses_grow_to_half_a_minute_and_say_so_once() {
        let mut now = Instant::now();
        let mut breaker = Breaker::new();
        assert!(
            breaker.probe_failed(now, MIDDLE),
            "the first failure is news"
        );
        let mut pauses = vec![pause(&breaker, now)];
        for _ in 0..7 {
            now += breaker.probe_in(now).unwrap();
            assert_eq!(breaker.probe_in(now), Some(Duration::ZERO), "due");
            assert!(!breaker.probe_failed(now, MIDDLE));
            pauses.push(pause(&breaker, now));
        }
        let rounded: Vec<_> = pauses.iter().map(|pause| pause.round()).collect();
        assert_eq!(rounded, [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]);
        assert!(breaker.close(now));
    }

    #[test]
    fn what_fails_again_and_again_is_left_alone_for_longer_until_it_was_well_for_a_minute() {
        let mut now = Instant::now();
        let mut breaker = Breaker::new();
        for expected in [1.0, 2.0, 4.0] {
            breaker.close(now);
            now += SECOND;
            assert!(breaker.trip(now, MIDDLE));
            assert!((pause(&breaker, now) - expected).abs() < 0.1, "{expected}");
            now += breaker.probe_in(now).unwrap();
        }
        breaker.close(now);
        now += FORGIVEN_AFTER;
        assert!(breaker.trip(now, MIDDLE));
        assert!((pause(&breaker, now) - 1.0).abs() < 0.1);
    }

    #[test]
    fn nodes_come_back_at_different_times() {
        let now = Instant::now();
        let opened = |jitter| {
            let mut breaker = Breaker::new();
            breaker.probe_failed(now, jitter);
            breaker.probe_in(now).unwrap()
        };
        assert_eq!(opened(0), SECOND.mul_f64(0.75));
        assert_eq!(opened(255), SECOND.mul_f64(1.25));
    }

    #[test]
    fn a_probe_that_fails_while_redis_is_asked_opens_it() {
        let now = Instant::now();
        let mut breaker = Breaker::new();
        breaker.close(now);
        assert!(breaker.probe_failed(now, MIDDLE), "news");
        assert!(!breaker.is_closed());
    }
}
