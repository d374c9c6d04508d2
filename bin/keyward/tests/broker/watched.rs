//! A server with one credential and an agent that may use it, and everything around watched.

use serde_json::{Value, json};

use crate::running::{Client, Home, Server};
use crate::scanner::Scanner;
use crate::tap::Tap;

pub(crate) struct Watched {
    pub(crate) server: Server,
    pub(crate) admin: Client,
    /// The key that clients have.
    pub(crate) key: String,
    pub(crate) tap: Tap,
    home: Home,
}

impl Watched {
    pub(crate) fn start() -> Self {
        Self::in_home(Home::new())
    }

    pub(crate) fn in_home(home: Home) -> Self {
        let home = home.set("BROKER_ALLOW_PRIVATE", "127.0.0.1, localhost");
        let server = home.start();
        let admin = server.admin();
        let agent = json!({ "name": "caller", "scopes": ["credentials:use"] });
        let agent = admin.post("/api/v1/agents", &agent).expect(201);
        Self {
            key: agent["api_key"].as_str().unwrap().to_owned(),
            tap: Tap::before(&server.address),
            server,
            admin,
            home,
        }
    }

    /// Stops the server, and gives what it has left.
    pub(crate) fn stop(self) -> Home {
        self.server.stop();
        self.home
    }

    /// Keeps a credential called `name`.
    pub(crate) fn keep(&self, name: &str, kind: &str, detail: &Value, broker: &Value) -> String {
        let body =
            json!({ "name": name, "credential_type": kind, "detail": detail, "broker": broker });
        let made = self.admin.post("/api/v1/credentials", &body).expect(201);
        made["id"].as_str().unwrap().to_owned()
    }

    /// A client of ours with the key of the agent, through the tap.
    pub(crate) fn client(&self) -> Client {
        Client::new(&self.tap.address.to_string(), &self.key)
    }

    /// The same for a service itself, with the real key.
    pub(crate) fn directly(address: std::net::SocketAddr, real: &str) -> Client {
        Client::new(&address.to_string(), real)
    }

    /// Where clients find the broker.
    pub(crate) fn url(&self, credential: &str) -> String {
        format!("http://{}/broker/{credential}", self.tap.address)
    }

    /// Neither has the service got a key of ours, nor the client the real one, in any form.
    pub(crate) fn assert_apart(&self, got_by_service: &[u8], real: &str) {
        let ours = Scanner::new([("the key of the agent", self.key.as_str())]);
        let real = Scanner::new([("the real key", real)]);
        let client = self.tap.to_client();
        assert!(!client.is_empty() && !got_by_service.is_empty());
        assert_eq!(
            ours.scan(got_by_service),
            [],
            "the service has a key of ours"
        );
        assert_eq!(real.scan(&client), [], "the client has the real key");
        // The control: both are where they belong.
        assert!(!ours.scan(&self.tap.to_server()).is_empty());
        assert!(!real.scan(got_by_service).is_empty());
    }
}

/// As long as a real one, and nothing else looks like it.
pub(crate) const REAL: &str = "sk-real-5pQz81LmVx03BkTnWe7YdR";
