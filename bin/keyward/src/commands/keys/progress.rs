use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use crate::cli::Output;

/// How far re-encryption is, on standard error: one line that changes on a terminal, a line now
/// and then elsewhere, nothing where a program reads.
pub(super) struct Progress {
    total: u64,
    done: u64,
    begun_with: u64,
    begun: Instant,
    shown: Option<Instant>,
    style: Style,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Bar,
    Lines,
    Nothing,
}

impl Progress {
    pub(super) fn new(total: u64, done: u64, output: Output) -> Self {
        let style = match output {
            Output::Json => Style::Nothing,
            Output::Text if std::io::stderr().is_terminal() => Style::Bar,
            Output::Text => Style::Lines,
        };
        Self {
            total,
            done,
            begun_with: done,
            begun: Instant::now(),
            shown: None,
            style,
        }
    }

    /// Notes that values were moved, and waits until that many are allowed.
    pub(super) fn moved_at_most(&mut self, values: usize, rate: u32) {
        let values = u64::try_from(values).unwrap_or(0);
        self.is_at(self.done.saturating_add(values).min(self.total));
        let here = self.done.saturating_sub(self.begun_with);
        let here = u32::try_from(here).unwrap_or(u32::MAX);
        if values > 0 && rate > 0 {
            let due = Duration::from_secs(1) * here / rate;
            std::thread::sleep(due.saturating_sub(self.begun.elapsed()));
        }
    }

    /// Notes how far others are.
    pub(super) fn is_at(&mut self, done: u64) {
        self.done = done;
        let pause = if self.style == Style::Bar {
            BAR_EVERY
        } else {
            LINE_EVERY
        };
        if self.shown.is_none_or(|shown| shown.elapsed() >= pause) {
            self.show();
        }
    }

    pub(super) fn finish(&mut self) {
        self.show();
        if self.style == Style::Bar {
            eprintln!();
        }
    }

    fn show(&mut self) {
        self.shown = Some(Instant::now());
        match self.style {
            Style::Bar => eprint!("\r{}\u{1b}[K", self.line()),
            Style::Lines => eprintln!("{}", self.line()),
            Style::Nothing => {}
        }
    }

    fn line(&self) -> String {
        let percent = (self.done.saturating_mul(100))
            .checked_div(self.total)
            .unwrap_or(100);
        let cells = usize::try_from(percent / 5).unwrap_or(20).min(20);
        format!(
            "[{}{}] {percent} %  {} of {} values{}",
            "#".repeat(cells),
            ".".repeat(20 - cells),
            self.done,
            self.total,
            self.estimate()
        )
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

const BAR_EVERY: Duration = Duration::from_millis(200);
const LINE_EVERY: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_much_is_done_and_how_long_it_takes() {
        let mut progress = Progress::new(1_000, 100, Output::Json);
        progress.begun = Instant::now().checked_sub(Duration::from_secs(10)).unwrap();
        progress.is_at(600);
        let line = progress.line();
        assert!(line.starts_with("[############........] 60 %  600 of 1000 values"));
        assert!(line.ends_with("about 8 s left"), "{line}");
        assert_eq!(
            Progress::new(0, 0, Output::Json).line(),
            "[####################] 100 %  0 of 0 values"
        );
    }

    #[test]
    fn no_more_values_are_moved_than_the_rate_allows() {
        let mut progress = Progress::new(1_000, 0, Output::Json);
        progress.moved_at_most(100, 1_000);
        progress.moved_at_most(100, 1_000);
        assert!(progress.begun.elapsed() >= Duration::from_millis(200));
    }
}
