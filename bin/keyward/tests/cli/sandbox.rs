use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A working directory and an environment with nothing in it but what a test sets.
pub(crate) struct Sandbox {
    dir: TempDir,
    variables: Vec<(String, String)>,
}

/// What a run of the binary left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Both outputs.
    pub(crate) fn texts(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

impl Sandbox {
    /// Development, with nothing set.
    pub(crate) fn new() -> Self {
        // Not in /tmp: doctor has something to say about databases there.
        let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o700)).unwrap();
        Self {
            dir,
            variables: Vec::new(),
        }
    }

    /// Production with good keys and a database in a file.
    pub(crate) fn production() -> Self {
        let sandbox = Self::new();
        let keys = sandbox.run(&["keys", "generate"]).stdout;
        let database = format!("sqlite://{}", sandbox.path("production.db").display());
        keys.lines()
            .map(|line| line.split_once('=').unwrap())
            .fold(sandbox, |sandbox, (name, value)| sandbox.set(name, value))
            .set("KEYWARD_ENV", "production")
            .set("DATABASE_URL", &database)
    }

    pub(crate) fn set(mut self, variable: &str, value: &str) -> Self {
        self = self.unset(variable);
        self.variables.push((variable.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn unset(mut self, variable: &str) -> Self {
        self.variables.retain(|(known, _)| known != variable);
        self
    }

    pub(crate) fn value(&self, variable: &str) -> &str {
        let (_, value) = self
            .variables
            .iter()
            .find(|(known, _)| known == variable)
            .unwrap();
        value
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn root(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn write(&self, name: &str, content: &str, mode: u32) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.spawn(arguments).wait()
    }

    pub(crate) fn spawn(&self, arguments: &[&str]) -> Running {
        let child = Command::new(env!("CARGO_BIN_EXE_keyward"))
            .args(arguments)
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Running(child)
    }
}

/// A run that may not have ended. It is stopped when dropped.
pub(crate) struct Running(Child);

impl Running {
    /// Waits for the end. A server that should have refused to start must not hang the test.
    pub(crate) fn wait(mut self) -> Ran {
        // Completions are longer than the buffer of a pipe, so both are read while it runs.
        let stdout = read(self.0.stdout.take().unwrap());
        let stderr = read(self.0.stderr.take().unwrap());
        let deadline = Instant::now() + Duration::from_secs(20);
        let status = loop {
            match self.0.try_wait().unwrap() {
                Some(status) => break status,
                None if Instant::now() > deadline => panic!("the command does not end"),
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        Ran {
            code: status.code().expect("ended by a signal"),
            stdout: stdout.join().unwrap(),
            stderr: stderr.join().unwrap(),
        }
    }
}

fn read(mut stream: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    })
}

impl Drop for Running {
    fn drop(&mut self) {
        // Has ended already, in most cases.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
