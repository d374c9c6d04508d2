use crate::cli::Output;
use crate::progress::{ProgressLine, bar};

/// How far reading or writing a backup is. What is short is not shown.
pub(super) struct Progress {
    what: &'static str,
    line: ProgressLine,
}

impl Progress {
    pub(super) fn new(what: &'static str, output: Output) -> Self {
        Self {
            what,
            line: ProgressLine::of_long_work(output),
        }
    }

    /// Notes how many rows are done.
    pub(super) fn is_at(&mut self, done: u64, total: u64) {
        self.line
            .show(|| format!("{} rows {}", bar(done, total), self.what));
    }

    /// Ends the line on a terminal.
    pub(super) fn finish(&mut self) {
        self.line.finish();
    }
}
