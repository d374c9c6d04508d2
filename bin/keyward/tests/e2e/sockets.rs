//! Sockets that a service manager has opened.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

use crate::running::{Client, Home};

/// Listens, and becomes the server with the socket as its descriptor 3, as systemd does it.
const HAND_OVER: &str = "
import os, socket, sys
listener = socket.socket()
listener.bind((sys.argv[2], 0))
listener.listen()
print(listener.getsockname()[1], flush=True)
os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[1], [sys.argv[1], 'serve'])
";

/// A server on a socket at `address`, and the port of it; `None` where there is no Python.
fn on_socket(home: &Home, address: &str) -> Option<(Child, String)> {
    let mut python = Command::new("python3");
    python.args(["-c", HAND_OVER, env!("CARGO_BIN_EXE_keyward"), address]);
    python.env_clear().envs(home.variables());
    python.env("PATH", std::env::var_os("PATH").unwrap());
    let spawned = python
        .current_dir(home.root())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = spawned else {
        eprintln!("NOT RUN, python3 is missing: sockets that were handed over");
        assert!(
            std::env::var_os("REQUIRE_SERVICES").is_none(),
            "python3 is missing"
        );
        return None;
    };
    let mut port = String::new();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    output.read_line(&mut port).unwrap();
    // Open as long as the server runs, which prints there.
    child.stdout = Some(output.into_inner());
    Some((child, port.trim().to_owned()))
}

#[test]
fn a_socket_that_was_handed_over_is_served_in_place_of_bind() {
    // Keys in the environment, so that the process starts itself anew with the socket.
    let home = Home::new().with_keys().set("BIND", "192.0.2.1:1");
    let Some((mut child, port)) = on_socket(&home, "127.0.0.1") else {
        return;
    };
    let client = Client::new(&format!("127.0.0.1:{port}"), "");
    let answer = client.get("/health/ready");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn a_socket_on_the_network_is_judged_as_bind_would_be() {
    let home = Home::new()
        .with_keys()
        .set("KEYWARD_ENV", "production")
        .set("DATABASE_URL", "sqlite://keyward.db");
    // BIND itself is harmless.
    let Some((mut child, _)) = on_socket(&home, "0.0.0.0") else {
        return;
    };
    let status = child.wait().unwrap();
    let mut said = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert_eq!(status.code(), Some(78), "{said}");
    assert!(said.contains("service.https"), "{said}");
}
