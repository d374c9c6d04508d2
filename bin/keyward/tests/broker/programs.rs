//! Programs that are not ours, and the packages that they need.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// A program that is to run a script, with its packages installed; `None` where it is missing. Says
/// so, and with `REQUIRE_SERVICES=1` fails.
pub(crate) fn python() -> Option<PathBuf> {
    let folder = folder("python", REQUIREMENTS);
    let _one_at_a_time = locked(&folder);
    let python = folder.join("bin/python");
    if python.exists() && folder.join("done").exists() {
        return Some(python);
    }
    let made = run(Command::new("python3").args(["-m", "venv"]).arg(&folder));
    let list = folder.join("requirements.txt");
    let installed = made.and_then(|()| {
        std::fs::write(&list, REQUIREMENTS).map_err(|error| error.to_string())?;
        let pip = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "-r",
        ];
        run(Command::new(&python).args(pip).arg(&list))
    });
    ready(
        &folder,
        installed,
        "the Python packages of OpenAI and Anthropic",
    )
    .then_some(python)
}

/// The folder in which the packages of Node are, beside the same.
pub(crate) fn node() -> Option<PathBuf> {
    let folder = folder("node", PACKAGES);
    let _one_at_a_time = locked(&folder);
    if folder.join("done").exists() {
        return Some(folder);
    }
    let written = std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(folder.join("package.json"), PACKAGES));
    let installed = written.map_err(|error| error.to_string()).and_then(|()| {
        let npm = [
            "install",
            "--silent",
            "--no-audit",
            "--no-fund",
            "--no-package-lock",
        ];
        run(Command::new("npm").args(npm).current_dir(&folder))
    });
    ready(
        &folder,
        installed,
        "the Node packages of OpenAI and Anthropic",
    )
    .then_some(folder)
}

/// Whether a program can be started.
pub(crate) fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        missing(program, "there is no such program");
    }
    found
}

/// Whether git is there, with the program by which it serves others.
pub(crate) fn has_git() -> bool {
    if !has("git") {
        return false;
    }
    let path = Command::new("git")
        .arg("--exec-path")
        .output()
        .unwrap()
        .stdout;
    let path = String::from_utf8(path).unwrap();
    let found = Path::new(path.trim()).join("git-http-backend").exists();
    if !found {
        missing("git http-backend", "it is not installed");
    }
    found
}

/// Runs a client with nothing in its environment but `variables`, and reads its report.
pub(crate) fn report(command: &mut Command, variables: &[(&str, &str)]) -> Value {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let ran = command
        .env_clear()
        .env("PATH", path)
        .envs(variables.iter().copied());
    let Output {
        status,
        stdout,
        stderr,
    } = ran.output().unwrap();
    let (stdout, stderr) = (
        String::from_utf8_lossy(&stdout),
        String::from_utf8_lossy(&stderr),
    );
    assert!(status.success(), "{stdout}{stderr}");
    serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout}{stderr}"))
}

/// A script beside this file.
pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/broker/clients")
        .join(name)
}

/// Where packages are kept between runs, by what they are.
fn folder(name: &str, list: &str) -> PathBuf {
    let sum = list.bytes().fold(0_u32, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(byte.into())
    });
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("clients-{name}-{sum:08x}"))
}

/// Tests run in processes of their own, and only one is to install.
fn locked(folder: &Path) -> File {
    let file = File::create(folder.with_extension("lock")).unwrap();
    file.lock().unwrap();
    file
}

fn run(command: &mut Command) -> Result<(), String> {
    let ran = command.output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&ran.stderr).into_owned();
    ran.status.success().then_some(()).ok_or(text)
}

fn ready(folder: &Path, installed: Result<(), String>, what: &str) -> bool {
    match installed {
        Ok(()) => std::fs::write(folder.join("done"), "").is_ok(),
        Err(why) => {
            missing(what, &why);
            false
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "there is no binary to read settings, and no other way to say what did not run"
)]
fn missing(what: &str, why: &str) {
    assert!(
        std::env::var("REQUIRE_SERVICES").as_deref() != Ok("1"),
        "REQUIRE_SERVICES=1, and {what} cannot be had: {why}"
    );
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    eprintln!("NOT RUN: {name}, because {what} cannot be had: {why}");
}

const REQUIREMENTS: &str = include_str!("clients/requirements.txt");
const PACKAGES: &str = include_str!("clients/package.json");
