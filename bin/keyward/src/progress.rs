//! How far long work is, on standard error: one line that changes on a terminal, a line now and
//! then elsewhere, nothing where a program reads.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use crate::cli::Output;

/// The place where the line stands.
pub(crate) struct ProgressLine {
    style: Style,
    shown: Option<Instant>,
    is_open: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Bar,
    Lines,
    Nothing,
}

impl ProgressLine {
    /// Shows the first line at once.
    pub(crate) fn new(output: Output) -> Self {
        Self {
            style: match output {
                Output::Json => Style::Nothing,
                Output::Text if std::io::stderr().is_terminal() => Style::Bar,
                Output::Text => Style::Lines,
            },
            shown: None,
            is_open: false,
        }
    }

    /// Shows nothing of work that is short.
    pub(crate) fn of_long_work(output: Output) -> Self {
        Self {
            shown: Some(Instant::now()),
            ..Self::new(output)
        }
    }

    /// Shows what `line` says, unless the last one was just now.
    pub(crate) fn show(&mut self, line: impl FnOnce() -> String) {
        let pause = match self.style {
            Style::Bar => BAR_EVERY,
            Style::Lines => LINE_EVERY,
            Style::Nothing => return,
        };
        if self.shown.is_none_or(|shown| shown.elapsed() >= pause) {
            self.show_now(line);
        }
    }

    /// Shows what `line` says.
    pub(crate) fn show_now(&mut self, line: impl FnOnce() -> String) {
        self.shown = Some(Instant::now());
        match self.style {
            Style::Bar => {
                eprint!("\r{}\u{1b}[K", line());
                self.is_open = true;
            }
            Style::Lines => eprintln!("{}", line()),
            Style::Nothing => {}
        }
    }

    /// Ends the line on a terminal.
    pub(crate) fn finish(&mut self) {
        if self.is_open {
            eprintln!();
            self.is_open = false;
        }
    }
}

/// `[####................] 20 %  2 of 10`
pub(crate) fn bar(done: u64, total: u64) -> String {
    let percent = done.saturating_mul(100).checked_div(total).unwrap_or(100);
    let cells = usize::try_from(percent / 5).unwrap_or(20).min(20);
    format!(
        "[{}{}] {percent} %  {done} of {total}",
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
    fn the_bar_tells_how_far_it_is() {
        assert_eq!(bar(600, 1_000), "[############........] 60 %  600 of 1000");
        assert_eq!(bar(0, 0), "[####################] 100 %  0 of 0");
        assert_eq!(bar(11, 10), "[####################] 110 %  11 of 10");
    }
}
