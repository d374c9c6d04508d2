//! How a credential may be used through the broker: what is stored beside its fields.

mod check;
mod path;
mod reserved;

use serde::{Deserialize, Serialize};

use crate::FieldPath;

pub(crate) use check::problems;
pub use path::{MalformedPath, RequestPath};
pub use reserved::is_reserved;

/// How requests may use a credential, and how its secret gets into them.
///
/// Nothing in it is a secret. What is not set is not limited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrokerRules {
    /// Where requests go: the secret belongs to this host. For types that have no `base_url` of
    /// their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// Where the secret goes in a request. Needed where the type and provider do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<AuthRule>,
    /// The methods that may be used, in upper case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub methods: Option<Vec<String>>,
    /// The paths on the host that may be used, with all that is below them: `/v1/chat` allows
    /// `/v1/chat/completions` and not `/v1/chats`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paths: Option<Vec<String>>,
    /// The largest request body, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_body_bytes: Option<u64>,
    /// How many requests one caller can make in one minute of the clock, on all nodes together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
}

/// Where the secret goes in a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthRule {
    /// A header field.
    Header(HeaderRule),
    /// A parameter of the query.
    Query(QueryRule),
    /// User name and password (RFC 7617).
    Basic(BasicRule),
}

/// The secret as the value of a header field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderRule {
    /// The name of the header field.
    pub name: String,
    /// Which secret of the credential.
    pub field: String,
    /// What stands before the secret, such as `Bearer `.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
}

/// The secret as a parameter of the query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueryRule {
    /// The name of the parameter.
    pub name: String,
    /// Which secret of the credential.
    pub field: String,
}

/// The secret as a password. One of `username` and `username_field` has to be there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BasicRule {
    /// The user name, where it is no secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Which secret is the user name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username_field: Option<String>,
    /// Which secret is the password.
    pub password_field: String,
}

impl AuthRule {
    /// The secrets that the rule names, with the member of the rule that names them.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let (first, second) = match self {
            Self::Header(rule) => (("auth.header.field", rule.field.as_str()), None),
            Self::Query(rule) => (("auth.query.field", rule.field.as_str()), None),
            Self::Basic(rule) => (
                ("auth.basic.password_field", rule.password_field.as_str()),
                rule.username_field
                    .as_deref()
                    .map(|field| ("auth.basic.username_field", field)),
            ),
        };
        std::iter::once(first).chain(second)
    }
}

/// [`BrokerRules`] as they are kept with a credential. The stored text is covered by the MAC of the
/// row, so it is kept as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptRules {
    rules: BrokerRules,
    stored: String,
}

impl KeptRules {
    pub(crate) fn new(rules: BrokerRules) -> Self {
        // Cannot fail: the members are texts and numbers.
        let stored = serde_json::to_string(&rules).unwrap_or_default();
        Self { rules, stored }
    }

    /// Reads the stored form back: JSON.
    pub fn from_stored(json: impl Into<String>) -> Result<Self, serde_json::Error> {
        let stored = json.into();
        Ok(Self {
            rules: serde_json::from_str(&stored)?,
            stored,
        })
    }

    /// The stored form.
    #[must_use]
    pub fn as_stored(&self) -> &str {
        &self.stored
    }

    /// What they say.
    #[must_use]
    pub fn rules(&self) -> &BrokerRules {
        &self.rules
    }
}

/// Names the secret that a rule speaks of. Rules are checked when they are kept.
pub(crate) fn secret_path(field: &str) -> FieldPath {
    FieldPath::from_stored(field.to_owned())
}
