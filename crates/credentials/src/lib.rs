//! Credentials of other services: kept sealed, shown masked, handed out only to who may have them.
//!
//! [`ManageCredentials`] keeps and lists them and never opens one; [`AccessCredential`] opens
//! them, and writes down that it did before it lets go of the secret. [`UseCredential`] opens them
//! for requests to the service that they belong to, by the rules that are kept with them.

mod access;
mod call_error;
mod calls;
mod change;
mod destination;
mod detail;
#[cfg(test)]
mod example;
mod fields;
mod manage;
mod mask;
mod model;
mod on_host;
mod ports;
mod provider;
mod rules;
mod seal;
mod template;
mod use_credential;
mod view;
mod which;

pub use access::{AccessCredential, AccessError, OpenedField};
pub use call_error::CallError;
pub use calls::{CallAnswer, CallRequest, CallServices, Calling, Model, Tested};
pub use change::{FieldProblem, Problem};
pub use destination::{Auth, Destination, NoDestination};
pub use detail::Detail;
pub use fields::{CredentialType, FieldPath};
pub use manage::{
    CredentialChange, CredentialError, CredentialScope, ManageCredentials, NewCredential,
    Unchangeable,
};
pub use mask::Mask;
pub use model::{
    Credential, CredentialId, CredentialName, Legacy, MalformedCredentialName, OpenFields,
    SecretField, StoredCredential, field_context,
};
pub use ports::{Credentials, CredentialsTx, UseCounts};
pub use rules::{
    AuthRule, BasicRule, BrokerRules, HeaderRule, KeptRules, MalformedPath, QueryRule, RequestPath,
    is_reserved,
};
pub use seal::{Provenance, seal_credential};
pub(crate) use template::template;
pub use template::{Probe, Template};
pub use use_credential::{
    Asked, Call, Caller, EndedUse, Lease, RefusedBy, UseCredential, UseError, UseId, Wanted,
};
pub use view::{CredentialView, FieldView};
pub use which::Which;
