//! git over HTTPS, as far as git itself is concerned.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use data_encoding::BASE64;
use serde_json::json;
use tempfile::TempDir;

use crate::fake::{Fake, Received, Reply};
use crate::programs::has_git;
use crate::scanner::Scanner;
use crate::watched::{REAL, Watched};

#[test]
fn git_clones_fetches_and_pushes_with_a_token_that_it_never_has() {
    if !has_git() {
        return;
    }
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    git(
        folder.path(),
        &[],
        &[
            "init",
            "--quiet",
            "--bare",
            "--initial-branch=main",
            "project.git",
        ],
    );
    let host = host(folder.path().to_owned());
    let watched = Watched::start();
    let detail =
        json!({ "provider": "gitea", "auth": "token", "username": "robot", "access_token": REAL });
    let rules = json!({ "base_url": host.url("") });
    let id = watched.keep("code", "git", &detail, &rules);
    let url = watched.url(&id);

    // The key as the user name of the address, as a person would type it.
    let with_user = url.replace("http://", &format!("http://{}:x@", watched.key));
    clone_commit_push(
        folder.path(),
        &[],
        &format!("{with_user}/project.git"),
        "first",
    );

    // The key in a header field, which leaves it out of every file.
    let header = format!("Authorization: Bearer {}", watched.key);
    let name = format!("http.{url}/.extraHeader");
    let variables = [
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_KEY_0", name.as_str()),
        ("GIT_CONFIG_VALUE_0", header.as_str()),
    ];
    clone_commit_push(
        folder.path(),
        &variables,
        &format!("{url}/project.git"),
        "second",
    );
    let log = git(
        &folder.path().join("project.git"),
        &[],
        &["log", "--format=%s", "main"],
    );
    assert_eq!(log, "second\nfirst\n");
    watched.assert_apart(
        &host.bytes(),
        &BASE64.encode(format!("robot:{REAL}").as_bytes()),
    );

    assert_pushed_in_chunks(&watched, &host);
    assert_nowhere(&watched, folder.path());

    let ours = Scanner::new([("the key of the agent", watched.key.as_str())]);
    for file in files(&folder.path().join("second")) {
        let content = std::fs::read(&file).unwrap();
        assert!(ours.scan(&content).is_empty(), "{}", file.display());
    }
}

/// Both pushes were as large as they were made, and came in chunks.
fn assert_pushed_in_chunks(watched: &Watched, host: &Fake) {
    let pushes = host.received().into_iter().filter(|received| {
        received.path().ends_with("/git-receive-pack") && received.body.len() > 1 << 20
    });
    assert_eq!(pushes.count(), 2);
    let sent = watched.tap.to_server();
    let chunked = b"transfer-encoding: chunked";
    let mut windows = sent.windows(chunked.len());
    assert!(windows.any(|window| window.eq_ignore_ascii_case(chunked)));
}

/// The token itself is neither in what git got nor in what it has kept, compressed or not.
fn assert_nowhere(watched: &Watched, folder: &Path) {
    let real = Scanner::new([("the token", REAL)]);
    assert!(real.scan(&watched.tap.to_client()).is_empty());
    for name in ["first", "second"] {
        let clone = folder.join(name);
        let objects = ["cat-file", "--batch-all-objects", "--batch"];
        let objects = command(&clone, &[], &objects).output().unwrap().stdout;
        assert!(objects.len() > 1 << 20 && real.scan(&objects).is_empty());
        for file in files(&clone) {
            let content = std::fs::read(&file).unwrap();
            assert!(real.scan(&content).is_empty(), "{}", file.display());
        }
    }
}

#[test]
fn git_without_a_key_is_asked_for_one_and_gets_nowhere() {
    if !has_git() {
        return;
    }
    let host = Fake::start(|_| Reply::Bytes(Vec::new()));
    let watched = Watched::start();
    let detail = json!({ "provider": "gitea", "auth": "token", "access_token": REAL });
    let id = watched.keep("code", "git", &detail, &json!({ "base_url": host.url("") }));
    let url = watched.url(&id);
    let asked = command(
        Path::new("."),
        &[("GIT_TERMINAL_PROMPT", "0")],
        &["ls-remote", &url],
    );
    let ran = { asked }.output().unwrap();
    assert!(!ran.status.success());
    let text = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(text.contains("could not read Username"), "{text}");
    assert!(host.received().is_empty());
}

/// A clone of its own, a commit that is too large for one request of git, and back.
fn clone_commit_push(folder: &Path, variables: &[(&str, &str)], url: &str, name: &str) {
    git(folder, variables, &["clone", "--quiet", url, name]);
    let clone = folder.join(name);
    // More than the megabyte behind which git sends chunks, also when it is compressed.
    std::fs::write(clone.join(name), noise(name, 3_000_000)).unwrap();
    git(&clone, variables, &["add", "."]);
    git(&clone, variables, &["commit", "--quiet", "-m", name]);
    git(
        &clone,
        variables,
        &["push", "--quiet", "origin", "HEAD:main"],
    );
    git(&clone, variables, &["fetch", "--quiet", "origin"]);
    let behind = git(
        &clone,
        variables,
        &["rev-list", "--count", "HEAD..origin/main"],
    );
    assert_eq!(behind, "0\n");
}

/// Bytes that do not compress, others for each seed: xorshift, begun with FNV-1a of the seed.
fn noise(seed: &str, length: usize) -> Vec<u8> {
    let hash = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let mut state = seed.bytes().fold(0xcbf2_9ce4_8422_2325, hash);
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// Runs git and gives what it printed.
fn git(folder: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> String {
    let ran = command(folder, variables, arguments).output().unwrap();
    let text = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "git {arguments:?}: {text}");
    String::from_utf8(ran.stdout).unwrap()
}

/// git with no settings but these.
fn command(folder: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    let path = std::env::var_os("PATH").unwrap_or_default();
    command
        .args(["-c", "user.name=n", "-c", "user.email=n@example.com"])
        .args(arguments)
        .env_clear()
        .env("PATH", path)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("HOME", folder)
        .env("GIT_TERMINAL_PROMPT", "0")
        .envs(variables.iter().copied())
        .current_dir(folder)
        .stdin(Stdio::null());
    command
}

/// A host of git: its own program behind a check of user name and token.
pub(crate) fn host(root: PathBuf) -> Fake {
    let expected = format!(
        "Basic {}",
        BASE64.encode(format!("robot:{REAL}").as_bytes())
    );
    Fake::start(move |received| {
        if received.header("authorization") != Some(&expected) {
            let refused = "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Basic realm=\"git\"\r\ncontent-length: 0\r\n\r\n";
            return Reply::Raw(vec![refused.into()]);
        }
        Reply::Raw(vec![backend(&root, received)])
    })
}

fn backend(root: &Path, received: &Received) -> Vec<u8> {
    let target = received.head.split(' ').nth(1).unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path_variable = std::env::var_os("PATH").unwrap_or_default();
    let mut child = Command::new("git")
        .arg("http-backend")
        .env_clear()
        .env("PATH", path_variable)
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REMOTE_USER", "robot")
        .env("REQUEST_METHOD", received.method())
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env(
            "CONTENT_TYPE",
            received.header("content-type").unwrap_or_default(),
        )
        .env("CONTENT_LENGTH", received.body.len().to_string())
        .env(
            "HTTP_CONTENT_ENCODING",
            received.header("content-encoding").unwrap_or_default(),
        )
        .env(
            "GIT_PROTOCOL",
            received.header("git-protocol").unwrap_or_default(),
        )
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let body = received.body.clone();
    // It may answer before it has read all.
    let writer = std::thread::spawn(move || input.write_all(&body));
    let output = child.wait_with_output().unwrap().stdout;
    let _ = writer.join().unwrap();
    let end = output
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    let (head, body) = (
        String::from_utf8_lossy(&output[..end]).into_owned(),
        &output[end + 4..],
    );
    let status = head
        .lines()
        .find_map(|line| line.strip_prefix("Status: "))
        .unwrap_or("200 OK");
    let fields = head.lines().filter(|line| !line.starts_with("Status: "));
    let fields = fields
        .map(|line| [line, "\r\n"].concat())
        .collect::<String>();
    let head = format!(
        "HTTP/1.1 {status}\r\n{fields}content-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries
        .flat_map(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}
