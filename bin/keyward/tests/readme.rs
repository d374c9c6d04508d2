//! What README.md tells people to type works, and shows what it says.
//!
//! Blocks after `<!-- tested -->` are run in one shell in an empty folder: each line after `$ `
//! (in `sh` blocks each line) must end with 0 and print what follows it; `…` stands for anything.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy knows test functions, but not what they share"
)]

mod running;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use running::{Home, Server};

#[test]
fn the_readme_keeps_its_word() {
    if let Some(missing) = ["bash", "curl"].into_iter().find(|tool| !is_here(tool)) {
        let notice = format!("not run: the_readme_keeps_its_word (no {missing})");
        assert!(!services_required(), "{notice}");
        eprintln!("{notice}");
        return;
    }
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let steps = steps(&fs::read_to_string(readme).unwrap());
    assert!(!steps.is_empty(), "README.md has no tested block");
    let mut session = Session::start();
    for step in &steps {
        session.run(step);
    }
    if let Some(server) = session.server.take() {
        server.stop();
    }
}

/// A line to type, and what it prints.
#[derive(Debug, PartialEq)]
struct Step {
    command: String,
    expected: String,
}

/// The steps of every tested block.
fn steps(markdown: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut lines = markdown.lines();
    while let Some(line) = lines.next() {
        if line.trim() != "<!-- tested -->" {
            continue;
        }
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
                }),
                (None, Some(last)) => last.expected.extend([line, "\n"]),
                (None, None) => panic!("output of no command: {line}"),
            }
        }
    }
    steps
}

/// Whether `text` is what `pattern` says.
fn fits(pattern: &str, text: &str) -> bool {
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

/// A shell, and the server that was started from it.
struct Session {
    home: Home,
    server: Option<Server>,
    shell: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Session {
    fn start() -> Self {
        let home = Home::new();
        let binary = Path::new(env!("CARGO_BIN_EXE_keyward"));
        let mut shell = Command::new("bash")
            .args(["--norc", "--noprofile"])
            .env_clear()
            .env("PATH", search_path(binary))
            .env("HOME", home.root())
            .env("BIND", "127.0.0.1:0")
            .current_dir(home.root())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            server: None,
            input: shell.stdin.take().unwrap(),
            output: BufReader::new(shell.stdout.take().unwrap()),
            shell,
            home,
        }
    }

    fn run(&mut self, step: &Step) {
        let binary = format!("{} ", env!("CARGO_BIN_EXE_keyward"));
        let command = step.command.replace("cargo run --release -- ", &binary);
        let printed = if command == format!("{binary}serve") {
            if let Some(running) = self.server.take() {
                running.stop();
            }
            let server = self.home.start();
            if step.expected.contains("kw_user_") {
                server.printed("API key");
            }
            let printed = server.stdout();
            self.server = Some(server);
            printed
        } else {
            let (printed, status) = self.type_in(&self.filled(&command));
            assert_eq!(status, "0", "{step:?} printed {printed}");
            printed
        };
        let silent = step.expected.is_empty();
        assert!(
            silent || fits(&step.expected, &printed),
            "{step:?} printed {printed}"
        );
    }

    /// The command with the real key and address in place of those of the text.
    fn filled(&self, command: &str) -> String {
        let Some(server) = &self.server else {
            return command.to_owned();
        };
        let command = command
            .replace("127.0.0.1:8080", &server.address)
            .replace("localhost:8080", &server.address);
        let shown = [("kw_user_…", "API key"), (PASSWORD, "password")];
        shown.into_iter().fold(command, |command, (text, name)| {
            if command.contains(text) {
                command.replace(text, &server.printed(name))
            } else {
                command
            }
        })
    }

    /// What a command prints on standard output, and its status.
    fn type_in(&mut self, command: &str) -> (String, String) {
        writeln!(self.input, "{command}\nprintf '\\n{END} %s\\n' \"$?\"").unwrap();
        let mut printed = String::new();
        loop {
            let mut line = String::new();
            let read = self.output.read_line(&mut line).unwrap();
            assert!(read > 0, "the shell ended at {command}");
            if let Some(status) = line.strip_prefix(END) {
                return (printed, status.trim().to_owned());
            }
            printed += &line;
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Ends with its input, unless a command hangs.
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

/// With the built `keyward` first.
fn search_path(binary: &Path) -> String {
    let folder = binary.parent().unwrap().display();
    format!("{folder}:{}", variable("PATH").unwrap_or_default())
}

fn is_here(tool: &str) -> bool {
    let path = variable("PATH").unwrap_or_default();
    path.split(':')
        .any(|folder| Path::new(folder).join(tool).exists())
}

fn services_required() -> bool {
    variable("REQUIRE_SERVICES").as_deref() == Some("1")
}

#[expect(clippy::disallowed_methods, reason = "where the shell finds its tools")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
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
<!-- tested -->
```sh
three
```
";
    let step = |command: &str, expected: &str| Step {
        command: command.to_owned(),
        expected: expected.to_owned(),
    };
    let expected = [
        step("one", "first …\nsecond\n"),
        step("two \\\n  more", ""),
        step("three", ""),
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

#[test]
fn a_readme_that_is_wrong_is_noticed() {
    if !is_here("bash") {
        return;
    }
    let step = |command: &str, expected: &str| Step {
        command: command.to_owned(),
        expected: expected.to_owned(),
    };
    for wrong in [
        step("false", ""),
        step("echo a", "b"),
        step("no-such-command", ""),
    ] {
        let run = std::panic::catch_unwind(|| Session::start().run(&wrong));
        assert!(run.is_err(), "{wrong:?}");
    }
    let mut session = Session::start();
    session.run(&step("export A=one", ""));
    session.run(&step("echo $A", "one"));
    session.run(&step(
        "keyward keys generate",
        "FIELD_ENCRYPTION_KEY=…\nSECRET_KEY=…",
    ));
}

/// What stands for the generated password.
const PASSWORD: &str = "the-password-from-above";
/// No command prints this.
const END: &str = "--the-command-has-ended--";
