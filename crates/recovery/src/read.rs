use std::collections::BTreeMap;

use zeroize::Zeroizing;

use crate::error::{Mistyped, ReadError};
use crate::frame::{self, Form, FrameError, unframe};
use crate::kit::RecoveryKit;
use crate::line;
use crate::share::Share;

/// What was read.
#[derive(Debug)]
pub enum Page {
    /// A whole kit.
    Kit(RecoveryKit),
    /// A share of one.
    Share(Share),
}

/// Reads pages from a text: the numbered lines alone, or with whatever is around them. Each line 1
/// begins another page.
pub fn read(text: &str) -> Result<Vec<Page>, ReadError> {
    let mut pages: Vec<Vec<(u16, Line)>> = Vec::new();
    let mut mistyped = Vec::new();
    for (at, text) in (1..).zip(text.lines()) {
        let Some(typed) = line::read(text) else {
            continue;
        };
        let Some(bytes) = typed.bytes else {
            let number = typed.number;
            mistyped.push(Mistyped { number, at });
            continue;
        };
        let line = (typed.number, bytes);
        match pages.last_mut() {
            Some(page) if typed.number != 1 => page.push(line),
            _ => pages.push(vec![line]),
        }
    }
    if !mistyped.is_empty() {
        return Err(ReadError::Mistyped(mistyped));
    }
    if pages.is_empty() {
        return Err(ReadError::Nothing);
    }
    pages.into_iter().map(page).collect()
}

type Line = Zeroizing<Vec<u8>>;

fn page(typed: Vec<(u16, Line)>) -> Result<Page, ReadError> {
    let mut lines = BTreeMap::new();
    for (number, bytes) in typed {
        if lines.insert(number, bytes).is_some() {
            return Err(ReadError::Doubled(number));
        }
    }
    let bytes = whole(&lines)?;
    let (form, content) = unframe(&bytes).map_err(|error| match error {
        FrameError::UnknownForm => ReadError::UnknownForm,
        FrameError::Damaged => ReadError::Damaged,
    })?;
    Ok(match form {
        Form::Kit => Page::Kit(RecoveryKit::from_content(content).ok_or(ReadError::Damaged)??),
        Form::Share => Page::Share(Share::from_content(content).ok_or(ReadError::Damaged)?),
    })
}

/// The bytes of all lines, of which none may be missing.
fn whole(lines: &BTreeMap<u16, Line>) -> Result<Zeroizing<Vec<u8>>, ReadError> {
    let first = lines.get(&1).ok_or_else(|| ReadError::Missing(vec![1]))?;
    let length = frame::length(first).ok_or(ReadError::Damaged)?;
    let count = u16::try_from(line::lines(length)).map_err(|_| ReadError::Damaged)?;
    if let Some(more) = lines.keys().find(|number| !(1..=count).contains(*number)) {
        return Err(ReadError::TooMany(*more));
    }
    let missing: Vec<_> = (1..=count)
        .filter(|line| !lines.contains_key(line))
        .collect();
    if !missing.is_empty() {
        return Err(ReadError::Missing(missing));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(
        lines.values().map(|line| line.len()).sum(),
    ));
    for line in lines.values() {
        bytes.extend_from_slice(line);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::split::Split;
    use crate::test_keys::kit;

    /// The numbered lines of a page.
    fn numbered(page: &str) -> Vec<String> {
        let lines = page.lines().filter(|text| line::read(text).is_some());
        lines.map(str::to_owned).collect()
    }

    fn error(lines: &[String]) -> ReadError {
        read(&lines.join("\n")).unwrap_err()
    }

    #[test]
    fn a_page_reads_back_with_and_without_what_is_around_its_lines() {
        let kit = kit();
        let page = kit.page();
        for text in [page.expose().to_owned(), numbered(page.expose()).join("\n")] {
            let [Page::Kit(read)] = &read(&text).unwrap()[..] else {
                panic!();
            };
            assert_eq!(read.secret_key().expose(), kit.secret_key().expose());
            assert_eq!(read.id(), kit.id());
        }
    }

    #[test]
    fn lines_may_come_in_any_order_behind_the_first() {
        let mut lines = numbered(kit().page().expose());
        lines[1..].reverse();
        assert!(read(&lines.join("\n")).is_ok());
    }

    #[test]
    fn several_pages_in_one_text_are_told_apart() {
        let kit = kit();
        let shares = kit.split(Split::new(3, 2).unwrap());
        let text: String = shares
            .iter()
            .map(|share| share.page().expose().to_owned())
            .collect();
        let pages = read(&(kit.page().expose().to_owned() + "\x0c" + &text)).unwrap();
        let numbers: Vec<_> = pages
            .iter()
            .map(|page| match page {
                Page::Kit(_) => 0,
                Page::Share(share) => share.number(),
            })
            .collect();
        assert_eq!(numbers, [0, 1, 2, 3]);
    }

    #[test]
    fn every_line_with_a_typing_error_is_named() {
        let mut lines = numbered(kit().page().expose());
        for place in [1, 4] {
            let wrong = if lines[place].ends_with('0') {
                "1"
            } else {
                "0"
            };
            lines[place].pop();
            lines[place].push_str(wrong);
        }
        lines.insert(0, "a head".to_owned());
        let error = error(&lines);
        assert_eq!(
            error.to_string(),
            "there are typing errors in line 2: (at line 3 of the text), line 5: (at line 6 of \
             the text); compare every character with the paper"
        );
    }

    #[test]
    fn missing_doubled_and_superfluous_lines_are_named() {
        let lines = numbered(kit().page().expose());
        let last = lines.len();
        for missing in 1..=last {
            let mut fewer = lines.clone();
            fewer.remove(missing - 1);
            let found = error(&fewer);
            if missing == 1 {
                // Without it nobody knows how many lines there are.
                assert_eq!(
                    found.to_string().split(';').next(),
                    Some("line 1 is missing")
                );
            } else {
                let number = u16::try_from(missing).unwrap();
                assert!(matches!(found, ReadError::Missing(numbers) if numbers == [number]));
            }
        }
        let doubled = [&lines[..], &lines[2..3]].concat();
        assert!(matches!(error(&doubled), ReadError::Doubled(3)));

        let mut more = String::new();
        line::print(&vec![0; (last + 1) * 20], &mut more);
        let more = more.lines().last().unwrap().to_owned();
        let number = u16::try_from(last + 1).unwrap();
        let longer = [&lines[..], &[more]].concat();
        assert!(matches!(error(&longer), ReadError::TooMany(found) if found == number));
    }

    #[test]
    fn lines_of_two_pages_do_not_mix() {
        let (one, other) = (
            numbered(kit().page().expose()),
            numbered(kit().page().expose()),
        );
        for place in 1..one.len() {
            let mut mixed = one.clone();
            mixed[place].clone_from(&other[place]);
            assert!(matches!(error(&mixed), ReadError::Damaged), "{place}");
        }
    }

    #[test]
    fn a_text_without_lines_is_told_so() {
        for text in ["", "hello\n", "made 2027-01-15T08:00:00Z"] {
            assert!(matches!(read(text), Err(ReadError::Nothing)), "{text}");
        }
    }

    #[test]
    fn a_later_form_is_told() {
        let mut text = String::new();
        line::print(&[9; 20], &mut text);
        // Nine hundred lines would follow.
        assert!(matches!(read(&text), Err(ReadError::Missing(_))));
        let mut short = vec![9, 0, 1];
        short.extend([0; 17]);
        text.clear();
        line::print(&short, &mut text);
        assert!(matches!(read(&text), Err(ReadError::UnknownForm)));
    }

    #[test]
    fn no_error_repeats_what_was_typed() {
        let lines = numbered(kit().page().expose());
        let mut wrong = lines.clone();
        wrong[0].push('0');
        for error in [error(&wrong), error(&lines[1..])] {
            let shown = format!("{error} {error:?}");
            for group in lines
                .iter()
                .flat_map(|line| line.split_whitespace().skip(1))
            {
                assert!(group.len() < 4 || !shown.contains(group), "{shown}");
            }
        }
    }
}
