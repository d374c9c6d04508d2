use serde_json::{Value, json};

use crate::random::Random;
use crate::running::{Answer, Client};

/// Something that a client asked for, and what it knows of it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) operation: Operation,
    pub(crate) outcome: Outcome,
}

/// `value` is the name of the credential and each of its secrets: where they differ, something was
/// done by halves.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    Create {
        id: Option<String>,
        value: String,
    },
    Change {
        id: String,
        value: String,
    },
    Delete {
        id: String,
    },
    MakeKey {
        id: Option<String>,
        name: String,
        key: Option<String>,
    },
    RevokeKey {
        id: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is done.
    Acked,
    /// It is not done.
    Failed,
    /// The connection broke: done or not, but not by halves.
    Unknown,
}

/// What 503 says of an operation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Refused {
    /// The storage was busy: the operation is not done.
    IsNotDone,
    /// The storage was killed, perhaps when the operation was done and before it could say so.
    IsUnknown,
}

impl Operation {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Change { .. } => "change",
            Self::Delete { .. } => "delete",
            Self::MakeKey { .. } => "make key",
            Self::RevokeKey { .. } => "revoke key",
        }
    }

    fn run(&mut self, client: &Client, refused: Refused) -> Outcome {
        let (method, path, body) = self.request();
        let body = body.map(|body| body.to_string());
        match client.try_send(method, &path, &[], body.as_deref()) {
            Ok(answer) if (200..300).contains(&answer.status) => {
                self.learn(&answer);
                Outcome::Acked
            }
            // Nobody else changes these rows, so there is no other reason than the storage.
            Ok(answer) if answer.status == 503 => match refused {
                Refused::IsNotDone => Outcome::Failed,
                Refused::IsUnknown => Outcome::Unknown,
            },
            Ok(answer) => panic!("{self:?}: {answer:?}"),
            Err(_) => Outcome::Unknown,
        }
    }

    fn request(&self) -> (&'static str, String, Option<Value>) {
        let credential = |id: &str| format!("/api/v1/credentials/{id}");
        match self {
            Self::Create { value, .. } => {
                let detail = json!({ "one": value, "other": value });
                let body = json!({ "name": value, "credential_type": "generic", "detail": detail });
                ("POST", "/api/v1/credentials".to_owned(), Some(body))
            }
            Self::Change { id, value } => {
                let detail = json!({ "one": value, "other": value });
                let body = json!({ "name": value, "detail": detail });
                ("PATCH", credential(id), Some(body))
            }
            Self::Delete { id } => ("DELETE", credential(id), None),
            Self::MakeKey { name, .. } => {
                let body = json!({ "name": name });
                ("POST", "/api/v1/users/me/keys".to_owned(), Some(body))
            }
            Self::RevokeKey { id } => ("DELETE", format!("/api/v1/users/me/keys/{id}"), None),
        }
    }

    /// Takes from the answer what it names.
    fn learn(&mut self, answer: &Answer) {
        let text = |name: &str| answer.json()[name].as_str().map(str::to_owned);
        match self {
            Self::Create { id, .. } => *id = text("id"),
            Self::MakeKey { id, key, .. } => (*id, *key) = (text("id"), text("key")),
            _ => {}
        }
    }
}

/// Writes without a pause, until the server is gone.
pub(crate) fn work(client: &Client, refused: Refused, mut random: Random) -> Vec<Entry> {
    let mut log: Vec<Entry> = Vec::new();
    let (mut credentials, mut keys) = (Vec::new(), Vec::new());
    let mark = random.next();
    loop {
        let mut operation = choose(&mut random, mark, log.len(), &credentials, &keys);
        let outcome = operation.run(client, refused);
        if outcome == Outcome::Acked {
            match &operation {
                Operation::Create { id, .. } => credentials.extend(id.clone()),
                Operation::Delete { id } => credentials.retain(|known| known != id),
                Operation::MakeKey { id, .. } => keys.extend(id.clone()),
                Operation::RevokeKey { id } => keys.retain(|known| known != id),
                Operation::Change { .. } => {}
            }
        }
        log.push(Entry { operation, outcome });
        if outcome == Outcome::Unknown {
            return log;
        }
    }
}

/// Half of what is made is taken away again, so that databases stay small.
fn choose(
    random: &mut Random,
    mark: u64,
    number: usize,
    credentials: &[String],
    keys: &[String],
) -> Operation {
    let text = format!("{mark:016x}-{number}");
    let credential = random.one_of(credentials);
    let key = random.one_of(keys);
    match (random.between(0, 9), credential, key) {
        (0..=2, Some(id), _) => Operation::Change { id, value: text },
        (3..=4, Some(id), _) => Operation::Delete { id },
        (5, _, Some(id)) => Operation::RevokeKey { id },
        (6, ..) => Operation::MakeKey {
            id: None,
            name: text,
            key: None,
        },
        _ => Operation::Create {
            id: None,
            value: text,
        },
    }
}
