use std::fmt::Write;

use keyward_core::Timestamp;
use keyward_http::{ChecklistItem, ChecklistReport};

use crate::exit::{Exit, Failure};
use crate::settings::{Mode, Waiver};

use super::check::{Check, Outcome};
use super::waivers;

/// Checks of one installation, in the order in which they are shown.
pub(crate) struct Checklist {
    mode: Mode,
    checks: Vec<Check>,
}

impl Checklist {
    pub(crate) fn new(mode: Mode) -> Self {
        Self {
            mode,
            checks: Vec::new(),
        }
    }

    pub(crate) fn extend(&mut self, checks: impl IntoIterator<Item = Check>) {
        self.checks.extend(checks);
    }

    pub(crate) fn mode(&self) -> Mode {
        self.mode
    }

    pub(crate) fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// What `doctor` ends with: the worst outcome.
    pub(crate) fn exit(&self) -> Exit {
        if self.checks.iter().any(Check::blocks) {
            Exit::Blocked
        } else if self.count(Outcome::Warn) + self.count(Outcome::Fail) > 0 {
            Exit::Warnings
        } else {
            Exit::Done
        }
    }

    /// An error that lists every failed blocking check, if there is one.
    pub(crate) fn refuse_failures(&self) -> Result<(), Failure> {
        let failed: Vec<_> = self.checks.iter().filter(|check| check.blocks()).collect();
        if failed.is_empty() {
            return Ok(());
        }
        let mut text = format!("this installation is not safe for {}:", self.mode);
        for check in failed {
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "\n  {}: {}\n    fix: {}",
                check.id, check.evidence, check.fix
            );
        }
        text += "\nRun `keyward doctor` for the whole list.";
        Err(Failure::configuration(text))
    }

    /// Takes back what is waived. Call it when all checks are there.
    pub(crate) fn waived(mut self, waivers: &[Waiver], now: Timestamp) -> Self {
        let ids: Vec<&str> = super::rules().map(|rule| rule.id).collect();
        waivers::apply(&mut self.checks, waivers, &ids, now);
        self
    }

    /// What `--format json` and `GET /api/v1/checklist` show.
    pub(crate) fn report(&self) -> ChecklistReport {
        ChecklistReport {
            environment: self.mode.to_string(),
            pass: self.count(Outcome::Pass),
            warn: self.count(Outcome::Warn),
            fail: self.count(Outcome::Fail),
            skip: self.count(Outcome::Skip),
            waived: self.count(Outcome::Waived),
            checks: self.checks.iter().map(item).collect(),
        }
    }

    pub(super) fn count(&self, outcome: Outcome) -> usize {
        self.checks
            .iter()
            .filter(|check| check.outcome == outcome)
            .count()
    }
}

fn item(check: &Check) -> ChecklistItem {
    ChecklistItem {
        id: check.id,
        title: check.title,
        severity: check.severity.as_str(),
        asvs: check.asvs,
        outcome: check.outcome.as_str(),
        evidence: check.evidence.clone(),
        fix: check.fix.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::{Rule, Severity};
    use super::*;

    const BLOCKING: Rule = Rule {
        id: "a.b",
        title: "B holds",
        severity: Severity::Blocking,
        asvs: "v5.0.0-1.1.1",
    };
    const WARNING: Rule = Rule {
        id: "a.w",
        severity: Severity::Warning,
        ..BLOCKING
    };

    fn checklist(checks: impl IntoIterator<Item = Check>) -> Checklist {
        let mut checklist = Checklist::new(Mode::Production);
        checklist.extend(checks);
        checklist
    }

    #[test]
    fn the_worst_outcome_is_the_exit_code() {
        let (pass, skip) = (BLOCKING.pass("p"), BLOCKING.skip("s"));
        let (warn, fail) = (BLOCKING.warn("w", "do"), BLOCKING.fail("f", "do"));
        let lesser = WARNING.fail("f", "do");
        let cases = [
            (vec![], Exit::Done),
            (vec![pass.clone(), skip], Exit::Done),
            (vec![pass.clone(), warn.clone()], Exit::Warnings),
            (vec![lesser.clone(), pass], Exit::Warnings),
            (vec![warn, fail, lesser], Exit::Blocked),
        ];
        for (checks, exit) in cases {
            assert_eq!(checklist(checks.clone()).exit(), exit, "{checks:?}");
        }
    }

    #[test]
    fn only_failed_blocking_checks_keep_production_from_starting() {
        let mild = checklist([BLOCKING.warn("w", "do"), WARNING.fail("f", "do")]);
        assert!(mild.refuse_failures().is_ok());

        let bad = checklist([
            BLOCKING.fail("B is broken", "mend B"),
            WARNING.fail("f", "do"),
        ]);
        let failure = bad.refuse_failures().unwrap_err();
        assert_eq!(failure.exit(), Exit::Configuration);
        insta::assert_snapshot!(failure, @r"
        this installation is not safe for production:
          a.b: B is broken
            fix: mend B
        Run `keyward doctor` for the whole list.
        ");
    }
}
