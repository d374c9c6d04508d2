use serde_json::{Value, json};

use crate::running::Home;

/// A database with credentials, and nobody who serves it.
fn home() -> (Home, Vec<String>) {
    let home = Home::new();
    let server = home.start();
    let admin = server.admin();
    let kept = CREDENTIALS.map(|(name, kind, detail, broker)| {
        let [detail, broker] =
            [detail, broker].map(|text| serde_json::from_str::<Value>(text).unwrap());
        let body =
            json!({ "name": name, "credential_type": kind, "detail": detail, "broker": broker });
        let made = admin.post("/api/v1/credentials", &body).expect(201);
        made["id"].as_str().unwrap().to_owned()
    });
    server.stop();
    (home, kept.to_vec())
}

#[test]
fn the_variables_of_each_client_are_printed() {
    let (home, ids) = home();
    let home = home.set("PUBLIC_ADDRESS", "https://keyward.example.com/");
    for (id, lines) in ids.iter().zip([
        [
            "export OPENAI_BASE_URL='{url}'",
            "export OPENAI_API_KEY=\"$KEYWARD_API_KEY\"",
        ],
        [
            "export ANTHROPIC_BASE_URL='{url}'",
            "export ANTHROPIC_API_KEY=\"$KEYWARD_API_KEY\"",
        ],
        [
            "export GOOGLE_GEMINI_BASE_URL='{url}'",
            "export GEMINI_API_KEY=\"$KEYWARD_API_KEY\"",
        ],
        [
            "export AZURE_OPENAI_ENDPOINT='{url}'",
            "export AZURE_OPENAI_API_KEY=\"$KEYWARD_API_KEY\"",
        ],
        [
            "export GIT_CONFIG_KEY_0='http.{url}/.extraHeader'",
            "export GIT_CONFIG_VALUE_0=\"Authorization: Bearer $KEYWARD_API_KEY\"",
        ],
        ["export KEYWARD_BROKER_URL='{url}'", ""],
    ]) {
        let ran = home.run(&["env", id]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.stderr.contains("credentials:use"), "{ran:?}");
        assert!(
            ran.stdout.lines().all(|line| line.starts_with("export ")),
            "{ran:?}"
        );
        let url = format!("https://keyward.example.com/broker/{id}");
        for line in lines {
            let line = line.replace("{url}", &url);
            assert!(ran.stdout.contains(&line), "{line} in {}", ran.stdout);
        }
    }
}

#[test]
fn a_shell_takes_the_variables_over() {
    let (home, ids) = home();
    let script = home.write("script", &home.run(&["env", "my models"]).stdout, 0o600);
    let ran = std::process::Command::new("sh")
        .arg("-c")
        .arg(". \"$1\"; printf '%s %s' \"$OPENAI_BASE_URL\" \"$OPENAI_API_KEY\"")
        .args(["sh", script.to_str().unwrap()])
        .env("KEYWARD_API_KEY", "kw_agent_x")
        .output()
        .unwrap();
    let expected = format!("http://127.0.0.1:0/broker/{} kw_agent_x", ids[0]);
    assert_eq!(String::from_utf8(ran.stdout).unwrap(), expected);
}

#[test]
fn the_address_can_be_given_and_the_form_be_json() {
    let (home, ids) = home();
    let ran = home.run(&[
        "env",
        "my models",
        "--url",
        "http://10.0.0.7:8080",
        "--json",
    ]);
    let printed: Value = serde_json::from_str(&ran.stdout).unwrap();
    let expected = json!({ "credential": ids[0], "variables": {
        "OPENAI_BASE_URL": format!("http://10.0.0.7:8080/broker/{}", ids[0]),
        "OPENAI_API_KEY": "$KEYWARD_API_KEY",
    } });
    assert_eq!(printed, expected);
}

#[test]
fn what_cannot_be_used_is_refused_with_what_to_do() {
    let (home, ids) = home();
    for (arguments, hint) in [
        (
            &["env", "nothing"] as &[&str],
            "there is no such credential",
        ),
        (&["env", "twice"], ids[5].as_str()),
        (&["env", "nowhere"], "broker.base_url"),
        (&["env", "my models", "--url", "keyward"], "write a URL"),
        (
            &["env", "my models", "--url", "https://a.example/?b"],
            "write a URL",
        ),
    ] {
        let ran = home.run(arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
        assert!(ran.stderr.contains(hint), "{hint} in {}", ran.stderr);
    }
    let home = home.set("PUBLIC_ADDRESS", "ftp://a.example");
    let ran = home.run(&["env", "my models"]);
    assert_eq!(ran.code, 78);
    assert!(ran.stderr.contains("PUBLIC_ADDRESS"), "{}", ran.stderr);
}

const CREDENTIALS: [(&str, &str, &str, &str); 8] = [
    (
        "my models",
        "llm",
        r#"{"provider": "openai", "api_key": "sk-0123456789"}"#,
        "null",
    ),
    (
        "claude",
        "llm",
        r#"{"provider": "anthropic", "api_key": "sk-0123456789"}"#,
        "null",
    ),
    (
        "gemini",
        "llm",
        r#"{"provider": "gemini", "api_key": "sk-0123456789"}"#,
        "null",
    ),
    (
        "azure",
        "llm",
        r#"{"provider": "azure_openai", "api_key": "k-0123456789", "base_url": "https://a.example"}"#,
        "null",
    ),
    (
        "code",
        "git",
        r#"{"provider": "github", "auth": "token", "access_token": "t-0123456789"}"#,
        "null",
    ),
    (
        "twice",
        "generic",
        r#"{"key": "k-0123456789"}"#,
        r#"{"base_url": "https://a.example", "auth": {"header": {"name": "x-key", "field": "key"}}}"#,
    ),
    ("twice", "generic", r#"{"key": "k-0123456789"}"#, "null"),
    ("nowhere", "generic", r#"{"key": "k-0123456789"}"#, "null"),
];
