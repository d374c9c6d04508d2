use keyward_auth::Permit;
use keyward_auth::needs::CredentialsUse;
use keyward_crypto::ApiKey;

use super::lease::Call;
use super::refused::UseError;
use crate::{
    BrokerRules, Credential, Destination, FieldPath, NoDestination, Probe, RequestPath, Which,
    template,
};

/// A request that needs a secret.
#[derive(Debug)]
pub struct Wanted {
    /// Who asks.
    pub caller: Caller,
    /// With which credential.
    pub which: Which,
    /// What for.
    pub asked: Asked,
    /// How long its body is, where that is known.
    pub body_bytes: Option<u64>,
}

/// Who needs a secret.
#[derive(Debug)]
pub enum Caller {
    /// Somebody whose key was checked before.
    Known(Permit<CredentialsUse>),
    /// Whoever has this key. It is checked in the same transaction, so the storage is asked for it
    /// once.
    Key {
        /// The key that was presented.
        key: ApiKey,
        /// The request that is being served, for the audit log.
        request: Option<String>,
    },
}

/// What a secret is needed for.
#[derive(Clone, Debug)]
pub enum Asked {
    /// A request of the caller.
    Request {
        /// How it came: `broker` or `mcp`.
        via: &'static str,
        /// Its method.
        method: String,
        /// Its path below the base URL of the credential.
        path: RequestPath,
    },
    /// A request that Keyward makes of itself.
    Probe(Probe),
}

impl Wanted {
    pub(super) fn via(&self) -> &'static str {
        match self.asked {
            Asked::Request { via, .. } => via,
            Asked::Probe(Probe::Test) => "test",
            Asked::Probe(Probe::Models) => "models",
        }
    }

    /// The rules that the request has to keep. What Keyward asks of itself is none of the caller's.
    pub(super) fn rules<'a>(&self, credential: &'a Credential) -> Option<&'a BrokerRules> {
        let rules = credential.broker.as_ref().map(|kept| kept.rules());
        rules.filter(|_| matches!(self.asked, Asked::Request { .. }))
    }

    /// The request and where it goes. `secrets` are the paths of those that are set.
    pub(super) fn call<'a>(
        &self,
        credential: &Credential,
        secrets: impl Iterator<Item = &'a FieldPath>,
    ) -> Result<(Call, Destination), UseError> {
        let (method, path, template) = match &self.asked {
            Asked::Request { method, path, .. } => (method.clone(), path.clone(), None),
            Asked::Probe(probe) => {
                let template = template(credential, *probe).ok_or(UseError::NoTemplate)?;
                let path = RequestPath::parse(template.path);
                let path = path.map_err(|_| UseError::NoTemplate)?;
                (template.method.to_owned(), path, Some(template))
            }
        };
        let destination = Destination::of(credential, secrets)
            .and_then(|found| found.or_at(template.and_then(|template| template.base_url)))
            .map_err(UseError::NoDestination)?;
        let path = path.below(destination.base_url.path());
        let call = Call {
            method,
            path: path.map_err(|_| UseError::NoDestination(NoDestination::BaseUrl))?,
            template,
        };
        Ok((call, destination))
    }
}
