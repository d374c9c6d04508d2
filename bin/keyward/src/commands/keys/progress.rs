use std::time::{Duration, Instant};

use crate::cli::Output;
use crate::progress::{ProgressLine, bar};

/// How far re-encryption is.
pub(super) struct Progress {
    count: Count,
    line: ProgressLine,
}

struct Count {
    total: u64,
    done: u64,
    begun_with: u64,
    begun: Instant,
}

impl Progress {
    pub(super) fn new(total: u64, done: u64, output: Output) -> Self {
        Self {
            count: Count {
                total,
                done,
                begun_with: done,
                begun: Instant::now(),
            },
            line: ProgressLine::new(output),
        }
    }

    /// Notes that values were moved, and waits until that many are allowed.
    pub(super) fn moved_at_most(&mut self, values: usize, rate: u32) {
        let values = u64::try_from(values).unwrap_or(0);
        let done = self.count.done.saturating_add(values);
        self.is_at(done.min(self.count.total));
        if values > 0 && rate > 0 {
            let due = Duration::from_secs(1) * self.count.here() / rate;
            std::thread::sleep(due.saturating_sub(self.count.begun.elapsed()));
        }
    }

    /// Notes how far others are.
    pub(super) fn is_at(&mut self, done: u64) {
        self.count.done = done;
        self.line.show(|| self.count.line());
    }

    pub(super) fn finish(&mut self) {
        self.line.show_now(|| self.count.line());
        self.line.finish();
    }
}

impl Count {
    /// How many were moved by this process.
    fn here(&self) -> u32 {
        u32::try_from(self.done.saturating_sub(self.begun_with)).unwrap_or(u32::MAX)
    }

    fn line(&self) -> String {
        let bar = bar(self.done, self.total);
        format!("{bar} values{}", self.estimate())
    }

    fn estimate(&self) -> String {
        let moved = self.done.saturating_sub(self.begun_with);
        let left = self.total.saturating_sub(self.done);
        if moved == 0 || left == 0 {
            return String::new();
        }
        let millis = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let seconds = millis.saturating_mul(left) / moved / 1_000;
        format!(", about {seconds} s left")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_much_is_done_and_how_long_it_takes() {
        let mut progress = Progress::new(1_000, 100, Output::Json);
        progress.count.begun = Instant::now().checked_sub(Duration::from_secs(10)).unwrap();
        progress.is_at(600);
        let line = progress.count.line();
        assert!(line.starts_with("[############........] 60 %  600 of 1000 values"));
        assert!(line.ends_with("about 8 s left"), "{line}");
    }

    #[test]
    fn no_more_values_are_moved_than_the_rate_allows() {
        let mut progress = Progress::new(1_000, 0, Output::Json);
        progress.moved_at_most(100, 1_000);
        progress.moved_at_most(100, 1_000);
        assert!(progress.count.begun.elapsed() >= Duration::from_millis(200));
    }
}
