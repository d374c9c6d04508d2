use keyward_audit::{Action, Actor, Event};

use super::lease::UseId;
use crate::CredentialId;
use crate::manage::subject;

/// How the use of a credential ended.
#[derive(Clone, Debug)]
pub struct EndedUse {
    id: UseId,
    credential: CredentialId,
    actor: Actor,
    /// In a word: `answered`, `cancelled`, or what went wrong.
    pub outcome: &'static str,
    /// The status that the service answered with.
    pub status: Option<u16>,
    /// Bytes of the body that went to the service.
    pub sent: u64,
    /// Bytes of the body that came back.
    pub received: u64,
    /// Milliseconds from the event of the use to the end of the answer.
    pub millis: u64,
}

impl EndedUse {
    pub(super) fn new(id: UseId, credential: CredentialId, actor: Actor) -> Self {
        Self {
            id,
            credential,
            actor,
            outcome: "cancelled",
            status: None,
            sent: 0,
            received: 0,
            millis: 0,
        }
    }

    /// Which credential was used.
    #[must_use]
    pub fn credential(&self) -> CredentialId {
        self.credential
    }

    pub(super) fn event(&self) -> Event {
        let event = Event::new(
            self.actor.clone(),
            CREDENTIAL_USED,
            subject(self.credential),
        )
        .with("use", self.id.to_string())
        .with("outcome", self.outcome)
        .with("sent", self.sent.to_string())
        .with("received", self.received.to_string())
        .with("millis", self.millis.to_string());
        match self.status {
            Some(status) => event.with("status", status.to_string()),
            None => event,
        }
    }
}

const CREDENTIAL_USED: Action = Action("credential.used");
