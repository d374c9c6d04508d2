use keyward_core::Timestamp;

/// A check of `doctor` that this installation does without, for a while and for a reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Waiver {
    /// The id of the check.
    pub(crate) check: String,
    /// The end of the day up to which it holds, UTC.
    pub(crate) until: Timestamp,
    /// Why, for those who read the checklist.
    pub(crate) reason: String,
}

impl Waiver {
    /// Reads `ID until YYYY-MM-DD because REASON`. The error is a phrase.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let expected = || {
            "write ID until YYYY-MM-DD because REASON, such as \
             database.place until 2030-01-31 because the disk is moved in January"
                .to_owned()
        };
        let (check, rest) = text.split_once(" until ").ok_or_else(expected)?;
        let (day, reason) = rest.split_once(" because ").ok_or_else(expected)?;
        let (check, day, reason) = (check.trim(), day.trim(), reason.trim());
        if check.is_empty() || check.contains(char::is_whitespace) || reason.is_empty() {
            return Err(expected());
        }
        let last_second = format!("{day}T23:59:59Z");
        let until = Timestamp::parse(&last_second).map_err(|_| expected())?;
        Ok(Self {
            check: check.to_owned(),
            until,
            reason: reason.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiver_has_a_check_an_end_and_a_reason() {
        let waiver = Waiver::parse("database.place until 2030-01-31 because it moves").unwrap();
        assert_eq!(waiver.check, "database.place");
        assert_eq!(waiver.until.to_string(), "2030-01-31T23:59:59Z");
        assert_eq!(waiver.reason, "it moves");
        for bad in [
            "",
            "database.place",
            "database.place until 2030-01-31",
            "database.place until 2030-01-31 because ",
            "database.place until 2030-13-31 because x",
            "database.place until tomorrow because x",
            "database.place because x until 2030-01-31",
            " until 2030-01-31 because x",
            "two words until 2030-01-31 because x",
        ] {
            assert!(Waiver::parse(bad).is_err(), "{bad:?}");
        }
    }
}
