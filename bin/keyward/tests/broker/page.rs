//! What docs/broker.md shows is so.

use std::path::Path;
use std::process::Command;

use data_encoding::BASE64;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::fake::{Fake, Reply};
use crate::openai::openai;
use crate::programs::{has, has_git, node, python};
use crate::watched::{REAL, Watched};

/// The block of the page that is marked with a name.
fn block(name: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/broker.md");
    let page = std::fs::read_to_string(page).unwrap();
    let mark = format!("<!-- tested: {name} -->\n```");
    let (_, rest) = page
        .split_once(&mark)
        .unwrap_or_else(|| panic!("no block {name}"));
    let (_, rest) = rest.split_once('\n').unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

/// A server with a credential `models` for a fake of `OpenAI`.
fn served() -> (Watched, Fake) {
    let (watched, fake) = (Watched::start(), openai());
    let detail = json!({ "provider": "openai", "api_key": REAL, "base_url": fake.url("/v1") });
    watched.keep("models", "llm", &detail, &Value::Null);
    (watched, fake)
}

/// Runs a command as somebody does who has set what the page says.
fn run(command: &mut Command, watched: &Watched) -> String {
    let url = watched.url("models");
    let ran = command
        .env("KEYWARD_API_KEY", &watched.key)
        .env("ADMIN_KEY", watched.admin.key())
        .env("OPENAI_API_KEY", &watched.key)
        .env("OPENAI_BASE_URL", url)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{text}");
    String::from_utf8(ran.stdout).unwrap()
}

/// The lines of the block in a shell, for the address that the server has.
fn shell(name: &str, watched: &Watched, folder: &Path) -> String {
    let lines = block(name).replace("127.0.0.1:8080", &watched.tap.address.to_string());
    run(
        Command::new("sh").args(["-ec", &lines]).current_dir(folder),
        watched,
    )
}

#[test]
fn the_three_steps_make_a_credential_and_an_agent() {
    if !has("curl") {
        return;
    }
    let watched = Watched::start();
    let kept: Value = serde_json::from_str(&shell("keep", &watched, Path::new("."))).unwrap();
    assert_eq!(kept["name"], "models");
    let made: Value = serde_json::from_str(&shell("agent", &watched, Path::new("."))).unwrap();
    assert!(
        made["api_key"].as_str().unwrap().starts_with("kw_agent_"),
        "{made}"
    );
}

#[test]
fn python_and_node_and_curl_work_as_the_page_shows_them() {
    let (watched, _fake) = served();
    if let Some(python) = python() {
        let printed = run(
            Command::new(python).args(["-c", &block("python")]),
            &watched,
        );
        assert_eq!(printed, "sky is blue");
    }
    if let Some(packages) = node() {
        std::fs::write(packages.join("page.mjs"), block("node")).unwrap();
        let printed = run(
            Command::new("node").arg("page.mjs").current_dir(packages),
            &watched,
        );
        assert_eq!(printed, "You said: good morning\n");
    }
    if has("curl") {
        let printed = shell("curl", &watched, Path::new("."));
        assert!(printed.contains("model-a"), "{printed}");
    }
}

#[test]
fn git_works_as_the_page_shows_it() {
    if !has_git() {
        return;
    }
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let arguments = ["init", "--quiet", "--bare", "project.git"];
    let made = Command::new("git")
        .args(arguments)
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(made.status.success());
    let host = crate::git::host(folder.path().to_owned());
    let watched = Watched::start();
    let detail =
        json!({ "provider": "gitea", "auth": "token", "username": "robot", "access_token": REAL });
    watched.keep("code", "git", &detail, &json!({ "base_url": host.url("") }));
    let work = folder.path().join("work");
    std::fs::create_dir(&work).unwrap();
    shell("git", &watched, &work);
    assert!(work.join("project/.git").exists());
    watched.assert_apart(
        &host.bytes(),
        &BASE64.encode(format!("robot:{REAL}").as_bytes()),
    );
}

#[test]
fn the_rules_of_the_page_are_kept_and_do_what_it_says() {
    let fake = Fake::start(|_| Reply::Bytes(b"found".to_vec()));
    let watched = Watched::start();
    let mut body: Value = serde_json::from_str(&block("rules")).unwrap();
    body["broker"]["base_url"] = json!(fake.url("/v2"));
    let made = watched.admin.post("/api/v1/credentials", &body).expect(201);
    assert_eq!(made["broker"], body["broker"]);
    let agent = watched.client();
    let answer = agent.get("/broker/search/search?q=x");
    assert_eq!((answer.status, answer.body.as_str()), (200, "found"));
    assert_eq!(
        fake.received()[0].header("x-api-key"),
        Some("the-key-of-the-service")
    );
    for (method, path) in [("POST", "search"), ("GET", "admin"), ("GET", "v2/searches")] {
        let refused = agent.send(method, &format!("/broker/search/{path}"), &[], None);
        assert_eq!(
            refused.expect(403)["type"],
            "/problems/refused-by-rule",
            "{method} {path}"
        );
    }
    assert_eq!(fake.received().len(), 1);
}
