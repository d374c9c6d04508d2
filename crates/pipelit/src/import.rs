use keyward_agents::AgentsTx;
use keyward_auth::Environment;
use keyward_core::{Store, StoreError};
use keyward_credentials::Credentials;
use keyward_crypto::PlainFernet;

use crate::pass::Pass;
use crate::{Report, SourceRows};

/// All repositories that an import writes to.
///
/// Never implement it: it follows from the others.
pub trait ImportTx: AgentsTx + Credentials {}

impl<Tx: AgentsTx + Credentials> ImportTx for Tx {}

/// Writes what was read of a Pipelit.
pub struct ImportPipelit<S> {
    environment: Environment<S>,
    fernet: PlainFernet,
}

impl<S: Store<Tx: ImportTx>> ImportPipelit<S> {
    /// Wires the service. `fernet` has every key that Pipelit has used.
    pub fn new(environment: Environment<S>, fernet: PlainFernet) -> Self {
        Self {
            environment,
            fernet,
        }
    }

    /// Does the whole work in one transaction, and keeps it as far as `mode` says.
    ///
    /// What is written is written together with its events in the audit log. Where nothing is new,
    /// nothing is written.
    pub fn run(&self, rows: &SourceRows, mode: Mode) -> Result<Imported, StoreError> {
        let outcome = self.environment.store.write(|tx| {
            let report = Pass::new(&self.environment, &self.fernet, rows).run(tx)?;
            if mode.keeps(&report) {
                Ok(report)
            } else {
                Err(Undone::OnPurpose(Box::new(report)))
            }
        });
        match outcome {
            Ok(report) => Ok(Imported {
                report,
                written: true,
            }),
            Err(Undone::OnPurpose(report)) => Ok(Imported {
                report: *report,
                written: false,
            }),
            Err(Undone::Failed(error)) => Err(error),
        }
    }
}

/// What is kept of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Nothing.
    DryRun,
    /// Everything, if no row is refused; else nothing.
    Whole,
    /// Everything but the rows that are refused.
    Partial,
}

impl Mode {
    fn keeps(self, report: &Report) -> bool {
        let wanted = match self {
            Self::DryRun => false,
            Self::Whole => !report.has_refused(),
            Self::Partial => true,
        };
        wanted && report.imports_something()
    }
}

/// What came of an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// What was, or would be, done with each row.
    pub report: Report,
    /// Whether anything was written.
    pub written: bool,
}

/// Why a transaction was rolled back.
enum Undone {
    OnPurpose(Box<Report>),
    Failed(StoreError),
}

impl From<StoreError> for Undone {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}
