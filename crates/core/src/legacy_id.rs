use std::fmt;

/// The number that a row had in the system from which it was imported, so that what refers to it
/// there can be mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LegacyId(pub i64);

impl LegacyId {
    /// The number as part of a row's MAC: `legacy_id=7`. Longer than the 8 bytes of a time, so that
    /// neither can pass for the other.
    #[must_use]
    pub fn signed_part(self) -> String {
        format!("legacy_id={self}")
    }
}

impl fmt::Display for LegacyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl serde::Serialize for LegacyId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> serde::Deserialize<'de> for LegacyId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        i64::deserialize(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_is_as_long_as_a_time() {
        for number in [0, 7, 1_000_000, -1, i64::MAX, i64::MIN] {
            assert!(LegacyId(number).signed_part().len() > 8, "{number}");
        }
        assert_eq!(LegacyId(7).signed_part(), "legacy_id=7");
    }
}
