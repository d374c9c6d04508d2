use std::fmt::Write;

use crate::settings::Mode;

use super::check::{Check, Outcome};
use super::checklist::Checklist;

/// The checklist for a person at a terminal.
pub(super) fn render(checklist: &Checklist, colours: bool) -> String {
    let width = checklist
        .checks()
        .iter()
        .map(|check| check.id.len())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for check in checklist.checks() {
        // Writing to a string cannot fail.
        let _ = write_check(&mut text, check, width, colours);
    }
    text.push('\n');
    text + &summary(checklist)
}

fn write_check(text: &mut String, check: &Check, width: usize, colours: bool) -> std::fmt::Result {
    let (outcome, colour) = match check.outcome {
        Outcome::Pass => ("pass", GREEN),
        Outcome::Warn => ("WARN", YELLOW),
        Outcome::Fail => ("FAIL", RED),
        Outcome::Skip => ("skip", DIM),
        Outcome::Waived => ("WAIV", YELLOW),
    };
    let (colour, reset) = if colours { (colour, RESET) } else { ("", "") };
    writeln!(
        text,
        "{colour}{outcome}{reset}  {:width$}  {}",
        check.id,
        one_line(&check.evidence)
    )?;
    if !check.fix.is_empty() {
        let indent = " ".repeat(OUTCOME_WIDTH + width);
        writeln!(
            text,
            "{indent}    fix: {} ({})",
            one_line(&check.fix),
            check.asvs
        )?;
    }
    Ok(())
}

fn summary(checklist: &Checklist) -> String {
    let sum = format!(
        "{}: {} passed, {} with warnings, {} failed, {} waived, {} skipped\n",
        checklist.mode(),
        checklist.count(Outcome::Pass),
        checklist.count(Outcome::Warn),
        checklist.count(Outcome::Fail),
        checklist.count(Outcome::Waived),
        checklist.count(Outcome::Skip),
    );
    match checklist.mode() {
        Mode::Production => sum,
        Mode::Development => {
            sum + "For what production demands: KEYWARD_ENV=production keyward doctor\n"
        }
    }
}

/// Paths and names come from outside, and must not draw on the terminal.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

const OUTCOME_WIDTH: usize = "pass".len();

const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const RED: &str = "\x1b[1;31m";
const DIM: &str = "\x1b[2m";
const RESET: &str = "\x1b[0m";

#[cfg(test)]
mod tests {
    use super::super::check::{Rule, Severity};
    use super::*;

    const RULE: Rule = Rule {
        id: "area.rule",
        title: "The rule holds",
        severity: Severity::Blocking,
        asvs: "v5.0.0-1.1.1",
    };

    #[test]
    fn columns_are_aligned_and_a_fix_stands_below() {
        let long = Rule {
            id: "area.longer-rule",
            ..RULE
        };
        let mut checklist = Checklist::new(Mode::Production);
        checklist.extend([
            RULE.pass("fine"),
            long.fail("broken", "mend it"),
            RULE.skip("none"),
        ]);
        insta::assert_snapshot!(render(&checklist, false), @r"
        pass  area.rule         fine
        FAIL  area.longer-rule  broken
                                fix: mend it (v5.0.0-1.1.1)
        skip  area.rule         none

        production: 1 passed, 0 with warnings, 1 failed, 0 waived, 1 skipped
        ");
    }

    #[test]
    fn only_the_outcome_is_coloured() {
        let mut checklist = Checklist::new(Mode::Production);
        checklist.extend([RULE.warn("so so", "mend it")]);
        let text = render(&checklist, true);
        assert!(
            text.starts_with("\x1b[33mWARN\x1b[0m  area.rule"),
            "{text:?}"
        );
        assert!(!render(&checklist, false).contains('\x1b'));
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let mut checklist = Checklist::new(Mode::Production);
        checklist.extend([RULE.fail("a\x1b[2Jb\r\nc", "d\x07")]);
        let text = render(&checklist, false);
        assert!(!text.contains(['\x1b', '\r', '\x07']), "{text:?}");
    }
}
