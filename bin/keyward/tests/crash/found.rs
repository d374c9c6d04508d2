use std::collections::BTreeMap;

use serde_json::Value;

use crate::running::Client;

/// All that a server has, as its API tells.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) credentials: BTreeMap<String, FoundCredential>,
    pub(crate) keys: BTreeMap<String, FoundKey>,
    /// But for those of opened credentials.
    pub(crate) events: Vec<FoundEvent>,
}

#[derive(Clone, Debug)]
pub(crate) struct FoundCredential {
    pub(crate) name: String,
    pub(crate) secrets: Vec<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct FoundKey {
    pub(crate) name: String,
    pub(crate) revoked: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FoundEvent {
    pub(crate) action: String,
    pub(crate) subject: String,
}

impl Found {
    pub(crate) fn by(client: &Client) -> Self {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let credentials = client.all("/api/v1/credentials").into_iter().map(|kept| {
            let id = text(&kept["id"]);
            let opened = client.access(&id).expect(200);
            let secrets = opened["fields"].as_object().unwrap().values().map(text);
            let credential = FoundCredential {
                name: text(&kept["name"]),
                secrets: secrets.collect(),
            };
            (id, credential)
        });
        let keys = client.all("/api/v1/users/me/keys").into_iter().map(|key| {
            let found = FoundKey {
                name: text(&key["name"]),
                revoked: !key["revoked_at"].is_null(),
            };
            (text(&key["id"]), found)
        });
        let events = client
            .all("/api/v1/audit")
            .into_iter()
            .map(|event| FoundEvent {
                action: text(&event["action"]),
                subject: text(&event["subject"]["id"]),
            });
        Self {
            credentials: credentials.collect(),
            keys: keys.collect(),
            events: events
                .filter(|event| event.action != "credential.access")
                .collect(),
        }
    }

    /// How many events there are of this action on this subject.
    pub(crate) fn events_of(&self, action: &str, subject: &str) -> usize {
        let is = |event: &&FoundEvent| event.action == action && event.subject == subject;
        self.events.iter().filter(is).count()
    }
}
