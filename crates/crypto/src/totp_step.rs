/// One of the 30-second steps that time is cut into since 1970 (RFC 6238, section 4.2).
///
/// The last used step of a secret is stored, so that its code and those before are used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TotpStep(i64);

impl TotpStep {
    /// The step that `now`, in Unix seconds, falls into.
    #[must_use]
    pub fn at(now: i64) -> Self {
        Self(now.div_euclid(PERIOD))
    }

    /// The step with this number, as stored.
    #[must_use]
    pub fn from_number(number: i64) -> Self {
        Self(number)
    }

    /// The number to store. Steps before 1970 have negative ones.
    #[must_use]
    pub fn number(self) -> i64 {
        self.0
    }

    /// The step before; for the first of 1970 that step itself, so that no counter is negative.
    pub(crate) fn previous(self) -> Self {
        Self(self.0.saturating_sub(1).max(0))
    }

    /// What the code of this step is computed of. Steps before 1970 have that of the first one.
    pub(crate) fn counter(self) -> u64 {
        u64::try_from(self.0).unwrap_or(0)
    }
}

/// In seconds, the default of RFC 6238. Authenticator apps ignore others.
pub(crate) const PERIOD: i64 = 30;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_step_has_thirty_seconds() {
        assert_eq!(TotpStep::at(0).number(), 0);
        assert_eq!(TotpStep::at(29).number(), 0);
        assert_eq!(TotpStep::at(30).number(), 1);
        assert_eq!(TotpStep::at(1_800_000_000).number(), 60_000_000);
    }

    #[test]
    fn steps_before_1970_are_as_long_as_those_after() {
        assert_eq!(TotpStep::at(-1).number(), -1);
        assert_eq!(TotpStep::at(-30).number(), -1);
        assert_eq!(TotpStep::at(-31).number(), -2);
    }

    #[test]
    fn nothing_comes_before_the_first_counter() {
        assert_eq!(TotpStep::at(30).previous(), TotpStep::at(0));
        assert_eq!(TotpStep::at(0).previous(), TotpStep::at(0));
        assert_eq!(TotpStep::from_number(i64::MIN).previous().number(), 0);
        assert_eq!(TotpStep::at(-1).counter(), 0);
        assert_eq!(TotpStep::from_number(i64::MAX).counter(), i64::MAX as u64);
    }

    proptest! {
        #[test]
        fn a_stored_number_reads_back_in_the_same_order(one: i64, other: i64) {
            let (first, second) = (TotpStep::from_number(one), TotpStep::from_number(other));
            prop_assert_eq!(first.number(), one);
            prop_assert_eq!(first.cmp(&second), one.cmp(&other));
            prop_assert!((TotpStep::at(one) <= TotpStep::at(other)) || one > other);
        }
    }
}
