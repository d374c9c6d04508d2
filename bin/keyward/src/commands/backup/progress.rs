use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use crate::cli::Output;

/// How far reading or writing a backup is, on standard error: one line that changes on a terminal,
/// a line now and then elsewhere, nothing where a program reads.
pub(super) struct Progress {
    what: &'static str,
    style: Style,
    shown: Instant,
    has_line: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Bar,
    Lines,
    Nothing,
}

impl Progress {
    pub(super) fn new(what: &'static str, output: Output) -> Self {
        Self {
            what,
            style: match output {
                Output::Json => Style::Nothing,
                Output::Text if std::io::stderr().is_terminal() => Style::Bar,
                Output::Text => Style::Lines,
            },
            shown: Instant::now(),
            has_line: false,
        }
    }

    /// Notes how many rows are done. What is short is not shown.
    pub(super) fn is_at(&mut self, done: u64, total: u64) {
        let pause = if self.style == Style::Bar {
            BAR_EVERY
        } else {
            LINE_EVERY
        };
        if self.style == Style::Nothing || self.shown.elapsed() < pause {
            return;
        }
        self.shown = Instant::now();
        let line = line(self.what, done, total);
        if self.style == Style::Bar {
            eprint!("\r{line}\u{1b}[K");
            self.has_line = true;
        } else {
            eprintln!("{line}");
        }
    }

    /// Ends the line on a terminal.
    pub(super) fn finish(&mut self) {
        if self.has_line {
            eprintln!();
            self.has_line = false;
        }
    }
}

fn line(what: &str, done: u64, total: u64) -> String {
    let percent = done.saturating_mul(100).checked_div(total).unwrap_or(100);
    let cells = usize::try_from(percent / 5).unwrap_or(20).min(20);
    format!(
        "[{}{}] {percent} %  {done} of {total} rows {what}",
        "#".repeat(cells),
        ".".repeat(20 - cells)
    )
}

const BAR_EVERY: Duration = Duration::from_millis(200);
const LINE_EVERY: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_how_far_it_is() {
        assert_eq!(
            line("verified", 600, 1_000),
            "[############........] 60 %  600 of 1000 rows verified"
        );
        assert_eq!(
            line("written", 0, 0),
            "[####################] 100 %  0 of 0 rows written"
        );
    }
}
