//! Requests that are refused, with secrets in them.

use serde_json::{Value, json};

use crate::suite::Suite;

impl Suite<'_> {
    /// Asks for something that is refused.
    fn refused(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&str>) {
        let answer = self.send(method, path, headers, body, &[]);
        assert!(
            (400..500).contains(&answer.status),
            "{method} {path}: {answer:?}"
        );
    }

    fn refused_body(&mut self, method: &str, path: &str, body: &Value) {
        self.refused(method, path, &[], Some(&body.to_string()));
    }

    /// Bodies that do not fit where they are sent.
    pub(crate) fn bodies_that_do_not_fit(&mut self) {
        let one = format!("/api/v1/credentials/{}", self.credentials[0]);
        for (method, path) in [
            ("POST", "/api/v1/credentials"),
            ("PATCH", &one),
            ("POST", "/api/v1/users"),
            ("PATCH", "/api/v1/users/me"),
            ("POST", "/api/v1/users/me/keys"),
            ("POST", "/api/v1/credentials/batch-delete"),
        ] {
            let marker = self.at(&format!("a body that {method} {path} refuses"));
            for body in wrong_bodies(&marker) {
                self.refused(method, path, &[], Some(&body));
            }
        }
        let marker = self.at("a field that is not there");
        self.refused_body(
            "POST",
            &format!("{one}/access"),
            &json!({ "field": marker }),
        );
        let marker = self.at("a body of another type");
        for header in [("Content-Type", "text/plain"), ("Content-Encoding", "gzip")] {
            self.refused("POST", "/api/v1/credentials", &[header], Some(&marker));
        }
        let marker = self.at("a body that is too large");
        let large = json!({ "name": marker.repeat(3_000) });
        self.refused_body("POST", "/api/v1/credentials", &large);
    }

    pub(crate) fn people_that_are_refused(&mut self) {
        let marker = self.at("a password that is refused");
        for body in [
            json!({ "username": "eve", "password": marker, "role": "root" }),
            json!({ "username": "two words", "password": marker }),
            json!({ "username": "admin", "password": marker }),
            json!({ "username": "eve", "password": [marker] }),
            json!({ "username": "eve", "password": marker.repeat(60) }),
        ] {
            self.refused_body("POST", "/api/v1/users", &body);
        }
    }

    pub(crate) fn secrets_in_addresses(&mut self) {
        let paths = [
            "/api/v1/credentials/",
            "/api/v1/users/",
            "/api/v1/",
            "/",
            "/docs/",
            "/health/",
        ];
        for path in paths {
            let marker = self.at(&format!("the path {path}"));
            self.refused("GET", &format!("{path}{marker}"), &[], None);
            self.refused("GET", &format!("{path}%ff{marker}"), &[], None);
        }
        for query in ["cursor", "limit", "unknown"] {
            let marker = self.at(&format!("the query {query}"));
            for list in ["credentials", "audit", "users", "users/me/keys"] {
                let path = format!("/api/v1/{list}?{query}={marker}");
                self.refused("GET", &path, &[], None);
            }
        }
    }

    pub(crate) fn secrets_in_headers(&mut self) {
        let key = self.admin.key().to_owned();
        for header in HEADERS {
            let marker = self.at(&format!("the header {header}"));
            for value in [&marker, &key] {
                self.nobody_asks(header, value);
                self.send("GET", ME, &[(header, value)], None, &[])
                    .expect(200);
            }
        }
        let marker = self.at("the header Authorization");
        let last = if key.ends_with('0') { '1' } else { '0' };
        let changed = format!("{}{last}", &key[..key.len() - 1]);
        self.markers.note("a key with a typing error", &changed);
        for value in [
            marker.clone(),
            format!("Bearer {marker}"),
            format!("Basic {marker}"),
            format!("Bearer kw_user_{marker}"),
            format!("Bearer {changed}"),
            format!("Bearer {key} {marker}"),
        ] {
            self.nobody_asks("Authorization", &value);
        }
        // Where the name of the request belongs: that goes to the log and comes back.
        self.send("GET", ME, &[("X-Request-Id", &key)], None, &[])
            .expect(200);
    }

    /// Asks without a key that is valid.
    fn nobody_asks(&mut self, header: &str, value: &str) {
        let nobody = self.server.client("");
        let answer = nobody.send("GET", ME, &[(header, value)], None);
        answer.expect(401);
        self.evidence.add_answer(&answer, &[]);
    }
}

/// What no route takes, with `marker` where a secret could stand.
fn wrong_bodies(marker: &str) -> Vec<String> {
    let credential = |kind: &str, detail: Value| {
        json!({ "name": "n", "credential_type": kind, "detail": detail }).to_string()
    };
    let llm =
        |field: &str, value: Value| credential("llm", json!({ "provider": "p", field: value }));
    vec![
        llm("api_key", json!({ "k": marker })),
        llm("api_key", json!([marker])),
        llm("api_key", json!(format!("{marker}\nX"))),
        llm("api_key", json!(format!("{marker}\0"))),
        llm("provider", json!([marker])),
        llm("unknown", json!(marker)),
        llm("base_url", json!(format!("https://u:{marker}@h"))),
        llm("custom_headers", json!(marker)),
        llm("custom_headers", json!({ "not a name": marker })),
        credential("git", json!({ "provider": "p", "auth": marker })),
        credential("llm", json!(marker)),
        credential(marker, json!({})),
        json!({ "name": [marker], "credential_type": "llm", "detail": {} }).to_string(),
        json!({ "unknown": marker }).to_string(),
        format!(r#"{{"name":"n","name":"{marker}"}}"#),
        format!(r#"{{"api_key":"{marker}"#),
        format!(r#"{{"api_key":"{marker}"}} {marker}"#),
        format!(r#"["{marker}"]"#),
        format!(r#""{marker}""#),
        marker.to_owned(),
    ]
}

const ME: &str = "/api/v1/auth/me";

const HEADERS: [&str; 8] = [
    "Cookie",
    "User-Agent",
    "Referer",
    "Origin",
    "X-Api-Key",
    "X-Forwarded-For",
    "Accept",
    "Traceparent",
];
