use serde::Serialize;
use utoipa::ToSchema;

/// Holds an installation against the rules for a safe one, for `GET /api/v1/checklist`.
///
/// What the rules are is up to whoever mounts the API: only they know settings, files and sockets.
pub trait Checklist: Send + Sync {
    /// How it stands now. Called on the blocking pool; it may ask the database and read files.
    fn report(&self) -> ChecklistReport;
}

/// How an installation stands with each rule, with sums.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ChecklistReport {
    /// `development` or `production`.
    pub environment: String,
    /// How many rules are kept.
    pub pass: usize,
    /// How many should be kept better.
    pub warn: usize,
    /// How many are broken.
    pub fail: usize,
    /// How many do not apply here.
    pub skip: usize,
    /// How many are broken, or should be kept better, and are done without for a reason and for a while.
    pub waived: usize,
    /// Each rule, in the order in which they are shown.
    pub checks: Vec<ChecklistItem>,
}

/// One rule, held against an installation.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ChecklistItem {
    /// `area.rule`; never changes.
    pub id: &'static str,
    /// The demand, as a sentence without its full stop.
    pub title: &'static str,
    /// `blocking`: production does not start. `warning`: it works, and should be better.
    pub severity: &'static str,
    /// The item of OWASP ASVS 5.0.0 that it serves.
    pub asvs: &'static str,
    /// `pass`, `warn`, `fail`, `skip` or `waived`.
    pub outcome: &'static str,
    /// What was seen. No secrets.
    pub evidence: String,
    /// What to do about it; empty where there is nothing to do.
    pub fix: String,
}
