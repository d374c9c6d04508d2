//! What other processes see of a running one.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::running::{Home, Server, until};

/// A user who is not root, where the tests run as root, whom nothing is hidden from.
/// Elsewhere who runs the tests.
struct User(Option<u32>);

impl User {
    fn who_owns(folder: &Path) -> Self {
        let nobody = 65_534;
        Self(
            chown(folder, Some(nobody), Some(nobody))
                .is_ok()
                .then_some(nobody),
        )
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(id) = self.0 {
            command.uid(id).gid(id);
        }
        command
    }

    fn reads_environment_of(&self, process: &Running) -> bool {
        let path = format!("/proc/{}/environ", process.0.id());
        let read = self.command(Path::new("/bin/cat")).arg(path).output();
        String::from_utf8_lossy(&read.unwrap().stdout).contains("CANARY=seen")
    }
}

/// Stopped when dropped.
struct Running(Child);

impl Running {
    fn start(mut command: Command) -> Self {
        Self(command.env("CANARY", "seen").spawn().unwrap())
    }

    fn until_it_says(&mut self, words: &str) {
        let mut lines = BufReader::new(self.0.stderr.as_mut().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains(words)), "{words}");
    }

    fn limit_of_core_dumps(&self) -> String {
        limit(self.0.id(), "Max core file size")
    }
}

/// The soft limit, the hard one and their unit.
fn limit(process: u32, name: &str) -> String {
    let limits = fs::read_to_string(format!("/proc/{process}/limits")).unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn another_process_of_the_same_user_does_not_see_the_environment_of_a_server() {
    // The folders of the tests may be closed to other users.
    let folder = TempDir::new().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let binary = folder.path().join("keyward");
    fs::copy(env!("CARGO_BIN_EXE_keyward"), &binary).unwrap();
    let home = folder.path().join("home");
    fs::create_dir(&home).unwrap();
    let user = User::who_owns(&home);

    let idle = Running::start(user.command(Path::new("/bin/cat")));
    let mut serve = user.command(&binary);
    serve
        .arg("serve")
        .current_dir(&home)
        .env("BIND", "127.0.0.1:0");
    let mut server = Running::start(serve);
    server.until_it_says("serving on");

    until("what the user can see", || {
        user.reads_environment_of(&idle).then_some(())
    });
    assert!(!user.reads_environment_of(&server));
    assert_eq!(server.limit_of_core_dumps(), "0 0 bytes");
}

#[test]
fn a_server_takes_as_many_connections_as_the_system_lets_it() {
    let home = Home::new();
    let mut command = Command::new("/bin/sh");
    let script = format!(
        "ulimit -Sn 300 && ulimit -Hn 3000 && exec '{}' serve",
        env!("CARGO_BIN_EXE_keyward")
    );
    command.args(["-c", &script]);
    let server = Server::of_command(command, home.root(), home.variables());
    assert_eq!(
        limit(server.pid(), "Max open files"),
        "3000 3000 files",
        "it began with 300"
    );
}

#[test]
fn no_command_writes_a_core_dump() {
    let home = Home::new();
    // It waits for its standard input.
    let init = home.command(&["init", "--username", "root", "--password-stdin"]);
    let init = Running::start(init);
    until("a limit of nothing", || {
        (init.limit_of_core_dumps() == "0 0 bytes").then_some(())
    });
}
