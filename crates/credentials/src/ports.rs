use keyward_audit::AuditEvents;
use keyward_auth::{ApiKeys, IdempotencyKeys, UserId};
use keyward_core::{StoreError, Timestamp};
use keyward_crypto::{Mac, Signed};

use crate::{
    Credential, CredentialId, CredentialName, FieldPath, Legacy, SecretField, StoredCredential,
};

/// Credentials with their secret fields, inside a unit of work.
pub trait Credentials {
    /// Keeps a new credential.
    fn add_credential(&mut self, new: &StoredCredential) -> Result<(), StoreError>;

    /// The credential with this id, in one statement.
    fn credential(&mut self, id: CredentialId) -> Result<Option<StoredCredential>, StoreError>;

    /// The credential that was imported from this row, in one statement.
    fn credential_by_legacy(
        &mut self,
        legacy: Legacy,
    ) -> Result<Option<StoredCredential>, StoreError>;

    /// Up to `limit` credentials of this name, in the order of their ids, in one statement; only
    /// those that `created_by` made, if given.
    fn credentials_named(
        &mut self,
        name: &CredentialName,
        created_by: Option<UserId>,
        limit: i64,
    ) -> Result<Vec<StoredCredential>, StoreError>;

    /// Up to `limit` credentials after `after` in the order of ids, in one statement; only those
    /// that `created_by` made, if given.
    fn credentials_after(
        &mut self,
        after: Option<CredentialId>,
        created_by: Option<UserId>,
        limit: i64,
    ) -> Result<Vec<StoredCredential>, StoreError>;

    /// Writes `new` over the credential of the same id, if the stored row still carries the MAC
    /// `old`, and says whether it did. Secret fields stay as they are.
    fn replace_credential(
        &mut self,
        old: &Mac,
        new: &Signed<Credential>,
    ) -> Result<bool, StoreError>;

    /// Keeps a secret field of a credential in place of the one with the same path.
    fn put_secret(&mut self, id: CredentialId, field: &SecretField) -> Result<(), StoreError>;

    /// Drops a secret field, if it is there.
    fn drop_secret(&mut self, id: CredentialId, path: &FieldPath) -> Result<(), StoreError>;

    /// Deletes a credential with its secret fields, and says whether it was there.
    fn delete_credential(&mut self, id: CredentialId) -> Result<bool, StoreError>;
}

/// Counts how often somebody uses a credential, inside a unit of work.
pub trait UseCounts {
    /// Counts one use of `credential` by `user` in the minute that begins at `minute`, and says
    /// whether it is one of the first `limit`. What is refused is not counted.
    ///
    /// One conditional statement, so that of two racing uses only one can be the last. A minute
    /// before the one that is counted is counted as that one, so that nodes whose clocks differ
    /// share one count; more than two minutes before it, the clock was wrong, and counting begins
    /// anew.
    fn count_use(
        &mut self,
        credential: CredentialId,
        user: UserId,
        minute: Timestamp,
        limit: u32,
    ) -> Result<bool, StoreError>;
}

/// All repositories that this crate's services use together.
///
/// Never implement it: it follows from the others.
pub trait CredentialsTx: Credentials + UseCounts + ApiKeys + IdempotencyKeys + AuditEvents {}

impl<Tx: Credentials + UseCounts + ApiKeys + IdempotencyKeys + AuditEvents> CredentialsTx for Tx {}
