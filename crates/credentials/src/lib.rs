//! Credentials of other services: kept sealed, shown masked, handed out only to who may have them.
//!
//! [`ManageCredentials`] keeps and lists them and never opens one; [`AccessCredential`] opens
//! them, and writes down that it did before it lets go of the secret.

mod fields;
mod model;
mod ports;

pub use fields::{CredentialType, FieldPath};
pub use model::{
    Credential, CredentialId, CredentialName, MalformedCredentialName, OpenFields, SecretField,
    StoredCredential, field_context,
};
pub use ports::Credentials;
