use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::output::Output;
use super::{Answer, Client, until};

/// A server that answers. It is killed when dropped.
pub(crate) struct Server {
    child: Child,
    /// `127.0.0.1:PORT`
    pub(crate) address: String,
    /// From the start of the process to its first answer that all is well.
    pub(crate) ready_after: Duration,
    stdout: Output,
    stderr: Output,
}

/// What a server left.
pub(crate) struct Left {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Server {
    /// Starts `keyward serve` in `dir` with these environment variables and no others.
    pub(crate) fn start(dir: &Path, variables: &BTreeMap<String, String>) -> Self {
        let started = Instant::now();
        let mut server = Self::announced_in(dir, variables);
        let anybody = server.client("");
        until("a server that is ready", || {
            let answer = anybody.try_send("GET", "/health/ready", &[], None).ok()?;
            (answer.status == 200).then_some(())
        });
        server.ready_after = started.elapsed();
        server
    }

    /// [`start`](Self::start) without asking it, for a server that speaks TLS.
    pub(crate) fn announced_in(dir: &Path, variables: &BTreeMap<String, String>) -> Self {
        Self::of_arguments(&["serve"], dir, variables)
    }

    /// [`announced_in`](Self::announced_in) with other arguments, the last of which is `serve`.
    pub(crate) fn of_arguments(
        arguments: &[&str],
        dir: &Path,
        variables: &BTreeMap<String, String>,
    ) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keyward"));
        command.args(arguments);
        Self::of_command(command, dir, variables)
    }

    /// The same by a command that starts the server.
    pub(crate) fn of_command(
        mut command: Command,
        dir: &Path,
        variables: &BTreeMap<String, String>,
    ) -> Self {
        let mut child = command
            .env_clear()
            .envs(variables)
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = Output::of(child.stdout.take().unwrap());
        let stderr = Output::of(child.stderr.take().unwrap());
        let mut server = Self {
            child,
            address: String::new(),
            ready_after: Duration::ZERO,
            stdout,
            stderr,
        };
        server.address = until("the address of the server", || server.announced());
        server
    }

    /// The address on standard error, once it is there.
    fn announced(&mut self) -> Option<String> {
        let ended = self.child.try_wait().unwrap();
        let said = self.stderr.text();
        let address = said
            .lines()
            .find_map(|line| line.strip_prefix("keyward: serving on "))
            .and_then(|rest| rest.split_once("://"))
            .map(|(_, rest)| rest)
            .and_then(|rest| rest.split(' ').next())
            .map(str::to_owned);
        assert!(
            address.is_some() || ended.is_none(),
            "the server did not start: {ended:?}\n{said}"
        );
        address
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A client that presents `key`.
    pub(crate) fn client(&self, key: &str) -> Client {
        Client::new(&self.address, key)
    }

    /// The first administrator, as printed by the first start in development.
    pub(crate) fn admin(&self) -> Client {
        self.client(&self.printed("API key"))
    }

    /// The word after `label` on standard output.
    pub(crate) fn printed(&self, label: &str) -> String {
        until(label, || {
            let stdout = self.stdout.text();
            let line = stdout.lines().find_map(|l| l.trim().strip_prefix(label))?;
            Some(line.trim().to_owned())
        })
    }

    /// Standard output so far.
    pub(crate) fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// Standard error so far.
    pub(crate) fn stderr(&self) -> String {
        self.stderr.text()
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.client("").get(path)
    }

    /// Ends the process without any warning to it, and without waiting for the end.
    pub(crate) fn shoot(&mut self) {
        self.child.kill().unwrap();
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) -> Left {
        self.take_and_kill()
    }

    /// [`Server::kill`] of a server that is part of something else.
    pub(crate) fn take_and_kill(&mut self) -> Left {
        self.shoot();
        self.ended();
        self.left()
    }

    /// SIGTERM, and nothing else.
    pub(crate) fn terminate(&self) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).unwrap();
    }

    /// SIGTERM to the server and to whatever has started it as a group; waits for the end.
    pub(crate) fn terminate_group(mut self) {
        let group = Pid::from_child(&self.child);
        kill_process_group(group, Signal::TERM).unwrap();
        self.ended();
    }

    /// SIGTERM; the server must end in good order.
    pub(crate) fn stop(mut self) -> Left {
        self.terminate();
        let status = self.ended();
        let left = self.left();
        assert_eq!(status.code(), Some(0), "{}", left.stderr);
        left
    }

    /// Whether the process has ended, and how.
    pub(crate) fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for the end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        until("the end of the server", || self.has_ended())
    }

    fn left(&mut self) -> Left {
        Left {
            stdout: self.stdout.all(),
            stderr: self.stderr.all(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Has ended already, in most cases.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let said = self.stderr.text();
            let lines: Vec<_> = said
                .lines()
                .filter(|line| !line.contains("TRACE"))
                .collect();
            let last = &lines[lines.len().saturating_sub(20)..];
            eprintln!("--- the server said at last:\n{}", last.join("\n"));
        }
    }
}
