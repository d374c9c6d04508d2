use std::fs;
use std::sync::{Arc, PoisonError, RwLock};

use crate::running::{Client, Home, Server};

/// One server, its folder and its file with encryption keys.
pub(crate) struct Node {
    server: Option<Server>,
    pub(crate) place: Arc<Place>,
    // Dropped last.
    pub(crate) home: Home,
}

/// Where a server is found by those who use it, through all its lives.
pub(crate) struct Place(RwLock<Seen>);

/// A server as somebody has found it.
#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) client: Client,
    pub(crate) is_up: bool,
    life: usize,
}

impl Place {
    pub(crate) fn now(&self) -> Seen {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether the server has not been killed since.
    pub(crate) fn lives_on(&self, seen: &Seen) -> bool {
        let now = self.now();
        now.is_up && now.life == seen.life
    }

    fn change(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Node {
    /// Starts a server whose encryption keys are in a file.
    pub(crate) fn start(home: Home, keys: &[String], admin: Option<&str>) -> Self {
        let file = home.write(KEY_FILE, &keys.join(","), 0o600);
        let home = home
            .unset("FIELD_ENCRYPTION_KEY")
            .set("FIELD_ENCRYPTION_KEY_FILE", file.to_str().unwrap());
        let server = home.start();
        let client = match admin {
            Some(key) => server.client(key),
            None => server.admin(),
        };
        let seen = Seen {
            client,
            is_up: true,
            life: 0,
        };
        Self {
            server: Some(server),
            place: Arc::new(Place(RwLock::new(seen))),
            home,
        }
    }

    /// Replaces the file, as a deployment does. A running server reads it anew.
    pub(crate) fn has_keys(&self, keys: &[String]) {
        let new = self.home.write("new.key", &keys.join(","), 0o600);
        fs::rename(new, self.home.path(KEY_FILE)).unwrap();
    }

    pub(crate) fn address(&self) -> String {
        self.server.as_ref().unwrap().address.clone()
    }

    /// As a crash and a supervisor do.
    pub(crate) fn kill_and_start(&mut self) {
        // First, so that nobody takes the end of a connection for a failure.
        self.place.change(|seen| seen.is_up = false);
        self.server.take().unwrap().kill();
        let server = self.home.start();
        self.place.change(|seen| {
            *seen = Seen {
                client: server.client(seen.client.key()),
                is_up: true,
                life: seen.life + 1,
            }
        });
        self.server = Some(server);
    }

    pub(crate) fn stop(&mut self) {
        self.server.take().unwrap().stop();
    }
}

const KEY_FILE: &str = "fields.key";
