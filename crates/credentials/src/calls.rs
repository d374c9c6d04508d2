use std::fmt;
use std::future::Future;
use std::pin::Pin;

use keyward_auth::Permit;
use keyward_auth::needs::CredentialsUse;
use serde::Serialize;

use crate::{CallError, Which};

/// Makes requests to the services of credentials, each with the credential in it. What comes back
/// has no secret in it.
///
/// Implemented by the broker, for those who have a whole request at hand and want a whole answer.
/// Each call is in the audit log before it leaves.
pub trait CallServices: Send + Sync + 'static {
    /// Sends a request of the caller, by the rules of the credential.
    fn call(
        &self,
        caller: Permit<CredentialsUse>,
        which: Which,
        request: CallRequest,
    ) -> Calling<CallAnswer>;

    /// Asks the service whether it takes the credential, by a request that is built in.
    fn test(&self, caller: Permit<CredentialsUse>, which: Which) -> Calling<Tested>;

    /// Asks the service which models it has, by a request that is built in.
    fn models(&self, caller: Permit<CredentialsUse>, which: Which) -> Calling<Vec<Model>>;
}

/// An answer that is on its way.
pub type Calling<T> = Pin<Box<dyn Future<Output = Result<T, CallError>> + Send>>;

/// A request for the service of a credential.
#[derive(Clone)]
pub struct CallRequest {
    /// Its method.
    pub method: String,
    /// Path and query below the base URL of the credential, with a slash at the beginning.
    pub target: String,
    /// Header fields. None of them needs the credential.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl fmt::Debug for CallRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallRequest").finish_non_exhaustive()
    }
}

/// What a service has answered, up to a limit.
#[derive(Clone, Debug)]
pub struct CallAnswer {
    /// The status code.
    pub status: u16,
    /// The header fields, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, or its beginning.
    pub body: Vec<u8>,
    /// Whether more would have come.
    pub truncated: bool,
}

/// Whether a service takes a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tested {
    /// It does.
    Accepted,
    /// It does not; says why in a word or two, such as `status 401`.
    Not(&'static str),
}

/// A model of a provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Model {
    /// What requests call it.
    pub id: String,
    /// What people call it.
    pub name: String,
}
