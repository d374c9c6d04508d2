//! The tools for agents at `/mcp`, by plain messages of the protocol.

use std::path::{Path, PathBuf};
use std::process::Command;

use rmcp::ServiceExt as _;
use rmcp::model::CallToolRequestParams;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::{Value, json};

use crate::echo::echo;
use crate::running::{Answer, Client, Home, Server};

#[test]
fn an_agent_proves_to_another_who_it_is_by_tools_alone() {
    let (_home, server, parent) = parent();
    let me = ok(&call(&parent, "whoami", &json!({})));
    assert_eq!(
        (&me["username"], &me["kind"]),
        (&json!("agent_parent"), &json!("agent"))
    );
    let made = ok(&call(
        &parent,
        "create_agent_user",
        &json!({ "workflow": "w", "node": "n" }),
    ));
    assert_eq!(made["username"], "agent_w_n");
    let child = server.client(made["api_key"].as_str().unwrap());
    let again = ok(&call(
        &parent,
        "create_agent_user",
        &json!({ "workflow": "w", "node": "n" }),
    ));
    assert_eq!(
        (&again["api_key"], &again["already_existed"]),
        (&Value::Null, &json!(true))
    );

    let ask = json!({ "audience": "agent_w_n", "purpose": "task 7" });
    let shown = ok(&call(&parent, "get_totp_code", &ask));
    let given = json!({
        "username": shown["username"],
        "code": shown["totp_code"],
        "purpose": "task 7",
    });
    let verdict = ok(&call(&child, "verify_agent", &given));
    assert_eq!(
        (&verdict["verified"], &verdict["bound"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(verdict["agent"]["username"], "agent_parent");
    let again = ok(&call(&child, "verify_agent", &given));
    assert_eq!(again, json!({ "verified": false }));
}

#[test]
fn every_message_is_authenticated_anew() {
    let (_home, server, parent) = parent();
    for (client, key) in [
        (server.client(""), "no"),
        (server.client("kw_agent_x"), "a wrong"),
    ] {
        let refused = send(&client, "tools/list", &json!({}));
        assert_eq!(
            refused.expect(401)["type"],
            "/problems/unauthenticated",
            "{key} key"
        );
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
    }
    let id = ok(&call(&parent, "whoami", &json!({})))["id"].clone();
    let path = |action| format!("/api/v1/agents/{}/{action}", id.as_str().unwrap());
    for (action, status) in [("freeze", 401), ("unfreeze", 200), ("revoke", 401)] {
        server.admin().post(&path(action), &json!({})).expect(200);
        assert_eq!(
            call(&parent, "whoami", &json!({})).status,
            status,
            "{action}"
        );
    }
}

#[test]
fn a_key_sees_and_calls_the_tools_that_its_scopes_open() {
    let (_home, server, parent) = parent();
    let names = |client: &Client| -> Vec<String> {
        let listed = send(client, "tools/list", &json!({})).expect(200);
        let tools = listed["result"]["tools"].as_array().unwrap().clone();
        tools
            .iter()
            .map(|tool| tool["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let all = [
        "whoami",
        "get_totp_code",
        "verify_agent",
        "create_agent_user",
        "list_credentials",
    ];
    assert_eq!(names(&parent), all);
    let user = agent_with(&server, "user", &["credentials:use"]);
    assert!(names(&user).contains(&"use_credential".to_owned()));
    let none = server.admin().post(
        "/api/v1/users/me/keys",
        &json!({ "name": "n", "scopes": [] }),
    );
    let none = server.client(none.expect(201)["key"].as_str().unwrap());
    assert_eq!(names(&none), ["whoami", "get_totp_code", "verify_agent"]);

    let agents = || server.admin().all("/api/v1/agents").len();
    let before = agents();
    let refused = failed(&call(&none, "create_agent_user", &json!({ "name": "x" })));
    assert_eq!(
        (&refused["error"], &refused["scope"]),
        (&json!("missing-scope"), &json!("agents:write"))
    );
    assert_eq!(agents(), before);
    let refused = failed(&call(&none, "get_totp_code", &json!({})));
    assert_eq!(refused["error"], "only-agents");
}

#[test]
fn arguments_that_do_not_fit_are_named_and_not_repeated() {
    let (_home, _server, parent) = parent();
    for (tool, arguments, said) in [
        ("verify_agent", json!({ "username": "x" }), "code"),
        (
            "verify_agent",
            json!({ "username": "x", "code": 31_337_313 }),
            "`code`",
        ),
        (
            "verify_agent",
            json!({ "username": "x", "code": "31337" }),
            "6 or 8 digits",
        ),
        ("whoami", json!({ "s3cret31337": true }), "does not have"),
        (
            "create_agent_user",
            json!({ "name": "31337 31337" }),
            "name: ",
        ),
        (
            "create_agent_user",
            json!({ "name": "x", "scopes": ["31337"] }),
            "scopes: ",
        ),
        (
            "create_agent_user",
            json!({ "name": "x", "expires_at": "31337" }),
            "expires_at: ",
        ),
        (
            "get_totp_code",
            json!({ "audience": "nobody31337" }),
            "audience: ",
        ),
        ("get_totp_code", json!({ "purpose": "31337" }), "audience"),
        ("list_credentials", json!({ "after": "31337" }), "after: "),
    ] {
        let answer = call(&parent, tool, &arguments);
        let refused = failed(&answer);
        assert_eq!(refused["error"], "invalid-arguments", "{refused}");
        assert!(
            refused["message"].as_str().unwrap().contains(said),
            "{said}: {refused}"
        );
        assert!(!answer.body.contains("31337"), "{answer:?}");
    }
    let unknown = call(&parent, "delete_everything", &json!({})).expect(200);
    assert_eq!(unknown["error"]["code"], -32602);
    let scopes = json!({ "name": "x", "scopes": ["users:write"] });
    assert_eq!(
        failed(&call(&parent, "create_agent_user", &scopes))["error"],
        "agent-too-strong"
    );
}

#[test]
fn wrong_codes_are_limited_and_say_for_how_long() {
    let (_home, _server, parent) = parent();
    let wrong = json!({ "username": "agent_parent", "code": "00000000" });
    for _ in 0..5 {
        assert_eq!(
            ok(&call(&parent, "verify_agent", &wrong))["verified"],
            false
        );
    }
    let refused = failed(&call(&parent, "verify_agent", &wrong));
    assert_eq!(refused["error"], "too-many-attempts");
    assert!(refused["retry_after_seconds"].as_i64().unwrap() > 0);
}

/// Over the whole list of tools, with the log at its most talkative.
#[test]
fn no_tool_shows_a_stored_secret_or_the_code_of_another_and_neither_does_the_log() {
    let home = Home::new().set("LOG_LEVEL", "trace");
    let server = home.start();
    let admin = server.admin();
    let secret = "sk-live-0123456789-stored-secret";
    admin.keep(
        "llm",
        "llm",
        &json!({ "provider": "openai", "api_key": secret }),
    );
    let [parent, victim] = ["parent", "victim"].map(|name| agent(&server, name));
    let code = ok(&call(
        &victim,
        "get_totp_code",
        &json!({ "audience": "agent_parent" }),
    ));
    let code = code["totp_code"].as_str().unwrap().to_owned();
    let own = ok(&call(
        &parent,
        "get_totp_code",
        &json!({ "audience": "agent_victim" }),
    ));

    let tools = send(&parent, "tools/list", &json!({})).expect(200);
    let tools = tools["result"]["tools"].as_array().unwrap().clone();
    assert!(tools.len() >= 5);
    for tool in &tools {
        let name = tool["name"].as_str().unwrap();
        for arguments in [
            json!({}),
            json!({ "name": "victim", "rotate": true }),
            json!({ "audience": "agent_parent" }),
            json!({ "username": "agent_victim", "code": "12345678" }),
        ] {
            let answer = call(&parent, name, &arguments);
            assert!(answer.status < 500, "{answer:?}");
            for hidden in [secret, &code] {
                assert!(
                    !answer.all().contains(hidden),
                    "{name} {arguments}: {answer:?}"
                );
            }
        }
    }
    let listed = ok(&call(&parent, "list_credentials", &json!({})));
    let mask = &listed["credentials"][0]["detail"]["api_key"];
    assert_eq!(mask, &json!({ "set": true, "last4": "cret" }));
    let left = server.stop();
    let log = format!("{}{}", left.stdout, left.stderr);
    assert!(
        log.contains("TRACE"),
        "the control: the log says everything that it can"
    );
    for hidden in [
        secret,
        &code,
        own["totp_code"].as_str().unwrap(),
        parent.key(),
    ] {
        assert!(!log.contains(hidden), "{hidden} is in the log");
    }
}

#[test]
fn what_is_no_message_of_an_agent_is_refused() {
    let (_home, _server, parent) = parent();
    for method in ["GET", "DELETE", "PUT"] {
        let answer = parent.send(method, "/mcp", &[], None);
        assert_eq!(
            (answer.status, answer.header("allow")),
            (405, Some("POST")),
            "{method}"
        );
    }
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }).to_string();
    let accept = ("Accept", "application/json, text/event-stream");
    let web_page = [accept, ("Origin", "https://example.org")];
    let answer = parent.send("POST", "/mcp", &web_page, Some(&body));
    assert_eq!(answer.status, 403, "{answer:?}");
    let large = format!("{}{body}", " ".repeat(70_000));
    let answer = parent.send("POST", "/mcp", &[accept], Some(&large));
    assert_eq!(answer.expect(413)["type"], "/problems/payload-too-large");
    for broken in ["", "{", "[]", "null", "\u{0}"] {
        let answer = parent.send("POST", "/mcp", &[accept], Some(broken));
        assert!(
            (400..500).contains(&answer.status),
            "{broken:?}: {answer:?}"
        );
    }
}

/// The client that most agents have. Pip installs it beside the tests' other files.
#[test]
fn the_python_client_lists_and_calls_every_tool() {
    let Some(python) = mcp_python() else { return };
    let home = Home::new().set("BROKER_ALLOW_PRIVATE", "127.0.0.1");
    let server = home.start();
    let parent = agent_with(
        &server,
        "parent",
        &["read", "agents:write", "credentials:use"],
    );
    let detail = service(&json!({ "provider": "openai" }));
    server.admin().keep("models", "llm", &detail);
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../examples/agents/mcp_client.py"
    );
    let ran = Command::new(python)
        .args([script, "models", "/models"])
        .env("KEYWARD_MCP_URL", format!("http://{}/mcp", server.address))
        .env("KEYWARD_KEY", parent.key())
        .output()
        .unwrap();
    let stdout = String::from_utf8(ran.stdout).unwrap();
    assert!(
        ran.status.success(),
        "{stdout}{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    for said in [
        "create_agent_user: ",
        "I am agent_parent\n",
        "agent_from-python has verified agent_parent\n",
        "1 credentials\n",
        "the service has answered 200: GET /v1/models HTTP/1.1",
        "authorization: Bearer *****",
    ] {
        assert!(stdout.contains(said), "{said:?} in {stdout}");
    }
}

/// The detail of a credential whose service repeats what it is asked, secret included.
fn service(detail: &Value) -> Value {
    let mut detail = detail.clone();
    detail["api_key"] = json!(SECRET);
    detail["base_url"] = json!(format!("http://{}/v1", echo()));
    detail
}

#[test]
fn an_agent_uses_a_credential_that_it_never_sees() {
    let home = Home::new().set("BROKER_ALLOW_PRIVATE", "127.0.0.1");
    let server = home.start();
    let user = agent_with(&server, "user", &["credentials:use"]);
    let id = server
        .admin()
        .keep("models", "llm", &service(&json!({ "provider": "openai" })));
    for credential in [id.as_str(), "models"] {
        let asked = json!({
            "credential": credential, "path": "/chat?a=1", "json": { "n": 1 }, "headers": { "X-Extra": "1" },
        });
        let answer = call(&user, "use_credential", &asked);
        let got = ok(&answer);
        assert_eq!(
            (&got["status"], &got["truncated"]),
            (&json!(200), &json!(false))
        );
        let body = got["body"].as_str().unwrap();
        for part in [
            "POST /v1/chat?a=1",
            "x-extra: 1",
            "content-type: application/json",
        ] {
            assert!(body.contains(part), "{part} in {body}");
        }
        assert!(body.contains(&"*".repeat(SECRET.len())), "{body}");
        assert!(!answer.all().contains(SECRET) && !body.contains(user.key()));
    }
    let events = server.admin().all("/api/v1/audit");
    let events = events
        .iter()
        .filter(|event| event["action"] == "credential.use");
    let vias: Vec<_> = events
        .map(|event| event["details"]["via"].clone())
        .collect();
    assert_eq!(vias, ["mcp", "mcp"]);
}

#[test]
fn what_a_credential_does_not_allow_is_named_to_the_agent() {
    let home = Home::new().set("BROKER_ALLOW_PRIVATE", "127.0.0.1");
    let server = home.start();
    let admin = server.admin();
    let user = agent_with(&server, "user", &["credentials:use"]);
    let rules = json!({ "methods": ["POST"], "requests_per_minute": 1 });
    let body = json!({
        "name": "ruled", "credential_type": "llm", "broker": rules,
        "detail": service(&json!({ "provider": "openai" })),
    });
    admin.post("/api/v1/credentials", &body).expect(201);
    let elsewhere =
        json!({ "provider": "openai", "api_key": SECRET, "base_url": "http://10.0.0.1/" });
    admin.keep("inside", "llm", &elsewhere);
    let ask = |credential: &str, method: &str, path: &str| {
        let asked = json!({ "credential": credential, "method": method, "path": path });
        call(&user, "use_credential", &asked)
    };
    // The limit is of minutes of the clock.
    while crate::running::app::now().rem_euclid(60) > 50 {
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    ok(&ask("ruled", "POST", "/chat"));
    for (credential, method, path, error, rule) in [
        ("ruled", "GET", "/chat", "refused-by-rule", json!("methods")),
        (
            "ruled",
            "POST",
            "/chat",
            "refused-by-rule",
            json!("requests_per_minute"),
        ),
        ("ruled", "POST", "/../x", "invalid-arguments", Value::Null),
        ("nothing", "POST", "/x", "not-found", Value::Null),
        ("inside", "POST", "/x", "forbidden-address", Value::Null),
    ] {
        let refused = failed(&ask(credential, method, path));
        assert_eq!(
            (&refused["error"], &refused["rule"]),
            (&json!(error), &rule),
            "{refused}"
        );
        assert!(!refused.to_string().contains(SECRET));
    }
}

const SECRET: &str = "sk-real-0123456789-abcdefgh";

#[expect(clippy::print_stderr, reason = "no other way to say what did not run")]
fn mcp_python() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mcp-client");
    let python = folder.join("bin/python");
    let run = |program: &Path, arguments: &[&str]| {
        let ran = Command::new(program).args(arguments).output();
        ran.is_ok_and(|ran| ran.status.success())
    };
    let has_client = || run(&python, &["-c", "import httpx2, mcp"]);
    let path = folder.to_str().unwrap();
    let ready = has_client()
        || run(Path::new("python3"), &["-m", "venv", path])
            && run(&python, &["-m", "pip", "install", "--quiet", "mcp>=2.3,<3"])
            && has_client();
    if !ready {
        assert!(
            std::env::var_os("REQUIRE_SERVICES").is_none(),
            "pip could not install the Python client of MCP"
        );
        eprintln!("NOT RUN: the Python client of MCP, because pip could not install it");
    }
    ready.then_some(python)
}

#[test]
fn the_client_of_rmcp_lists_and_calls_the_tools() {
    // reqwest has TLS here, for the broker, and leaves the choice of its cryptography to programs.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (_home, server, parent) = parent();
    let url = format!("http://{}/mcp", server.address);
    let config = StreamableHttpClientTransportConfig::with_uri(url).auth_header(parent.key());
    actix_web::rt::System::new().block_on(async move {
        let transport = StreamableHttpClientTransport::from_config(config);
        let client = ().serve(transport).await.unwrap();
        let tools = client.list_all_tools().await.unwrap();
        assert_eq!(tools.len(), 5);
        let whoami = CallToolRequestParams::new("whoami");
        let me = client.call_tool(whoami).await.unwrap();
        assert_eq!(me.structured_content.unwrap()["username"], "agent_parent");
        let unknown = client
            .call_tool(CallToolRequestParams::new("nothing"))
            .await;
        assert!(unknown.is_err());
    });
}

/// A server, and an agent that may make others.
fn parent() -> (Home, Server, Client) {
    let home = Home::new();
    let server = home.start();
    let parent = agent(&server, "parent");
    (home, server, parent)
}

fn agent(server: &Server, name: &str) -> Client {
    agent_with(server, name, &["read", "agents:write"])
}

fn agent_with(server: &Server, name: &str, scopes: &[&str]) -> Client {
    let body = json!({ "name": name, "scopes": scopes });
    let made = server.admin().post("/api/v1/agents", &body).expect(201);
    server.client(made["api_key"].as_str().unwrap())
}

fn call(client: &Client, tool: &str, arguments: &Value) -> Answer {
    let params = json!({ "name": tool, "arguments": arguments });
    send(client, "tools/call", &params)
}

fn send(client: &Client, method: &str, params: &Value) -> Answer {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let accept = [("Accept", "application/json, text/event-stream")];
    client.send("POST", "/mcp", &accept, Some(&body.to_string()))
}

/// What a tool gave back.
fn ok(answer: &Answer) -> Value {
    let body = answer.expect(200);
    let result = &body["result"];
    assert_ne!(result["isError"], json!(true), "{body}");
    result["structuredContent"].clone()
}

/// Why a tool did nothing.
fn failed(answer: &Answer) -> Value {
    let body = answer.expect(200);
    let result = &body["result"];
    assert_eq!(result["isError"], json!(true), "{body}");
    assert!(result.get("structuredContent").is_none(), "{body}");
    serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap()
}
