use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Seconds since the Unix epoch, UTC. Its text form is RFC 3339 with a `Z`, years 0 to 9999.
///
/// ```
/// use keyward_core::Timestamp;
///
/// let end = Timestamp::parse("2027-01-15T08:00:00Z")?;
/// assert_eq!(end, Timestamp(1_800_000_000));
/// assert_eq!(end.plus(90).to_string(), "2027-01-15T08:01:30Z");
/// # Ok::<(), keyward_core::MalformedTimestamp>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The time `seconds` later (earlier when negative), stopping at the ends of the range.
    #[must_use]
    pub fn plus(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// Seconds since the epoch for formats that know no time before it; 0 for those.
    #[must_use]
    pub fn unix(self) -> u64 {
        u64::try_from(self.0).unwrap_or(0)
    }

    /// Reads RFC 3339 with any offset; fractions of a second are dropped.
    pub fn parse(text: &str) -> Result<Self, MalformedTimestamp> {
        OffsetDateTime::parse(text, &Rfc3339)
            .map(|time| Self(time.unix_timestamp()))
            .map_err(|_| MalformedTimestamp)
    }
}

/// The text is not an RFC 3339 date and time with an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a time: expected RFC 3339, for example 2027-01-31T12:00:00Z")]
pub struct MalformedTimestamp;

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.clamp(YEAR_0, YEAR_9999);
        let text = OffsetDateTime::from_unix_timestamp(seconds)
            .ok()
            .and_then(|time| time.format(&Rfc3339).ok());
        f.write_str(text.as_deref().unwrap_or("1970-01-01T00:00:00Z"))
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// Where a service gets the time from.
pub trait Clock: Send + Sync + 'static {
    /// The current time, by which things end.
    fn now(&self) -> Timestamp;

    /// What the clock of the machine shows, even where [`now`](Self::now) holds on to a later time.
    ///
    /// For what is held against the clocks of others, such as codes of authenticator apps, and for
    /// records of what the machine took the time to be. Never for whether something has ended.
    fn shown(&self) -> Timestamp {
        self.now()
    }

    /// Says that it is `at` or later, as another process or an earlier run has seen. A clock that holds on
    /// to no time has no use for that.
    fn not_before(&self, at: Timestamp) {
        let _ = at;
    }
}

impl<C: Clock + ?Sized> Clock for std::sync::Arc<C> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }

    fn shown(&self) -> Timestamp {
        (**self).shown()
    }

    fn not_before(&self, at: Timestamp) {
        (**self).not_before(at);
    }
}

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where the time comes from"
    )]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
    }
}

/// A clock that stands still until it is told to move, for tests.
///
/// ```
/// use keyward_core::{Clock, ManualClock, Timestamp};
///
/// fn has_ended(end: Timestamp, clock: &dyn Clock) -> bool {
///     clock.now() >= end
/// }
///
/// let clock = ManualClock::at(Timestamp(1_800_000_000));
/// let end = clock.now().plus(60);
/// assert!(!has_ended(end, &clock));
/// clock.advance(60);
/// assert!(has_ended(end, &clock));
/// ```
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that shows `at`.
    #[must_use]
    pub fn at(at: Timestamp) -> Self {
        Self(AtomicI64::new(at.0))
    }

    /// Moves the clock forward, or back when `seconds` is negative.
    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

const YEAR_0: i64 = -62_167_219_200;
const YEAR_9999: i64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_timestamp_ends_in_z_and_reads_back() {
        for seconds in [0, 1, -1, 1_800_000_000, 4_294_967_296, YEAR_0, YEAR_9999] {
            let text = Timestamp(seconds).to_string();
            assert!(text.ends_with('Z'), "{text}");
            assert_eq!(Timestamp::parse(&text), Ok(Timestamp(seconds)));
        }
    }

    #[test]
    fn times_beyond_the_calendar_are_clamped_and_do_not_panic() {
        assert_eq!(Timestamp(i64::MAX).to_string(), "9999-12-31T23:59:59Z");
        assert_eq!(Timestamp(i64::MIN).to_string(), "0000-01-01T00:00:00Z");
        assert_eq!(Timestamp(i64::MAX).plus(1), Timestamp(i64::MAX));
    }

    #[test]
    fn an_offset_is_converted_and_a_missing_one_refused() {
        assert_eq!(
            Timestamp::parse("2027-01-31T14:00:00.75+02:00"),
            Timestamp::parse("2027-01-31T12:00:00Z")
        );
        assert_eq!(
            Timestamp::parse("2027-01-31T12:00:00"),
            Err(MalformedTimestamp)
        );
        assert_eq!(Timestamp::parse("1800000000"), Err(MalformedTimestamp));
    }
}
