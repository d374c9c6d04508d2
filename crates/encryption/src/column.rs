use keyward_auth::{TotpColumn, UserId};
use keyward_credentials::{CredentialId, FieldPath, field_context};
use keyward_crypto::{Context, EncryptedString, KeyId};

use crate::{audit_keys, check};

/// Every column that holds sealed values.
///
/// What is missing here is not counted and not re-encrypted, and lost when its key is retired. A
/// test compares this list with the constraints of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealedColumn {
    /// The secret fields of credentials.
    CredentialSecret,
    /// The secrets of second factors and of agents.
    TotpActive,
    /// Those that wait for their first code.
    TotpPending,
    /// The known texts of keys that are no encryption keys.
    SecretKeyCheck,
    /// What is left of retired secrets, for their part of the audit log.
    AuditKey,
}

impl SealedColumn {
    /// All of them, in the order in which they are re-encrypted.
    pub const ALL: [Self; 5] = [
        Self::CredentialSecret,
        Self::TotpActive,
        Self::TotpPending,
        Self::SecretKeyCheck,
        Self::AuditKey,
    ];

    /// The table.
    #[must_use]
    pub fn table(self) -> &'static str {
        match self {
            Self::CredentialSecret => "credential_secrets",
            Self::TotpActive | Self::TotpPending => "totp_secrets",
            Self::SecretKeyCheck | Self::AuditKey => "key_checks",
        }
    }

    /// The column in it.
    #[must_use]
    pub fn column(self) -> &'static str {
        match self {
            Self::CredentialSecret | Self::SecretKeyCheck => "sealed",
            Self::TotpActive => "active",
            Self::TotpPending => "pending",
            Self::AuditKey => "audit_key",
        }
    }
}

/// A sealed value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct SealedRow {
    /// The column.
    pub column: SealedColumn,
    /// The id of what it belongs to: a credential, a user or a key.
    pub row: String,
    /// The path of the secret field of a credential; else empty.
    pub field: String,
    /// Who made the credential; of others the row again, or empty.
    pub owner: String,
    /// The value.
    pub sealed: EncryptedString,
}

impl SealedRow {
    /// The place that the value was sealed for; `None` where an id is none.
    #[must_use]
    pub fn context(&self) -> Option<Context> {
        let user = || UserId::parse(&self.row).ok();
        match self.column {
            SealedColumn::CredentialSecret => {
                let id = CredentialId::parse(&self.row).ok()?;
                let owner = UserId::parse(&self.owner).ok()?;
                let path = FieldPath::from_stored(self.field.clone());
                Some(field_context(id, &path, owner))
            }
            SealedColumn::TotpActive => Some(TotpColumn::Active.context(user()?)),
            SealedColumn::TotpPending => Some(TotpColumn::Pending.context(user()?)),
            SealedColumn::SecretKeyCheck => Some(check::context(&KeyId::parse(&self.row)?)),
            SealedColumn::AuditKey => Some(audit_keys::context(&KeyId::parse(&self.row)?)),
        }
    }
}
