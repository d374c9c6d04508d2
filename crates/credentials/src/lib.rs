//! Credentials of other services: kept sealed, shown masked, handed out only to who may have them.
//!
//! [`ManageCredentials`] keeps and lists them and never opens one; [`AccessCredential`] opens
//! them, and writes down that it did before it lets go of the secret. [`UseCredential`] opens them
//! for requests to the service that they belong to, by the rules that are kept with them.
//!
//! ```
//! use keyward_auth::{Authenticate, Username};
//! use keyward_credentials::{
//!     AccessCredential, CredentialName, CredentialScope, CredentialType, Detail, FieldView,
//!     ManageCredentials, NewCredential,
//! };
//! # use std::sync::Arc;
//! # use keyward_auth::{Environment, Setup};
//! # use keyward_crypto::{FieldKey, KeyRing, MacRing, Password};
//! # let store = Arc::new(keyward_store_testing::MemoryStore::new());
//! # let fields = KeyRing::new(vec![FieldKey::generate()])?;
//! # let macs = MacRing::parse(MacRing::generate_secret().expose())?;
//! # let environment = Environment::new(store, fields, macs);
//! # let password = Password::new_secret("correct horse battery".to_owned().into())?;
//! # let admin = Setup::new(environment.clone()).first_admin(&Username::parse("ada")?, &password)?;
//! # let Environment { store, macs, clock, .. } = environment.clone();
//! # let authenticate = Authenticate::new(store, macs, clock, Arc::default());
//!
//! // `environment`, `authenticate` and `admin` are as on the page of `keyward-auth`.
//! let credentials = ManageCredentials::new(&environment, CredentialScope::Global);
//! let mut detail = Detail::default();
//! detail.set("provider", "openai".to_owned().into());
//! detail.set("api_key", "sk-proj-0123456789abcdefwxyz".to_owned().into());
//! let new = NewCredential {
//!     name: CredentialName::parse("the team's key")?,
//!     credential_type: CredentialType::Llm,
//!     detail,
//!     broker: None,
//! };
//! let ada = authenticate.principal(&admin.key)?;
//! let made = credentials.create(&ada.clone().permit()?, new, None)?;
//!
//! // Everybody sees a mask.
//! let FieldView::Secret(mask) = &made.detail["api_key"] else { panic!("it is a secret") };
//! assert!(mask.set);
//! assert_eq!(mask.last4.as_deref(), Some("wxyz"));
//!
//! // Who may have the secret gets it, and the audit log says so.
//! let access = AccessCredential::new(&environment, CredentialScope::Global);
//! let opened = access.open(&ada.permit()?, made.id, Some("api_key"))?;
//! assert_eq!(opened[0].value.expose(), "sk-proj-0123456789abcdefwxyz");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

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

/// Runs the example of README.md.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
