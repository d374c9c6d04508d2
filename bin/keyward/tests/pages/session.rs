//! A shell in an empty folder.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::running::{Home, Server};
use crate::steps::{Step, fits};

/// A shell, and the server that was started from it.
pub(crate) struct Session {
    home: Home,
    pub(crate) server: Option<Server>,
    shell: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Session {
    pub(crate) fn start() -> Self {
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

    pub(crate) fn run(&mut self, step: &Step) {
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
        let expected = self.at_its_address(&step.expected);
        assert!(
            silent || fits(&expected, &printed),
            "{step:?} printed {printed}"
        );
    }

    /// The command with the real key and address in place of those of the text.
    fn filled(&self, command: &str) -> String {
        let command = self.at_its_address(command);
        let Some(server) = &self.server else {
            return command;
        };
        let shown = [("kw_user_…", "API key"), (PASSWORD, "password")];
        shown.into_iter().fold(command, |command, (text, name)| {
            if command.contains(text) {
                command.replace(text, &server.printed(name))
            } else {
                command
            }
        })
    }

    fn at_its_address(&self, text: &str) -> String {
        let Some(server) = &self.server else {
            return text.to_owned();
        };
        text.replace("127.0.0.1:8080", &server.address)
            .replace("localhost:8080", &server.address)
    }

    /// A shell beside a server that runs already.
    pub(crate) fn beside_a_server() -> Self {
        let mut session = Self::start();
        let server = session.home.start();
        server.printed("API key");
        let told = session.type_in(&format!("export BIND={}", server.address));
        assert_eq!(told.1, "0");
        session.server = Some(server);
        session
    }

    /// What a command prints on standard output, and its status.
    pub(crate) fn type_in(&mut self, command: &str) -> (String, String) {
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
pub(crate) fn search_path(binary: &Path) -> String {
    let folder = binary.parent().unwrap().display();
    format!("{folder}:{}", variable("PATH").unwrap_or_default())
}

pub(crate) fn is_here(tool: &str) -> bool {
    let path = variable("PATH").unwrap_or_default();
    path.split(':')
        .any(|folder| Path::new(folder).join(tool).exists())
}

pub(crate) fn services_required() -> bool {
    variable("REQUIRE_SERVICES").as_deref() == Some("1")
}

#[expect(clippy::disallowed_methods, reason = "where the shell finds its tools")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[test]
fn a_readme_that_is_wrong_is_noticed() {
    if !is_here("bash") {
        return;
    }
    let step = |command: &str, expected: &str| Step {
        command: command.to_owned(),
        expected: expected.to_owned(),
        mark: String::new(),
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
