use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use keyward_store_diesel::testing::TestDatabase;
use tempfile::TempDir;

use super::output::Output;
use super::{Server, Sql};

/// A folder of its own and an environment with nothing in it but what a test sets.
pub(crate) struct Home {
    dir: TempDir,
    variables: BTreeMap<String, String>,
    database: Option<TestDatabase>,
}

/// What a command left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

impl Home {
    /// An empty folder: development, on SQLite.
    pub(crate) fn new() -> Self {
        // Not in /tmp, which can be in memory: what is on disk is what these tests are about.
        let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o700)).unwrap();
        let variables = BTreeMap::from([("BIND".to_owned(), "127.0.0.1:0".to_owned())]);
        Self {
            dir,
            variables,
            database: None,
        }
    }

    /// An empty folder and an empty PostgreSQL database, if there is a server here.
    pub(crate) fn on_postgres() -> Option<Self> {
        let database = TestDatabase::postgres()?;
        let url = database.url().to_owned();
        let mut home = Self::new().set("DATABASE_URL", &url);
        home.database = Some(database);
        Some(home)
    }

    /// Another folder for the same PostgreSQL database and keys, as on another node.
    pub(crate) fn another_node(&self) -> Self {
        let mut node = Self::new();
        node.variables = self.variables.clone();
        node
    }

    /// Keys in the environment, and not in generated files.
    pub(crate) fn with_keys(self) -> Self {
        let keys = self.run(&["keys", "generate"]).stdout;
        keys.lines()
            .map(|line| line.split_once('=').unwrap())
            .fold(self, |home, (name, value)| home.set(name, value))
    }

    pub(crate) fn set(mut self, variable: &str, value: &str) -> Self {
        self.variables.insert(variable.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn unset(mut self, variable: &str) -> Self {
        self.variables.remove(variable);
        self
    }

    pub(crate) fn value(&self, variable: &str) -> &str {
        &self.variables[variable]
    }

    pub(crate) fn get(&self, variable: &str) -> Option<&str> {
        self.variables.get(variable).map(String::as_str)
    }

    /// What is set.
    pub(crate) fn variables(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    pub(crate) fn root(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &str, mode: u32) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    /// The database file that development makes.
    pub(crate) fn database_file(&self) -> PathBuf {
        self.path("keyward-data/keyward.db")
    }

    /// A connection to the database beside the server's own.
    pub(crate) fn sql(&self) -> Sql {
        match &self.database {
            Some(database) => Sql::postgres(database.url()),
            None => Sql::sqlite(&self.database_file()),
        }
    }

    /// The files of the SQLite database with their content.
    pub(crate) fn database_bytes(&self) -> BTreeMap<String, Vec<u8>> {
        fs::read_dir(self.path("keyward-data"))
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name().into_string().unwrap(), entry.path()))
            .filter(|(name, _)| name.starts_with("keyward.db"))
            .map(|(name, path)| (name, fs::read(path).unwrap()))
            .collect()
    }

    pub(crate) fn start(&self) -> Server {
        Server::start(self.dir.path(), &self.variables)
    }

    /// A server that speaks TLS; nobody asked it yet.
    pub(crate) fn start_secure(&self) -> Server {
        Server::announced_in(self.dir.path(), &self.variables)
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with_input(arguments, "")
    }

    /// Runs a command to its end. A server that should have refused to start must not hang.
    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &str) -> Ran {
        let started = Instant::now();
        let mut child = Running(self.command(arguments).spawn().unwrap());
        // A command that refuses before it reads closes the pipe.
        let _ = child.0.stdin.take().unwrap().write_all(input.as_bytes());
        let mut stdout = Output::of(child.0.stdout.take().unwrap());
        let mut stderr = Output::of(child.0.stderr.take().unwrap());
        let status = super::until("the end of a command", || child.0.try_wait().unwrap());
        Ran {
            code: status.code().expect("ended by a signal"),
            took: started.elapsed(),
            stdout: stdout.all(),
            stderr: stderr.all(),
        }
    }

    /// The command that [`run`](Self::run) would run.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keyward"));
        command
            .args(arguments)
            .env_clear()
            .envs(&self.variables)
            .current_dir(self.dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

impl Ran {
    /// Both outputs.
    pub(crate) fn texts(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// Stopped when dropped, so that no failing test leaves a process behind.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Has ended already, in most cases.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
