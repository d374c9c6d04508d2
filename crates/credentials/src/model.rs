use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use keyward_auth::UserId;
use keyward_core::{Id, LegacyId, Timestamp};
use keyward_crypto::{Context, EncryptedString, MacPurpose, Signable, Signed};

use crate::{CredentialType, FieldPath, KeptRules};

/// Names one credential.
pub type CredentialId = Id<Credential>;

/// What Keyward keeps for another service, apart from its secret fields.
#[derive(Clone, Debug, PartialEq)]
pub struct Credential {
    /// Names the credential.
    pub id: CredentialId,
    /// What people call it. Not unique.
    pub name: CredentialName,
    /// Which fields it has.
    pub credential_type: CredentialType,
    /// Who made it.
    pub created_by: UserId,
    /// The fields that are no secrets.
    pub open_fields: OpenFields,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Which row of another system it was imported from.
    pub legacy: Option<Legacy>,
    /// How it may be used through the broker, where more is said than its type says.
    pub broker: Option<KeptRules>,
    /// Counts the changes. Two changes of one credential cannot both succeed from one version.
    pub version: i64,
}

/// The row of another system that a credential was imported from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Legacy {
    /// A credential.
    Credential(LegacyId),
    /// The environment of a workspace.
    Workspace(LegacyId),
}

impl Legacy {
    /// The number, if it is that of a credential.
    #[must_use]
    pub fn credential(self) -> Option<LegacyId> {
        match self {
            Self::Credential(id) => Some(id),
            Self::Workspace(_) => None,
        }
    }

    /// The number, if it is that of a workspace.
    #[must_use]
    pub fn workspace(self) -> Option<LegacyId> {
        match self {
            Self::Credential(_) => None,
            Self::Workspace(id) => Some(id),
        }
    }

    fn signed_part(self) -> String {
        match self {
            Self::Credential(id) => id.signed_part(),
            Self::Workspace(id) => format!("legacy_workspace_id={id}"),
        }
    }
}

/// What people call a credential: 1 to 255 characters without control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialName(String);

impl CredentialName {
    /// Reads what somebody typed; surrounding white space is dropped.
    pub fn parse(text: &str) -> Result<Self, MalformedCredentialName> {
        let text = text.trim();
        let fits = (1..=255).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        fits.then(|| Self(text.to_owned()))
            .ok_or(MalformedCredentialName)
    }

    /// Takes over a name that a store has read back.
    #[must_use]
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CredentialName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text cannot be the name of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 1 to 255 characters and no control characters")]
pub struct MalformedCredentialName;

/// The fields of a credential that are no secrets, by name. Which ones there can be is said by the
/// [`CredentialType`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenFields {
    fields: BTreeMap<String, String>,
    /// Kept, because lists verify the MAC over it for every row.
    stored: String,
}

impl Default for OpenFields {
    fn default() -> Self {
        Self {
            fields: BTreeMap::new(),
            stored: "{}".to_owned(),
        }
    }
}

impl OpenFields {
    /// Reads the stored form back: a JSON object of strings.
    pub fn from_stored(json: impl Into<String>) -> Result<Self, serde_json::Error> {
        let stored = json.into();
        Ok(Self {
            fields: serde_json::from_str(&stored)?,
            stored,
        })
    }

    /// The stored form: a JSON object of strings in the order of their names.
    #[must_use]
    pub fn as_stored(&self) -> &str {
        &self.stored
    }

    /// The value of a field.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    /// The names of the fields that have another value in `other`.
    pub(crate) fn differing<'a>(&'a self, other: &'a Self) -> BTreeSet<&'a str> {
        let names = self.fields.keys().chain(other.fields.keys());
        names
            .map(String::as_str)
            .filter(|name| self.get(name) != other.get(name))
            .collect()
    }

    pub(crate) fn set(&mut self, name: &str, value: Option<String>) {
        match value {
            Some(value) => self.fields.insert(name.to_owned(), value),
            None => self.fields.remove(name),
        };
        self.stored = serde_json::Value::from_iter(self.fields.clone()).to_string();
    }
}

/// Where a secret is used is decided by the open fields, so they are covered: a base URL that
/// somebody changed in the database must not be sent the key. The name is not.
impl Signable for Credential {
    const PURPOSE: MacPurpose = MacPurpose::CredentialRow;

    fn with_parts<R>(&self, work: impl FnOnce(&[&[u8]]) -> R) -> R {
        let version = self.version.to_be_bytes();
        let parts: [&[u8]; 5] = [
            self.id.as_bytes(),
            self.credential_type.as_str().as_bytes(),
            self.created_by.as_bytes(),
            self.open_fields.as_stored().as_bytes(),
            &version,
        ];
        // These came later, and are parts only where they are set, so that older MACs stay what they
        // were.
        let legacy = self.legacy.map(Legacy::signed_part);
        let rules = self.broker.as_ref();
        let rules = rules.map(|rules| format!("broker={}", rules.as_stored()));
        if legacy.is_none() && rules.is_none() {
            return work(&parts);
        }
        let later = legacy.iter().chain(&rules).map(String::as_bytes);
        let all: Vec<_> = parts.into_iter().chain(later).collect();
        work(&all)
    }
}

/// One secret of a credential, sealed.
#[derive(Clone, Debug, PartialEq)]
pub struct SecretField {
    /// Which one.
    pub path: FieldPath,
    /// The ciphertext, bound to the credential, the field and whoever made the credential.
    pub sealed: EncryptedString,
    /// The last four characters, where that is no more than a quarter of the value.
    pub last4: Option<String>,
}

/// What the ciphertext of a field is bound to: moved elsewhere, it does not open.
#[must_use]
pub fn field_context(id: CredentialId, path: &FieldPath, created_by: UserId) -> Context {
    let column = format!("detail.{path}");
    Context::new(
        "credentials",
        &column,
        &id.to_string(),
        &created_by.to_string(),
    )
}

/// A credential with its secret fields, as a store keeps them.
#[derive(Clone, Debug)]
pub struct StoredCredential {
    /// The row.
    pub credential: Signed<Credential>,
    /// Its secret fields in the order of their paths.
    pub secrets: Vec<SecretField>,
}

#[cfg(test)]
mod tests {
    use keyward_crypto::MacRing;

    use super::*;

    #[test]
    fn the_mac_of_a_credential_row_is_the_documented_one() {
        // Computed in Python from the definition in docs/formats.md.
        let rules = r#"{"methods":["POST"],"requests_per_minute":60}"#;
        let expected = [
            (
                None,
                None,
                "b75c0c4eefa6817b.9557e8cacb3baecc78702592d58b44e9b624b0757b13187b89cdd2ad3d83430c",
            ),
            (
                Some(Legacy::Credential(LegacyId(7))),
                None,
                "b75c0c4eefa6817b.2647e5433225705897e9896eb950100f1b79ed7d2f65d493f2f6a3ed34ffff08",
            ),
            (
                Some(Legacy::Workspace(LegacyId(7))),
                None,
                "b75c0c4eefa6817b.3b8f762b6ebccec987e128dbf8efa167df5ad2a8cae74168bc4c8525c5e58804",
            ),
            (
                None,
                Some(rules),
                "b75c0c4eefa6817b.ad512bec86895b62fb660c382ae0b5ec34ca3bf0b6cf3a42de77b093f06044c4",
            ),
            (
                Some(Legacy::Credential(LegacyId(7))),
                Some(rules),
                "b75c0c4eefa6817b.babfa52e2424ce27c78588e6f66eafb755211ceb1eb44074388f5f2cc75288c4",
            ),
        ];
        let macs = MacRing::parse("Yk3v9QpZ7tLwXr2NfBhGmCs5DjUa8eKo4iTyVx6RlWz").unwrap();
        let id: CredentialId = Id::parse("01890a5d-7e8f-7c3d-a1b2-c3d4e5f60718").unwrap();
        let mut open_fields = OpenFields::default();
        open_fields.set("provider", Some("openai".to_owned()));
        open_fields.set("base_url", Some("https://api.example.com/v1".to_owned()));
        let credential = Credential {
            id,
            name: CredentialName::parse("OpenAI").unwrap(),
            credential_type: CredentialType::Llm,
            created_by: id.cast(),
            open_fields,
            created_at: Timestamp(1),
            updated_at: Timestamp(2),
            legacy: None,
            broker: None,
            version: 1,
        };
        for (legacy, rules, expected) in expected {
            let credential = Credential {
                legacy,
                broker: rules.map(|rules| KeptRules::from_stored(rules).unwrap()),
                ..credential.clone()
            };
            let mac = Signed::sign(credential, &macs).mac().as_stored();
            assert_eq!(mac, expected, "{legacy:?} {rules:?}");
        }
    }

    #[test]
    fn rows_are_signed_as_the_vectors_say() {
        let vectors = include_str!("../../../docs/vectors/row-macs.json");
        let vectors: serde_json::Value = serde_json::from_str(vectors).unwrap();
        let macs = MacRing::danger_parse_any(vectors["secret_key"].as_str().unwrap()).unwrap();
        for (list, at_least) in [("valid", 5), ("invalid", 3)] {
            let cases = vectors[list].as_array().unwrap().iter();
            let cases: Vec<_> = cases
                .filter(|case| case["row"] == "credential-row")
                .collect();
            assert!(cases.len() >= at_least);
            for case in cases {
                let columns = &case["columns"];
                let text = |name: &str| columns[name].as_str();
                let number = |name: &str| columns[name].as_i64().map(LegacyId);
                let credential = Credential {
                    id: Id::parse(text("id").unwrap()).unwrap(),
                    name: CredentialName::from_stored("not covered".to_owned()),
                    credential_type: CredentialType::parse(text("type").unwrap()).unwrap(),
                    created_by: Id::parse(text("creator").unwrap()).unwrap(),
                    open_fields: OpenFields::from_stored(text("open_fields").unwrap()).unwrap(),
                    created_at: Timestamp(1),
                    updated_at: Timestamp(2),
                    legacy: (number("legacy_id").map(Legacy::Credential))
                        .or(number("legacy_workspace_id").map(Legacy::Workspace)),
                    broker: text("broker").map(|rules| KeptRules::from_stored(rules).unwrap()),
                    version: columns["version"].as_i64().unwrap(),
                };
                let mac = keyward_crypto::Mac::from_stored(case["mac"].as_str().unwrap());
                let signed = Signed::from_stored(credential, mac.unwrap());
                assert_eq!(signed.is_genuine(&macs), list == "valid", "{case}");
            }
        }
    }
}
