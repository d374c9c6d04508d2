use std::collections::BTreeMap;

use keyward_core::Timestamp;
use keyward_crypto::{Mac, MacPurpose, MacRing};

/// One thing that happened, before it has its place in the chain.
///
/// No field may hold a secret: names and ids only. What was *entered* does not belong here.
///
/// ```
/// use keyward_audit::{Action, Actor, Event, Subject};
///
/// let actor = Actor::host().in_request(Some("req-1"));
/// let event = Event::new(actor, Action("user.rename"), Subject::new("user", 7)).with("name", "ada");
/// assert_eq!(event.subject.id, "7");
/// assert_eq!(event.details["name"], "ada");
/// ```
#[derive(Clone, Debug)]
pub struct Event {
    /// Who did it.
    pub actor: Actor,
    /// What was done.
    pub action: Action,
    /// To what.
    pub subject: Subject,
    /// More, by name: changed fields, counts, outcomes.
    pub details: BTreeMap<&'static str, String>,
}

impl Event {
    /// An event without details.
    #[must_use]
    pub fn new(actor: Actor, action: Action, subject: Subject) -> Self {
        Self {
            actor,
            action,
            subject,
            details: BTreeMap::new(),
        }
    }

    /// The same event with one more detail.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.details.insert(name, value.into());
        self
    }
}

/// The name of an action, `object.verb`, for example `credential.access`.
///
/// Names are part of the stored format: never change one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Action(pub &'static str);

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// What kind of actor.
    pub kind: ActorKind,
    /// The id of the user; `None` for the host and the system.
    pub id: Option<String>,
    /// The id of the API key that was presented.
    pub key: Option<String>,
    /// The request that it was part of, as in the log and the `X-Request-Id` header.
    pub request: Option<String>,
}

impl Actor {
    /// An operator at the command line of the host.
    #[must_use]
    pub fn host() -> Self {
        Self {
            kind: ActorKind::Host,
            id: None,
            key: None,
            request: None,
        }
    }

    /// Keyward itself, where nobody who is known asked for it.
    #[must_use]
    pub fn system() -> Self {
        Self {
            kind: ActorKind::System,
            ..Self::host()
        }
    }

    /// The same actor in one request.
    #[must_use]
    pub fn in_request(mut self, request: Option<&str>) -> Self {
        self.request = request.map(str::to_owned);
        self
    }
}

/// The kinds of actors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActorKind {
    /// A person, by API key.
    Human,
    /// An agent, by API key.
    Agent,
    /// An operator at the command line.
    Host,
    /// Keyward itself.
    System,
}

impl ActorKind {
    /// The stored name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Agent => "agent",
            Self::Host => "host",
            Self::System => "system",
        }
    }
}

/// What something was done to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// `user`, `api_key`, `credential`, …
    pub kind: &'static str,
    /// Its id.
    pub id: String,
}

impl Subject {
    /// Names a subject.
    pub fn new(kind: &'static str, id: impl std::fmt::Display) -> Self {
        Self {
            kind,
            id: format!("{id}"),
        }
    }
}

/// The place of an event in the chain: 1, 2, 3, … without gaps.
pub type Seq = i64;

/// What a row of the chain says, apart from its MAC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordFields {
    /// The place in the chain.
    pub seq: Seq,
    /// When it was recorded.
    pub at: Timestamp,
    /// See [`ActorKind::as_str`].
    pub actor_kind: String,
    /// See [`Actor::id`].
    pub actor_id: Option<String>,
    /// See [`Actor::key`].
    pub actor_key: Option<String>,
    /// See [`Actor::request`].
    pub request: Option<String>,
    /// See [`Action`].
    pub action: String,
    /// See [`Subject::kind`].
    pub subject_kind: String,
    /// See [`Subject::id`].
    pub subject_id: String,
    /// The details as a JSON object of strings, exactly as stored.
    pub details: String,
}

/// A row of the chain, as a store keeps it.
#[derive(Clone, Debug)]
pub struct Record {
    /// What it says.
    pub fields: RecordFields,
    /// Over the fields and the MAC of the row before it.
    pub mac: Mac,
}

impl RecordFields {
    /// Puts the row behind the one with the MAC `previous` (`None` for the first row).
    #[must_use]
    pub fn sign(self, previous: Option<&Mac>, macs: &MacRing) -> Record {
        let mac = self.with_parts(previous, |parts| macs.mac(MacPurpose::AuditEvent, parts));
        Record { fields: self, mac }
    }

    fn with_parts<R>(&self, previous: Option<&Mac>, work: impl FnOnce(&[&[u8]]) -> R) -> R {
        work(&[
            previous.map_or(&[], |mac| mac.as_bytes().as_slice()),
            &self.seq.to_be_bytes(),
            &self.at.0.to_be_bytes(),
            self.actor_kind.as_bytes(),
            self.actor_id.as_deref().unwrap_or_default().as_bytes(),
            self.actor_key.as_deref().unwrap_or_default().as_bytes(),
            self.request.as_deref().unwrap_or_default().as_bytes(),
            self.action.as_bytes(),
            self.subject_kind.as_bytes(),
            self.subject_id.as_bytes(),
            self.details.as_bytes(),
        ])
    }
}

impl Record {
    /// Whether this row is unchanged and stands behind the row with the MAC `previous`.
    #[must_use]
    pub fn follows(&self, previous: Option<&Mac>, macs: &MacRing) -> bool {
        self.fields.with_parts(previous, |parts| {
            macs.verify(MacPurpose::AuditEvent, parts, &self.mac)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Head;

    #[test]
    fn the_macs_of_an_event_and_of_the_end_are_the_documented_ones() {
        // Computed in Python from the definitions in docs/formats.md.
        let (event, end) = (
            "b75c0c4eefa6817b.682044527b7205c154452123942e5d693f932e96e7d1b8859d487b8a3be61395",
            "b75c0c4eefa6817b.1e0f1ad998b594287d880cb69f03029872758e4dfb2cd04a88f47cbdf237e7b5",
        );
        let macs = MacRing::parse("Yk3v9QpZ7tLwXr2NfBhGmCs5DjUa8eKo4iTyVx6RlWz").unwrap();
        let fields = RecordFields {
            seq: 1,
            at: Timestamp(1_800_000_000),
            actor_kind: ActorKind::Host.as_str().to_owned(),
            actor_id: None,
            actor_key: None,
            request: None,
            action: "user.create".to_owned(),
            subject_kind: "user".to_owned(),
            subject_id: "01890a5d-7e8f-7c3d-a1b2-c3d4e5f60718".to_owned(),
            details: r#"{"role":"admin"}"#.to_owned(),
        };
        let record = fields.sign(None, &macs);
        assert_eq!(record.mac.as_stored(), event);
        assert_eq!(Head::of(&record, &macs).mac.as_stored(), end);
    }
}
