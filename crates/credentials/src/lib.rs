//! Credentials of other services: kept sealed, shown masked, handed out only to who may have them.
//!
//! [`ManageCredentials`] keeps and lists them and never opens one; [`AccessCredential`] opens
//! them, and writes down that it did before it lets go of the secret.

mod access;
mod change;
mod detail;
mod fields;
mod manage;
mod mask;
mod model;
mod ports;
mod seal;
mod view;

pub use access::{AccessCredential, AccessError, OpenedField};
pub use change::{FieldProblem, Problem};
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
pub use ports::{Credentials, CredentialsTx};
pub use seal::{Provenance, seal_credential};
pub use view::{CredentialView, FieldView};
