use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::echo::echo;
use crate::evidence::Evidence;
use crate::markers::Markers;
use crate::running::{Answer, Client, Home, Server};

/// One walk through the whole API, with everything that comes back.
pub(crate) struct Suite<'a> {
    home: &'a Home,
    pub(crate) server: Server,
    pub(crate) admin: Client,
    pub(crate) markers: Markers,
    pub(crate) evidence: Evidence,
    pub(crate) credentials: Vec<String>,
    /// A service to use credentials at.
    service: SocketAddr,
}

impl<'a> Suite<'a> {
    pub(crate) fn start(home: &'a Home) -> Self {
        let server = home.start();
        let admin = server.admin();
        let mut markers = Markers::default();
        markers.note("the first key", admin.key());
        markers.note("the first password", &server.printed("password"));
        for name in ["field-encryption.key", "secret.key"] {
            let key = std::fs::read_to_string(home.path("keyward-data").join(name)).unwrap();
            markers.note(name, key.trim());
        }
        Self {
            home,
            server,
            admin,
            markers,
            evidence: Evidence::default(),
            credentials: Vec::new(),
            service: echo(),
        }
    }

    /// Sends a request. `allowed` are the secrets that its answer is there to show.
    pub(crate) fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
        allowed: &[&str],
    ) -> Answer {
        let answer = self.admin.send(method, path, headers, body);
        self.evidence.add_answer(&answer, allowed);
        answer
    }

    fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, &[], None, &[])
    }

    fn post(&mut self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[], Some(&body.to_string()), &[])
    }

    fn patch(&mut self, path: &str, body: &Value) -> Answer {
        self.send("PATCH", path, &[], Some(&body.to_string()), &[])
    }

    pub(crate) fn at(&mut self, place: &str) -> String {
        self.markers.at(place)
    }

    /// All five types with a secret in each of their fields; each is changed, sent back as it was
    /// read, and opened.
    pub(crate) fn credentials(&mut self) {
        for (kind, open, secrets, maps) in TYPES {
            let filled = |suite: &mut Self, when: &str| {
                let mut detail = open_fields(open);
                for name in *secrets {
                    detail[*name] = suite.secret(&format!("{when} {kind}.{name}"), name);
                }
                for name in *maps {
                    let value = suite.at(&format!("{when} {kind}.{name}"));
                    detail[*name] = json!({ "X-Team": value });
                }
                detail
            };
            let detail = filled(self, "first");
            let body = json!({ "name": kind, "credential_type": kind, "detail": detail });
            let headers = [("Idempotency-Key", *kind)];
            let body = body.to_string();
            let made = self.send("POST", "/api/v1/credentials", &headers, Some(&body), &[]);
            let id = made.expect(201)["id"].as_str().unwrap().to_owned();
            self.send("POST", "/api/v1/credentials", &headers, Some(&body), &[])
                .expect(201);
            let path = format!("/api/v1/credentials/{id}");
            self.open(&id);
            let detail = filled(self, "second");
            self.patch(&path, &json!({ "detail": detail })).expect(200);
            let read = self.get(&path).expect(200);
            self.patch(&path, &read).expect(200);
            self.open(&id);
            self.credentials.push(id);
        }
        let id = self.credentials[0].clone();
        let marker = self.at("a secret for another host");
        let moved = json!({ "base_url": "https://elsewhere.example/v1", "api_key": marker });
        let moved = json!({ "detail": moved });
        self.patch(&format!("/api/v1/credentials/{id}"), &moved)
            .expect(200);
        let deleted = self.credentials.pop().unwrap();
        self.send(
            "DELETE",
            &format!("/api/v1/credentials/{deleted}"),
            &[],
            None,
            &[],
        )
        .expect(204);
    }

    /// A value for a secret field; a key file has more lines than the one with the marker.
    fn secret(&mut self, place: &str, field: &str) -> Value {
        let marker = self.at(place);
        if field == "ssh_private_key" {
            json!(format!(
                "-----BEGIN KEY-----\n{marker}\n-----END KEY-----\n"
            ))
        } else {
            json!(marker)
        }
    }

    fn open(&mut self, id: &str) {
        let opened = self.admin.access(id);
        opened.expect(200);
        assert!(
            self.markers
                .values()
                .iter()
                .any(|secret| opened.body.contains(secret))
        );
        let all = self.markers.values();
        self.evidence.add_answer(&opened, &all);
    }

    /// Passwords, and keys that are made, used, rotated, revoked and used again.
    pub(crate) fn people_and_keys(&mut self) {
        let password = self.at("a password");
        let user = json!({ "username": "ada", "password": password });
        let user = self.post("/api/v1/users", &user).expect(201);
        let path = format!("/api/v1/users/{}", user["id"].as_str().unwrap());
        self.post(
            &format!("{path}/keys"),
            &json!({ "name": "k", "scopes": ["nothing"] }),
        )
        .expect(422);
        let (_, key) = self.new_key(
            &format!("{path}/keys"),
            &json!({ "name": "hers", "scopes": ["read"] }),
        );
        let ada = self.admin.with_key(&key);
        for answer in [
            ada.get("/api/v1/auth/me"),
            ada.get("/api/v1/audit"),
            ada.get("/api/v1/users/me/keys"),
        ] {
            self.evidence.add_answer(&answer, &[]);
        }
        self.patch(&path, &json!({ "status": "disabled" }))
            .expect(200);
        let refused = ada.get("/api/v1/auth/me");
        refused.expect(401);
        self.evidence.add_answer(&refused, &[]);

        let (id, old) = self.new_key("/api/v1/users/me/keys", &json!({ "name": "old" }));
        let own = format!("/api/v1/users/me/keys/{id}");
        let (id, _) = self.new_key(&format!("{own}/rotate"), &json!({ "overlap_seconds": 0 }));
        let refused = self.admin.with_key(&old).get("/api/v1/auth/me");
        refused.expect(401);
        self.evidence.add_answer(&refused, &[]);
        self.send(
            "DELETE",
            &format!("/api/v1/users/me/keys/{id}"),
            &[],
            None,
            &[],
        )
        .expect(204);
        self.get("/api/v1/users/me/keys").expect(200);
    }

    /// The id of a new key and the key, which this answer may show.
    fn new_key(&mut self, path: &str, body: &Value) -> (String, String) {
        let answer = self.admin.post(path, body);
        let made = answer.expect(201);
        let key = made["key"].as_str().unwrap().to_owned();
        self.evidence.add_answer(&answer, &[&key]);
        let place = format!("the key {}", self.markers.len());
        self.markers.note(&place, &key);
        // Its secret part, without what everybody may know of it.
        self.markers
            .note(&format!("the secret of {place}"), &key[key.len() - 49..]);
        (made["id"].as_str().unwrap().to_owned(), key)
    }

    /// Requests with a credential in each place that it can have, to a service that repeats all of
    /// them.
    pub(crate) fn uses(&mut self) {
        let url = format!("http://{}/base", self.service);
        for (number, (kind, detail, auth)) in USED.iter().enumerate() {
            let mut detail: Value = serde_json::from_str(detail).unwrap();
            self.fill(&mut detail, &format!("a secret to be used, {number}"));
            let mut rules = json!({});
            if *kind == "llm" {
                detail["base_url"] = json!(url);
            } else {
                rules["base_url"] = json!(url);
            }
            if !auth.is_empty() {
                rules["auth"] = serde_json::from_str(auth).unwrap();
            }
            let body = json!({ "name": "used", "credential_type": kind, "detail": detail, "broker": rules });
            let made = self.post("/api/v1/credentials", &body).expect(201);
            let id = made["id"].as_str().unwrap();
            let answer = self.get(&format!("/broker/{id}/path?query=1"));
            assert_eq!(answer.status, 200, "{answer:?}");
            assert!(answer.body.contains("****************"), "{answer:?}");
        }
        assert_eq!(self.get("/metrics").status, 200);
    }

    /// A credential of no importance, to be used where those with markers were.
    pub(crate) fn others_are_used(&self) -> String {
        let body = json!({
            "name": "other", "credential_type": "generic",
            "detail": { "key": "a value that is no marker and as long as one" },
            "broker": {
                "base_url": format!("http://{}/base", self.service),
                "auth": { "header": { "name": "x-key", "field": "key" } },
            },
        });
        let made = self.admin.post("/api/v1/credentials", &body).expect(201);
        made["id"].as_str().unwrap().to_owned()
    }

    /// Puts a marker in place of each `?`.
    fn fill(&mut self, detail: &mut Value, place: &str) {
        match detail {
            Value::Object(members) => {
                for (name, value) in members {
                    self.fill(value, &format!("{place} {name}"));
                }
            }
            Value::String(text) if text == "?" => *text = self.at(place),
            _ => {}
        }
    }

    pub(crate) fn restart(&mut self) {
        self.watch();
        let started = self.home.start();
        let stopped = std::mem::replace(&mut self.server, started);
        self.admin = self.server.client(self.admin.key());
        self.keep_outputs(stopped.stop());
    }

    /// Everything that can be read, once more.
    pub(crate) fn reads(&mut self) {
        for id in self.credentials.clone() {
            self.get(&format!("/api/v1/credentials/{id}")).expect(200);
            self.open(&id);
        }
        for path in [
            "credentials",
            "users",
            "users/me",
            "users/me/keys",
            "audit?limit=200",
            "auth/me",
        ] {
            self.get(&format!("/api/v1/{path}")).expect(200);
        }
        for path in ["/health/live", "/health/ready", "/openapi.json", "/docs/"] {
            assert_eq!(self.get(path).status, 200);
        }
    }

    /// Puts `planted` where nothing hides it.
    pub(crate) fn shows(&mut self, planted: &str) {
        let detail = json!({ "provider": "p", "organization_id": planted });
        let body = json!({ "name": "n", "credential_type": "llm", "detail": detail });
        self.post("/api/v1/credentials", &body).expect(201);
        self.get("/api/v1/credentials").expect(200);
        let named = [("X-Request-Id", planted)];
        self.send("DELETE", "/api/v1/credentials", &named, None, &[])
            .expect(405);
        // Into the file itself, not only beside it.
        self.home.sql().run("PRAGMA wal_checkpoint(PASSIVE)");
    }

    /// What can be seen of the server while it runs.
    fn watch(&mut self) {
        self.evidence.add_process(&self.server);
        self.evidence.add_files(self.home.root());
    }

    /// What the server wrote; standard output shows the first key and password, once.
    fn keep_outputs(&mut self, left: crate::running::Left) {
        let shown = ["the first key", "the first password"].map(|place| self.markers.at(place));
        let stdout = shown.iter().fold(left.stdout, |text, secret| {
            text.replacen(secret, "(shown)", 1)
        });
        self.evidence.add("standard output", stdout.as_bytes());
        self.evidence.add("standard error", left.stderr.as_bytes());
    }

    /// The evidence, with the files that are left when the server was killed.
    pub(crate) fn finish(mut self) -> (Evidence, Markers) {
        self.watch();
        let left = self.server.take_and_kill();
        self.keep_outputs(left);
        self.evidence.add_files(self.home.root());
        for name in ["field-encryption.key", "secret.key"] {
            // The one place where it belongs.
            let key = self.markers.at(name);
            let file = self
                .evidence
                .0
                .get_mut(&format!("the file {name}"))
                .unwrap();
            *file = String::from_utf8_lossy(file)
                .replace(&key, "(kept)")
                .into_bytes();
        }
        (self.evidence, self.markers)
    }
}

/// `name=value` for each field that is no secret.
fn open_fields(fields: &[(&str, &str)]) -> Value {
    let fields = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value)));
    Value::Object(fields.collect())
}

type Type = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static [&'static str],
    &'static [&'static str],
);

/// Credentials of each type and with each rule; a question mark stands for a secret.
const USED: &[(&str, &str, &str)] = &[
    (
        "llm",
        r#"{"provider": "openai", "api_key": "?", "custom_headers": {"x-team": "?"}}"#,
        "",
    ),
    ("llm", r#"{"provider": "anthropic", "api_key": "?"}"#, ""),
    (
        "git",
        r#"{"provider": "gitea", "auth": "token", "username": "robot", "access_token": "?"}"#,
        "",
    ),
    ("gateway", r#"{"adapter": "telegram", "token": "?"}"#, ""),
    (
        "tool",
        r#"{"tool_type": "search", "config": {"key": "?"}}"#,
        r#"{"query": {"name": "key", "field": "config.key"}}"#,
    ),
    (
        "generic",
        r#"{"user": "?", "password": "?"}"#,
        r#"{"basic": {"username_field": "user", "password_field": "password"}}"#,
    ),
    (
        "generic",
        r#"{"key": "?"}"#,
        r#"{"header": {"name": "x-key", "field": "key", "prefix": "Token "}}"#,
    ),
];

/// Each type with its open fields, its secrets and its maps of secrets.
const TYPES: &[Type] = &[
    (
        "llm",
        &[
            ("provider", "openai"),
            ("base_url", "https://api.openai.com/v1"),
        ],
        &["api_key"],
        &["custom_headers"],
    ),
    (
        "git",
        &[
            ("provider", "github"),
            ("auth", "ssh_key"),
            ("username", "git"),
        ],
        &["access_token", "ssh_private_key", "webhook_secret"],
        &[],
    ),
    (
        "gateway",
        &[("adapter", "telegram")],
        &["token"],
        &["config"],
    ),
    ("tool", &[("tool_type", "search")], &[], &["config"]),
    ("generic", &[], &["password", "anything-else"], &[]),
];
