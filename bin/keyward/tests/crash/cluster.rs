use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::running::until;

/// A PostgreSQL server of its own, that can be killed.
pub(crate) struct Cluster {
    // Stopped before its folder goes.
    server: Child,
    owner: Option<Owner>,
    programs: PathBuf,
    port: u16,
    folder: TempDir,
}

/// PostgreSQL does not run as root.
#[derive(Clone, Copy)]
struct Owner {
    user: u32,
    group: u32,
}

impl Cluster {
    /// `None` where its programs are missing, which is said by name.
    pub(crate) fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            assert!(
                std::env::var_os("REQUIRE_SERVICES").is_none(),
                "the programs of PostgreSQL (initdb, postgres) are not here"
            );
            eprintln!("NOT RUN: the programs of PostgreSQL (initdb, postgres) are not here");
            return None;
        };
        let folder = TempDir::new().unwrap();
        let owner = owner();
        if let Some(Owner { user, group }) = owner {
            chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        let made = command(&programs.join("initdb"), folder.path(), owner)
            .args(["--no-sync", "--auth=trust", "--username=postgres", "-D"])
            .arg(folder.path().join("data"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let port = free_port();
        let server = serve(&programs, folder.path(), owner, port);
        // It listens before it takes anybody, and who starts then is turned away.
        until("PostgreSQL to take connections", || {
            let log = fs::read_to_string(folder.path().join("log")).unwrap_or_default();
            log.contains("ready to accept connections").then_some(())
        });
        Some(Self {
            server,
            owner,
            programs,
            port,
            folder,
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Kills all of its processes at once, as a machine does that loses its power.
    pub(crate) fn kill(&mut self) {
        let children = children_of(self.server.id());
        self.server.kill().unwrap();
        for child in children {
            let _ = Command::new("kill").args(["-KILL", &child]).output();
        }
        self.server.wait().unwrap();
    }

    pub(crate) fn restart(&mut self) {
        self.server = serve(&self.programs, self.folder.path(), self.owner, self.port);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.kill();
    }
}

fn serve(programs: &Path, folder: &Path, owner: Option<Owner>, port: u16) -> Child {
    let log = fs::File::create(folder.join("log")).unwrap();
    let child = command(&programs.join("postgres"), folder, owner)
        .arg("-D")
        .arg(folder.join("data"))
        .args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"])
        .args([
            "-c",
            "unix_socket_directories=",
            "-c",
            "shared_buffers=16MB",
            "-c",
            "lc_messages=C",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    until("PostgreSQL to listen", || {
        TcpStream::connect(("127.0.0.1", port)).ok().map(drop)
    });
    child
}

fn command(program: &Path, folder: &Path, owner: Option<Owner>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder);
    if let Some(Owner { user, group }) = owner {
        command.uid(user).gid(group);
    }
    command
}

/// Where Debian and others put what is for servers alone, or what is found by its name.
fn programs() -> Option<PathBuf> {
    let asked = Command::new("pg_config").arg("--bindir").output();
    let named = asked.ok().map(|output| {
        let text = String::from_utf8_lossy(&output.stdout);
        PathBuf::from(text.trim())
    });
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let installed = versions.flatten().map(|version| version.path().join("bin"));
    let mut places = named.into_iter().chain(installed);
    places.find(|place| place.join("initdb").exists() && place.join("postgres").exists())
}

/// The user `postgres`, where the tests run as root.
fn owner() -> Option<Owner> {
    let own = fs::read_to_string("/proc/self/status").unwrap();
    let is_root = own.lines().any(|line| line.starts_with("Uid:\t0\t"));
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let line = users
        .lines()
        .find_map(|line| line.strip_prefix("postgres:"));
    let mut fields = line.filter(|_| is_root)?.split(':').skip(1);
    let mut number = || fields.next()?.parse().ok();
    Some(Owner {
        user: number()?,
        group: number()?,
    })
}

fn children_of(parent: u32) -> Vec<String> {
    let listed = Command::new("ps")
        .args(["-o", "pid=", "--ppid", &parent.to_string()])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    text.split_whitespace().map(str::to_owned).collect()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
