//! What pages tell people to type.
//!
//! Blocks after `<!-- tested -->` are run in one shell in an empty folder: each line after `$ `
//! (in `sh` blocks each line) must end with 0 and print what follows it; `…` stands for anything.

/// A line to type, and what it prints.
#[derive(Debug, PartialEq)]
pub(crate) struct Step {
    pub(crate) command: String,
    pub(crate) expected: String,
    /// What follows the word `tested` in the mark.
    pub(crate) mark: String,
}

/// The steps of every tested block.
pub(crate) fn steps(markdown: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut lines = markdown.lines();
    while let Some(line) = lines.next() {
        let Some(mark) = line.trim().strip_prefix("<!-- tested") else {
            continue;
        };
        let mark = mark.trim_end_matches("-->").trim_start_matches(':').trim();
        let fence = lines.next().unwrap_or_default().trim();
        let prompt = match fence {
            "```console" => "$ ",
            "```sh" => "",
            other => panic!("no block to test after the mark, but {other:?}"),
        };
        for line in lines.by_ref().take_while(|line| line.trim() != "```") {
            match (line.strip_prefix(prompt), steps.last_mut()) {
                (_, Some(last)) if last.command.ends_with('\\') => {
                    last.command = format!("{}\n{line}", last.command);
                }
                (Some(command), _) => steps.push(Step {
                    command: command.to_owned(),
                    expected: String::new(),
                    mark: mark.to_owned(),
                }),
                (None, Some(last)) => last.expected.extend([line, "\n"]),
                (None, None) => panic!("output of no command: {line}"),
            }
        }
    }
    steps
}

/// Whether `text` is what `pattern` says.
pub(crate) fn fits(pattern: &str, text: &str) -> bool {
    let lines = |text: &str| -> Vec<String> {
        text.trim()
            .lines()
            .map(|line| line.trim_end().to_owned())
            .collect()
    };
    let (pattern, text) = (lines(pattern).join("\n"), lines(text).join("\n"));
    let pieces: Vec<_> = pattern.split('…').collect();
    let [first, middle @ .., last] = pieces.as_slice() else {
        return pattern == text;
    };
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    for piece in middle {
        match rest.split_once(piece) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[test]
fn only_marked_blocks_are_run() {
    let text = "\
```console
$ not this
```
<!-- tested -->
```console
$ one
first …
second
$ two \\
  more
```
<!-- tested: with a mark -->
```sh
three
```
";
    let step = |command: &str, expected: &str, mark: &str| Step {
        command: command.to_owned(),
        expected: expected.to_owned(),
        mark: mark.to_owned(),
    };
    let expected = [
        step("one", "first …\nsecond\n", ""),
        step("two \\\n  more", "", ""),
        step("three", "", "with a mark"),
    ];
    assert_eq!(steps(text), expected);
}

#[test]
fn dots_stand_for_anything_and_nothing_else_does() {
    for (pattern, text) in [
        ("a", "a\n"),
        ("a…", "abc"),
        ("…c", "abc"),
        ("{\"id\":\"…\",\"n\":1,…}", "{\"id\":\"7\",\"n\":1,\"m\":2}"),
        ("a\nb…\nc", "a\nbb\nc\n"),
    ] {
        assert!(fits(pattern, text), "{pattern}");
    }
    for (pattern, text) in [
        ("a", "b"),
        ("a…c", "ab"),
        ("a…b…c", "acb"),
        ("", "a"),
        ("a", "a b"),
    ] {
        assert!(!fits(pattern, text), "{pattern}");
    }
}
