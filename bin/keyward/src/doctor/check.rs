use std::fmt;

use crate::settings::Mode;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    /// Production does not start.
    Blocking,
    /// It works, and should be better.
    Warning,
}

/// How it stands with a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Pass,
    Warn,
    Fail,
    /// The rule does not apply here.
    Skip,
    /// The rule is broken, or could be kept better, and that is accepted for a while.
    Waived,
}

impl Severity {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Blocking => "blocking",
            Self::Warning => "warning",
        }
    }
}

impl Outcome {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Skip => "skip",
            Self::Waived => "waived",
        }
    }
}

/// A rule, held against this installation.
#[derive(Clone, Debug)]
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

    /// [`fail`](Self::fail) in production, [`warn`](Self::warn) in development.
    pub(crate) fn fail_in_production(
        self,
        mode: Mode,
        evidence: impl fmt::Display,
        fix: impl fmt::Display,
    ) -> Check {
        match mode {
            Mode::Development => self.warn(evidence, fix),
            Mode::Production => self.fail(evidence, fix),
        }
    }

    /// [`warn`](Self::warn) in production. What is in development can be lost; it is said all the same.
    pub(crate) fn remind(
        self,
        mode: Mode,
        evidence: impl fmt::Display,
        fix: impl fmt::Display,
    ) -> Check {
        match mode {
            Mode::Production => self.warn(evidence, fix),
            Mode::Development => self.skip(format_args!("{evidence}; production asks for one")),
        }
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
