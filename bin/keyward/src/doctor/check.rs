use std::fmt;

use serde::Serialize;

/// What is demanded of an installation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    /// Stable, `area.rule`.
    pub(crate) id: &'static str,
    /// The demand, as a sentence without its full stop.
    pub(crate) title: &'static str,
    pub(crate) severity: Severity,
    /// The item of OWASP ASVS 5.0.0 that it serves.
    pub(crate) asvs: &'static str,
}

/// How bad it is when a rule is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// Production does not start.
    Blocking,
    /// It works, and should be better.
    Warning,
}

/// How it stands with a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    Pass,
    Warn,
    Fail,
    /// The rule does not apply here.
    Skip,
}

/// A rule, held against this installation.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Check {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) severity: Severity,
    pub(crate) asvs: &'static str,
    pub(crate) outcome: Outcome,
    /// What was seen. No secrets: this is shown, logged and uploaded.
    pub(crate) evidence: String,
    /// What to do about it; empty where there is nothing to do.
    pub(crate) fix: String,
}

impl Check {
    /// Whether this alone keeps production from starting.
    pub(crate) fn blocks(&self) -> bool {
        self.outcome == Outcome::Fail && self.severity == Severity::Blocking
    }
}

impl Rule {
    pub(crate) fn pass(self, evidence: impl fmt::Display) -> Check {
        self.check(Outcome::Pass, evidence, "")
    }

    pub(crate) fn skip(self, evidence: impl fmt::Display) -> Check {
        self.check(Outcome::Skip, evidence, "")
    }

    pub(crate) fn warn(self, evidence: impl fmt::Display, fix: impl fmt::Display) -> Check {
        self.check(Outcome::Warn, evidence, fix)
    }

    pub(crate) fn fail(self, evidence: impl fmt::Display, fix: impl fmt::Display) -> Check {
        self.check(Outcome::Fail, evidence, fix)
    }

    fn check(self, outcome: Outcome, evidence: impl fmt::Display, fix: impl fmt::Display) -> Check {
        Check {
            id: self.id,
            title: self.title,
            severity: self.severity,
            asvs: self.asvs,
            outcome,
            evidence: evidence.to_string(),
            fix: fix.to_string(),
        }
    }
}
