//! A service that speaks TLS, and HTTP/2 in it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::programs::{has, script};
use crate::running::Home;
use crate::watched::{REAL, Watched};

/// A server that says by which version of HTTP it was asked.
struct Secure {
    child: Child,
    port: String,
}

impl Secure {
    /// With a certificate for `localhost` by an authority of its own.
    fn start(folder: &Path, protocol: &str) -> Option<Self> {
        if !has("node") || !has("openssl") {
            return None;
        }
        let key = [
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        ];
        let authority = [
            "req",
            "-x509",
            "-subj",
            "/CN=authority",
            "-keyout",
            "ca.key",
            "-out",
            "ca.pem",
        ];
        openssl(folder, &[&authority[..], &key].concat());
        let server = [
            "req",
            "-x509",
            "-subj",
            "/CN=localhost",
            "-keyout",
            "key.pem",
            "-out",
            "certificate.pem",
        ];
        let names = [
            "-addext",
            "subjectAltName=DNS:localhost",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ];
        let signer = ["-CA", "ca.pem", "-CAkey", "ca.key"];
        openssl(folder, &[&server[..], &key, &names, &signer].concat());
        let mut child = Command::new("node")
            .arg(script("secure_server.mjs"))
            .arg(protocol)
            .current_dir(folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        Some(Self {
            child,
            port: line.trim().to_owned(),
        })
    }

    fn url(&self) -> String {
        format!("https://localhost:{}/v1", self.port)
    }
}

impl Drop for Secure {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn openssl(folder: &Path, arguments: &[&str]) {
    let made = Command::new("openssl")
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
}

fn folder() -> TempDir {
    TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// A server that trusts the authorities of a file.
fn trusting(file: &Path) -> Watched {
    let home = Home::new().set("SSL_CERT_FILE", file.to_str().unwrap());
    Watched::in_home(home)
}

fn ask(watched: &Watched, secure: &Secure) -> crate::running::Answer {
    let detail = json!({ "provider": "openai", "api_key": REAL, "base_url": secure.url() });
    let id = watched.keep("secure", "llm", &detail, &Value::Null);
    watched.client().get(&format!("/broker/{id}/models?a=1"))
}

#[test]
fn a_service_is_asked_by_the_newest_http_that_it_speaks() {
    for (protocol, version) in [("h2", "2.0"), ("http/1.1", "1.1")] {
        let folder = folder();
        let Some(secure) = Secure::start(folder.path(), protocol) else {
            return;
        };
        let watched = trusting(&folder.path().join("ca.pem"));
        let answer = ask(&watched, &secure);
        let expected = json!({
            "version": version, "path": "/v1/models?a=1", "authorized": true, "body": "",
        });
        assert_eq!(answer.expect(200), expected, "{protocol}");
    }
}

#[test]
fn a_certificate_of_nobody_who_is_trusted_ends_the_request() {
    let [folder, other] = [folder(), folder()];
    let Some(secure) = Secure::start(folder.path(), "h2") else {
        return;
    };
    let Some(another) = Secure::start(other.path(), "h2") else {
        return;
    };
    drop(another);
    let watched = trusting(&other.path().join("ca.pem"));
    let answer = ask(&watched, &secure);
    assert_eq!(answer.expect(502)["type"], "/problems/upstream-unreachable");
}
