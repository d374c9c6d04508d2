use keyward_core::Timestamp;

/// Reads a time as `SQLAlchemy` stores it, `2026-11-26 04:30:00.123456`, without an offset: UTC.
pub(crate) fn when(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let (date, time) = text.split_once([' ', 'T'])?;
    // PostgreSQL writes `+00`.
    let has_offset = time.ends_with('Z') || time.contains(['+', '-']);
    let end = time
        .len()
        .checked_sub(3)
        .and_then(|start| time.get(start..));
    let is_short = end.is_some_and(|end| end.starts_with(['+', '-']));
    let end = match (has_offset, is_short) {
        (false, _) => "Z",
        (true, false) => "",
        (true, true) => ":00",
    };
    Timestamp::parse(&format!("{date}T{time}{end}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_without_an_offset_are_utc() {
        let at = Some(Timestamp(1_795_667_400));
        for text in [
            "2026-11-26 04:30:00",
            "2026-11-26 04:30:00.999999",
            "2026-11-26T04:30:00",
            "2026-11-26T04:30:00Z",
            "2026-11-26 04:30:00+00",
            "2026-11-26 05:30:00.5+01:00",
            " 2026-11-26 04:30:00 ",
        ] {
            assert_eq!(when(text), at, "{text}");
        }
        for text in [
            "",
            "soon",
            "2026-11-26",
            "1795667400",
            "2026-13-01 00:00:00",
            "é é é",
            "2026-11-26 éxx",
        ] {
            assert_eq!(when(text), None, "{text}");
        }
    }
}
