use std::path::PathBuf;

use keyward_crypto::{FieldKey, MacRing, SecretText};

use crate::settings::{Name, SecretSource, Settings};

/// The two kinds of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyKind {
    Field,
    Secret,
}

impl KeyKind {
    pub(crate) fn name(self) -> Name {
        match self {
            Self::Field => Name::FieldEncryptionKey,
            Self::Secret => Name::SecretKey,
        }
    }

    pub(crate) fn source(self, settings: &Settings) -> Option<&SecretSource> {
        match self {
            Self::Field => settings.field_encryption_key.as_ref(),
            Self::Secret => settings.secret_key.as_ref(),
        }
    }

    /// Where development keeps a generated key.
    pub(crate) fn path(self, settings: &Settings) -> PathBuf {
        settings.data_dir.join(self.file_name())
    }

    /// What its file is called there.
    pub(super) fn file_name(self) -> &'static str {
        match self {
            Self::Field => "field-encryption.key",
            Self::Secret => "secret.key",
        }
    }

    /// What it is for, as a predicate.
    pub(super) fn purpose(self) -> &'static str {
        match self {
            Self::Field => "encrypts stored credentials",
            Self::Secret => "authenticates API keys and the audit log",
        }
    }

    /// A new key, in the form in which it is set.
    pub(super) fn new_key(self) -> SecretText {
        match self {
            Self::Field => FieldKey::generate().expose(),
            Self::Secret => MacRing::generate_secret(),
        }
    }
}
