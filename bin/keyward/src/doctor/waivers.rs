//! Checks that an installation does without, for a while and for a reason.

use keyward_core::Timestamp;

use crate::settings::Waiver;

use super::check::{Check, Outcome, Rule, Severity};

/// Marks what is waived, and adds a check of the waivers themselves.
pub(super) fn apply(checks: &mut Vec<Check>, waivers: &[Waiver], ids: &[&str], now: Timestamp) {
    for check in checks.iter_mut() {
        let holds = |waiver: &&Waiver| waiver.check == check.id && now <= waiver.until;
        if let Some(waiver) = waivers.iter().find(holds)
            && matches!(check.outcome, Outcome::Fail | Outcome::Warn)
        {
            check.outcome = Outcome::Waived;
            check.evidence = format!(
                "{} (waived until {}: {})",
                check.evidence, waiver.until, waiver.reason
            );
        }
    }
    checks.push(judge(waivers, ids, now));
}

pub(super) const RULES: [Rule; 1] = [WAIVERS];

fn judge(waivers: &[Waiver], ids: &[&str], now: Timestamp) -> Check {
    let named = |test: &dyn Fn(&Waiver) -> bool| {
        let found = waivers.iter().filter(|waiver| test(waiver));
        let names: Vec<_> = found.map(|waiver| waiver.check.as_str()).collect();
        names.join(", ")
    };
    let unknown = named(&|waiver| !ids.contains(&waiver.check.as_str()));
    let ended = named(&|waiver| now > waiver.until);
    let endless = named(&|waiver| waiver.until > now.plus(LONGEST_SECONDS));
    if !unknown.is_empty() {
        return WAIVERS.warn(
            format_args!("no check has the id {unknown}"),
            "take the ids in CHECK_WAIVERS from `keyward doctor`",
        );
    }
    if !ended.is_empty() {
        return WAIVERS.warn(
            format_args!("the waiver has ended: {ended}"),
            "mend what it was for, or decide anew",
        );
    }
    if !endless.is_empty() {
        return WAIVERS.warn(
            format_args!("waived for more than a year: {endless}"),
            "let a waiver end within a year, and decide anew then",
        );
    }
    match waivers.len() {
        0 => WAIVERS.pass("nothing is waived"),
        some => WAIVERS.pass(format_args!("{some} in force")),
    }
}

const LONGEST_SECONDS: i64 = 366 * 24 * 60 * 60;

const WAIVERS: Rule = Rule {
    id: "checklist.waivers",
    title: "Waivers name a check, and end",
    severity: Severity::Warning,
    asvs: "v5.0.0-13.1.1",
};

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000);
    const RULE: Rule = Rule {
        id: "a.b",
        title: "B holds",
        severity: Severity::Blocking,
        asvs: "v5.0.0-1.1.1",
    };

    fn waiver(check: &str, seconds: i64) -> Waiver {
        Waiver {
            check: check.to_owned(),
            until: NOW.plus(seconds),
            reason: "the disk moves".to_owned(),
        }
    }

    fn applied(check: Check, waiver: Waiver) -> (Check, Outcome) {
        let mut checks = vec![check];
        apply(&mut checks, &[waiver], &["a.b"], NOW);
        let own = checks.pop().unwrap();
        (checks.pop().unwrap(), own.outcome)
    }

    #[test]
    fn a_waiver_holds_for_its_check_until_its_end() {
        let failed = || RULE.fail("B is broken", "mend B");
        let (check, own) = applied(failed(), waiver("a.b", 0));
        assert_eq!((check.outcome, own), (Outcome::Waived, Outcome::Pass));
        assert!(!check.blocks());
        assert!(check.evidence.starts_with("B is broken (waived until "));
        assert!(check.evidence.ends_with(": the disk moves)"), "{check:?}");

        let (check, own) = applied(failed(), waiver("a.b", -1));
        assert_eq!((check.outcome, own), (Outcome::Fail, Outcome::Warn));
        let (check, own) = applied(failed(), waiver("a.c", 1));
        assert_eq!((check.outcome, own), (Outcome::Fail, Outcome::Warn));
    }

    #[test]
    fn what_holds_anyway_is_not_waived() {
        let (check, _) = applied(RULE.pass("fine"), waiver("a.b", 1));
        assert_eq!(check.outcome, Outcome::Pass);
    }

    #[test]
    fn a_waiver_that_never_ends_is_a_warning() {
        let (check, own) = applied(RULE.warn("w", "f"), waiver("a.b", LONGEST_SECONDS + 1));
        assert_eq!((check.outcome, own), (Outcome::Waived, Outcome::Warn));
    }
}
