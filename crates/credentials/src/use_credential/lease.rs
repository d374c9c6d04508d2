use keyward_audit::Actor;
use keyward_core::Id;

use super::ended::EndedUse;
use super::refused::RefusedBy;
use crate::{
    BrokerRules, CredentialId, Destination, FieldPath, OpenedField, RequestPath, Template,
};

/// Names one use of a credential, in the event of it and in that of its end.
pub type UseId = Id<Lease>;

/// Secrets for one request, and what the request may be.
#[derive(Debug)]
pub struct Lease {
    /// Names the use.
    pub id: UseId,
    /// The credential.
    pub credential: CredentialId,
    pub(super) actor: Actor,
    /// The largest body that the request may have.
    pub max_body_bytes: Option<u64>,
    /// Where it goes, and how the secrets get into it.
    pub destination: Destination,
    /// What was allowed.
    pub call: Call,
    pub(super) secrets: Vec<OpenedField>,
}

/// The request that was allowed.
#[derive(Clone, Debug)]
pub struct Call {
    /// Its method.
    pub method: String,
    /// Its whole path on the host, without a secret that goes into it.
    pub path: RequestPath,
    /// What else Keyward puts into it, where the request is one of its own.
    pub template: Option<Template>,
}

impl Lease {
    /// A secret, in the clear.
    #[must_use]
    pub fn secret(&self, path: &FieldPath) -> Option<&str> {
        let mut secrets = self.secrets.iter();
        let found = secrets.find(|secret| secret.path == *path);
        found.map(|secret| secret.value.expose())
    }

    /// All secrets of the lease, in the clear.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.secrets.iter().map(|secret| secret.value.expose())
    }

    /// The id of the user who asked; `None` for the host.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.actor.id.as_deref()
    }

    /// What is to be written down when the use has ended.
    #[must_use]
    pub fn ended(&self) -> EndedUse {
        EndedUse::new(self.id, self.credential, self.actor.clone())
    }
}

impl Call {
    /// What the audit log keeps of the path.
    pub(super) fn shown_path(&self) -> String {
        self.path.as_str().chars().take(MAX_SHOWN).collect()
    }

    pub(super) fn check(
        &self,
        rules: &BrokerRules,
        body_bytes: Option<u64>,
    ) -> Result<(), RefusedBy> {
        if let Some(methods) = &rules.methods
            && !methods.contains(&self.method)
        {
            return Err(RefusedBy::Method);
        }
        if let Some(paths) = &rules.paths
            && !self.path.is_allowed(paths)
        {
            return Err(RefusedBy::Path);
        }
        match (rules.max_body_bytes, body_bytes) {
            (Some(max), Some(bytes)) if bytes > max => Err(RefusedBy::BodyBytes { max }),
            _ => Ok(()),
        }
    }
}

/// Characters. Rows of the audit log stay short.
const MAX_SHOWN: usize = 512;
