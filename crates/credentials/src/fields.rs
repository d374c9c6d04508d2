use std::fmt;

/// Which service a credential is for, and with that which fields it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CredentialType {
    /// A provider of language models.
    Llm,
    /// A git host.
    Git,
    /// A messaging gateway.
    Gateway,
    /// A tool of an agent.
    Tool,
    /// Any named secrets.
    Generic,
}

impl CredentialType {
    /// Every type.
    pub const ALL: [Self; 5] = [
        Self::Llm,
        Self::Git,
        Self::Gateway,
        Self::Tool,
        Self::Generic,
    ];

    /// The name that clients use. Names are part of the stored format: never change one.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Llm => "llm",
            Self::Git => "git",
            Self::Gateway => "gateway",
            Self::Tool => "tool",
            Self::Generic => "generic",
        }
    }

    /// Reads the name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == name)
    }

    /// The fields of the type. A generic credential has none of its own: every name is a secret.
    pub(crate) const fn fields(self) -> &'static [Field] {
        match self {
            Self::Llm => LLM,
            Self::Git => GIT,
            Self::Gateway => GATEWAY,
            Self::Tool => TOOL,
            Self::Generic => &[],
        }
    }

    /// What is known of the top-level field `name`, `None` when the type has no such field.
    pub(crate) fn field(self, name: &str) -> Option<Field> {
        match self {
            Self::Generic => is_member_name(name).then_some(Field {
                name: "",
                kind: FieldKind::Secret(Shape::Text),
                required: false,
            }),
            _ => self
                .fields()
                .iter()
                .find(|field| field.name == name)
                .copied(),
        }
    }
}

impl fmt::Display for CredentialType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One field of a type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: FieldKind,
    pub(crate) required: bool,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldKind {
    /// A text that is no secret.
    Open(Open),
    /// One secret.
    Secret(Shape),
    /// Secrets by name.
    SecretMap(Shape),
}

/// What is checked of a text that is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Open {
    /// A short text.
    Text,
    /// An `http` or `https` URL.
    Url,
    /// One of these words.
    OneOf(&'static [&'static str]),
}

/// What is checked of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// It may go into an HTTP header: one line of printable ASCII.
    Header,
    /// Any text.
    Text,
    /// A key file, whose last characters are the same in every such file.
    KeyFile,
}

/// Names one secret of a credential: `api_key`, or `custom_headers.X-Team` for a member of a map.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldPath(String);

impl FieldPath {
    /// Takes over a path that a store has read back.
    #[must_use]
    pub fn from_stored(path: String) -> Self {
        Self(path)
    }

    pub(crate) fn field(name: &str) -> Self {
        Self(name.to_owned())
    }

    pub(crate) fn member(map: &str, name: &str) -> Self {
        Self(format!("{map}.{name}"))
    }

    /// The member of `map` that the path names.
    pub(crate) fn member_of(&self, map: &str) -> Option<&str> {
        self.0.strip_prefix(map)?.strip_prefix('.')
    }

    /// The field, and the member of it that the path names.
    pub(crate) fn split(&self) -> (&str, Option<&str>) {
        match self.0.split_once('.') {
            Some((field, member)) => (field, Some(member)),
            None => (&self.0, None),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether `name` can name a member of a map or a field of a generic credential. These are the
/// characters of HTTP header names (RFC 9110 §5.6.2).
pub(crate) fn is_member_name(name: &str) -> bool {
    (1..=128).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

const fn open(name: &'static str, kind: Open, required: bool) -> Field {
    Field {
        name,
        kind: FieldKind::Open(kind),
        required,
    }
}

const fn secret(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        kind: FieldKind::Secret(shape),
        required: false,
    }
}

const fn secret_map(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        kind: FieldKind::SecretMap(shape),
        required: false,
    }
}

const LLM: &[Field] = &[
    open("provider", Open::Text, true),
    secret("api_key", Shape::Header),
    open("base_url", Open::Url, false),
    open("organization_id", Open::Text, false),
    secret_map("custom_headers", Shape::Header),
];

const GIT: &[Field] = &[
    open("provider", Open::Text, true),
    open("auth", Open::OneOf(&["token", "ssh_key"]), true),
    open("username", Open::Text, false),
    secret("access_token", Shape::Header),
    secret("ssh_private_key", Shape::KeyFile),
    secret("webhook_secret", Shape::Text),
];

const GATEWAY: &[Field] = &[
    open("adapter", Open::Text, true),
    secret("token", Shape::Header),
    secret_map("config", Shape::Text),
];

const TOOL: &[Field] = &[
    open("tool_type", Open::Text, true),
    secret_map("config", Shape::Text),
];
