use std::time::Duration;

use serde_json::Value;
use ureq::Agent;
use ureq::http::Request;

/// A client of one server that presents one key, and keeps its connections.
#[derive(Clone)]
pub(crate) struct Client {
    agent: Agent,
    address: String,
    key: String,
}

/// What a server answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    /// The body, which must be JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The body of an answer with this status.
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        if self.body.is_empty() {
            Value::Null
        } else {
            self.json()
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Everything that came back, as one text.
    pub(crate) fn all(&self) -> String {
        let headers = self.headers.iter();
        headers.fold(self.body.clone(), |all, (name, value)| {
            format!("{all}\n{name}: {value}")
        })
    }
}

impl Client {
    pub(crate) fn new(address: &str, key: &str) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .timeout_global(Some(Duration::from_secs(30)))
            .build();
        Self {
            agent: config.into(),
            address: address.to_owned(),
            key: key.to_owned(),
        }
    }

    /// The same connections with another key.
    pub(crate) fn with_key(&self, key: &str) -> Self {
        Self {
            key: key.to_owned(),
            ..self.clone()
        }
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], None)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[], Some(&body.to_string()))
    }

    pub(crate) fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send("PATCH", path, &[], Some(&body.to_string()))
    }

    pub(crate) fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[], None)
    }

    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Answer {
        self.try_send(method, path, headers, body)
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// An error means that nobody knows whether the request did what it asked for.
    pub(crate) fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Result<Answer, ureq::Error> {
        let uri = format!("http://{}{path}", self.address);
        let mut request = Request::builder().method(method).uri(uri);
        if !self.key.is_empty() {
            request = request.header("Authorization", format!("Bearer {}", self.key));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = match body {
            Some(body) => {
                let request = request.header("Content-Type", "application/json");
                self.agent.run(request.body(body.to_owned())?)
            }
            None => self.agent.run(request.body(())?),
        };
        let (head, mut body) = response?.into_parts();
        let text = |value: &ureq::http::HeaderValue| {
            String::from_utf8_lossy(value.as_bytes()).into_owned()
        };
        Ok(Answer {
            status: head.status.as_u16(),
            headers: head
                .headers
                .iter()
                .map(|(name, value)| (name.to_string(), text(value)))
                .collect(),
            body: body.read_to_string()?,
        })
    }

    /// Keeps a credential, and returns its id.
    pub(crate) fn keep(&self, name: &str, kind: &str, detail: &Value) -> String {
        let body = serde_json::json!({ "name": name, "credential_type": kind, "detail": detail });
        let made = self.post("/api/v1/credentials", &body).expect(201);
        made["id"].as_str().unwrap().to_owned()
    }

    /// The secrets of a credential by their paths.
    pub(crate) fn access(&self, id: &str) -> Answer {
        self.post(
            &format!("/api/v1/credentials/{id}/access"),
            &serde_json::json!({}),
        )
    }

    /// Makes a key with the same rights, and returns its id and the key.
    pub(crate) fn new_key(&self, name: &str) -> (String, String) {
        let made = self
            .post(
                "/api/v1/users/me/keys",
                &serde_json::json!({ "name": name }),
            )
            .expect(201);
        (
            made["id"].as_str().unwrap().to_owned(),
            made["key"].as_str().unwrap().to_owned(),
        )
    }

    /// All items of a list, page by page.
    pub(crate) fn all(&self, path: &str) -> Vec<Value> {
        let mut all = Vec::new();
        let mut cursor = String::new();
        loop {
            let mut page = self.get(&format!("{path}?limit=200{cursor}")).expect(200);
            all.append(page["items"].as_array_mut().unwrap());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return all,
            }
        }
    }
}
