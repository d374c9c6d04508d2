use keyward_audit::{Action, AuditEvents, Event, Subject};
use keyward_auth::{Environment, Host};
use keyward_core::{Store, StoreError, Timestamp};
use keyward_crypto::KeyId;

/// What is kept outside of an installation, so that its loss is not the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The keys.
    RecoveryKit,
    /// The database.
    Backup,
}

impl Kept {
    /// The stored name. Names are part of the stored format: never change one.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RecoveryKit => "recovery-kit",
            Self::Backup => "backup",
        }
    }

    /// Reads the stored name back.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::RecoveryKit, Self::Backup]
            .into_iter()
            .find(|kept| kept.as_str() == name)
    }
}

/// The last time that something was kept outside.
///
/// Carries no MAC: it decides nothing, it only reminds people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SafekeepingRecord {
    /// What.
    pub kept: Kept,
    /// When.
    pub at: Timestamp,
    /// The keys that are in it, or that it needs to be opened.
    pub keys: Vec<KeyId>,
}

/// What was kept outside and when, inside a unit of work.
pub trait Safekeeping {
    /// Notes it, in place of what was noted of the same kind before.
    fn note_safekeeping(
        &mut self,
        kept: Kept,
        at: Timestamp,
        keys: &[KeyId],
    ) -> Result<(), StoreError>;

    /// The last time of each kind that there was one of.
    fn safekeeping(&mut self) -> Result<Vec<SafekeepingRecord>, StoreError>;
}

/// Writes down that a recovery kit leaves the installation.
pub struct KitRegister<S>(Environment<S>);

/// A kit, for the audit log.
#[derive(Clone, Debug)]
pub struct KitFacts {
    /// Its id.
    pub kit: String,
    /// The keys in it.
    pub keys: Vec<KeyId>,
    /// Into how many shares it is split, and how many open it.
    pub split: Option<(u8, u8)>,
}

impl<S: Store<Tx: Safekeeping + AuditEvents>> KitRegister<S> {
    /// Wires the service.
    pub fn new(environment: Environment<S>) -> Self {
        Self(environment)
    }

    /// Before the kit is shown: what cannot be written down must not leave.
    pub fn leaves(&self, by: &Host, kit: &KitFacts) -> Result<(), StoreError> {
        let keys: Vec<_> = kit.keys.iter().map(KeyId::as_str).collect();
        let subject = Subject::new("recovery-kit", &kit.kit);
        let mut event = Event::new(by.actor(), KIT_CREATE, subject).with("keys", keys.join(" "));
        if let Some((shares, threshold)) = kit.split {
            event = event
                .with("shares", shares.to_string())
                .with("threshold", threshold.to_string());
        }
        self.0.store.write(|tx| self.0.audit.record(tx, &event))
    }

    /// Once it was handed over. Until then there is none to rely on, and people are reminded.
    pub fn is_kept(&self, kit: &KitFacts) -> Result<(), StoreError> {
        let now = self.0.clock.now();
        self.0
            .store
            .write(|tx| tx.note_safekeeping(Kept::RecoveryKit, now, &kit.keys))
    }
}

const KIT_CREATE: Action = Action("recovery-kit.create");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for kept in [Kept::RecoveryKit, Kept::Backup] {
            assert_eq!(Kept::parse(kept.as_str()), Some(kept));
        }
        assert_eq!(Kept::parse("Backup"), None);
    }
}
