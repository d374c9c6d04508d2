use keyward_audit::{AuditEvents, ReadAudit};
use keyward_auth::{AuthTx, Authenticate, ManageKeys, ManageUsers};
use keyward_core::Store;
use keyward_credentials::{AccessCredential, CredentialsTx, ManageCredentials};
use keyward_crypto::MacRing;

/// The services behind the routes.
pub struct Services<S> {
    /// Asked whether it answers, for `/health/ready`.
    pub store: S,
    /// Signs fingerprints of requests that can be repeated.
    pub macs: MacRing,
    /// Turns keys into principals.
    pub authenticate: Authenticate<S>,
    /// Behind `/users`.
    pub users: ManageUsers<S>,
    /// Behind `/users/…/keys`.
    pub keys: ManageKeys<S>,
    /// Behind `/credentials`.
    pub credentials: ManageCredentials<S>,
    /// Behind `/credentials/…/access`.
    pub access: AccessCredential<S>,
    /// Behind `/audit`.
    pub audit: ReadAudit<S>,
}

/// What the routes need of a store.
pub(crate) trait ApiStore: Store<Tx: AuthTx + CredentialsTx + AuditEvents> {}

impl<S: Store<Tx: AuthTx + CredentialsTx + AuditEvents>> ApiStore for S {}
