use serde::Serialize;

use crate::{Reason, Repair, Warning};

/// What an import does, row by row. The same for an import and for a dry run of it: no value and no
/// new id is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How many rows there are of each table, and what became of them.
    pub tables: Vec<TableReport>,
    /// Rows that are not imported because something is wrong with them.
    pub refused: Vec<Finding>,
    /// Rows that are imported after something was put right.
    pub repaired: Vec<Finding>,
    /// Rows that are not imported because nobody needs them.
    pub left_out: Vec<Finding>,
    /// Rows that are imported and worth a look.
    pub warnings: Vec<Finding>,
    /// What to do afterwards.
    pub advice: Vec<&'static str>,
}

/// The rows of one table. Those that were read are the sum of imported, already there, left out and
/// refused; those that were repaired are among the imported.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TableReport {
    /// The table of Pipelit.
    pub table: &'static str,
    /// Rows that there are.
    pub read: usize,
    /// Rows that are new in Keyward.
    pub imported: usize,
    /// Imported rows that were put right.
    pub repaired: usize,
    /// Rows that an earlier import has brought.
    pub already_there: usize,
    /// Rows that nobody needs.
    pub left_out: usize,
    /// Rows that cannot be imported.
    pub refused: usize,
}

/// One thing about one row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The table of Pipelit.
    pub table: &'static str,
    /// The number of the row.
    pub id: i64,
    /// A name that does not change, for scripts.
    pub code: &'static str,
    /// What it is, for people.
    pub text: String,
}

impl Report {
    /// Whether a row was refused.
    #[must_use]
    pub fn has_refused(&self) -> bool {
        !self.refused.is_empty()
    }

    /// Whether there is a row that is new in Keyward.
    #[must_use]
    pub fn imports_something(&self) -> bool {
        self.tables.iter().any(|table| table.imported > 0)
    }

    pub(crate) fn new() -> Self {
        let tables = TABLES.map(|table| TableReport {
            table,
            ..TableReport::default()
        });
        Self {
            tables: tables.into(),
            ..Self::default()
        }
    }

    pub(crate) fn imported(&mut self, table: &'static str, id: i64, repairs: &[Repair]) {
        self.count(table, |counts| {
            counts.imported += 1;
            counts.repaired += usize::from(!repairs.is_empty());
        });
        let findings = repairs.iter().map(|repair| Finding {
            table,
            id,
            code: repair.code(),
            text: repair.to_string(),
        });
        self.repaired.extend(findings);
    }

    pub(crate) fn already_there(&mut self, table: &'static str) {
        self.count(table, |counts| counts.already_there += 1);
    }

    pub(crate) fn left_out(
        &mut self,
        table: &'static str,
        id: i64,
        code: &'static str,
        text: &str,
    ) {
        self.count(table, |counts| counts.left_out += 1);
        self.left_out.push(Finding {
            table,
            id,
            code,
            text: text.to_owned(),
        });
    }

    pub(crate) fn refused(&mut self, table: &'static str, id: i64, reason: &Reason) {
        self.count(table, |counts| counts.refused += 1);
        self.refused.push(Finding {
            table,
            id,
            code: reason.code(),
            text: reason.to_string(),
        });
    }

    pub(crate) fn warn(&mut self, table: &'static str, id: i64, warning: &Warning) {
        self.warnings.push(Finding {
            table,
            id,
            code: warning.code(),
            text: warning.to_string(),
        });
    }

    fn count(&mut self, table: &'static str, change: impl FnOnce(&mut TableReport)) {
        let counts = self.tables.iter_mut().find(|counts| counts.table == table);
        if let Some(counts) = counts {
            counts.read += 1;
            change(counts);
        }
    }
}

pub(crate) const USERS: &str = "user_profiles";
pub(crate) const API_KEYS: &str = "api_keys";
pub(crate) const CREDENTIALS: &str = "credentials";
pub(crate) const WORKSPACES: &str = "workspaces";
const TABLES: [&str; 4] = [USERS, API_KEYS, CREDENTIALS, WORKSPACES];
