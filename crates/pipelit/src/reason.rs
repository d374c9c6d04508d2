use keyward_auth::MalformedUsername;
use keyward_credentials::{FieldProblem, Problem};

/// Why a row is not imported, and what to do about it. Never repeats a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The name has no canonical form.
    #[error("the name cannot be one of Keyward: {0}; rename the user in Pipelit")]
    Username(MalformedUsername),
    /// Somebody has the name, perhaps in another spelling.
    #[error(
        "another user has this name, in which upper and lower case are the same; rename one of \
         both"
    )]
    NameTaken,
    /// Another row has the number.
    #[error("a row of another Pipelit was imported under this number before")]
    AnotherSource,
    /// No given key made the token.
    #[error("no given key opens `{0}`; put the key that it was encrypted with into the key file")]
    Undecryptable(&'static str),
    /// It begins as a token.
    #[error("`{0}` begins as an encrypted value and is broken; set it anew in Pipelit")]
    BrokenToken(&'static str),
    /// What was encrypted is no UTF-8.
    #[error("what is encrypted in `{0}` is no text")]
    NotText(&'static str),
    /// A mask was saved over the secret.
    #[error("a mask stands in `{0}` where the secret was, which is lost; set it anew in Pipelit")]
    Mask(String),
    /// MFA is on and there is no secret.
    #[error(
        "a second factor is asked for and its secret is missing; turn it off or enrol anew in \
         Pipelit"
    )]
    NoSecondFactor,
    /// The secret of the app is none.
    #[error("the secret of the authenticator app is no base32; enrol anew in Pipelit")]
    BrokenSecondFactor,
    /// Whoever it belongs to is not here.
    #[error("it belongs to row {0} of user_profiles, which was not imported")]
    Owner(i64),
    /// It belongs to nobody.
    #[error("it belongs to no user")]
    NoOwner,
    /// Nobody can answer for an agent or a workspace.
    #[error("there is no administrator to answer for it; make one with `keyward init` first")]
    NoAdministrator,
    /// Too many generations of agents.
    #[error(
        "agents make agents that make agents at most {} deep",
        keyward_agents::MAX_DEPTH
    )]
    TooDeep,
    /// The key has a form that Pipelit never gave it.
    #[error("the key is neither a UUID in lower case nor 43 characters of URL-safe base64")]
    KeyForm,
    /// The key belongs to somebody else.
    #[error("Keyward has this key already")]
    KeyTaken,
    /// A time that decides something cannot be read.
    #[error("`{0}` is no time")]
    Time(&'static str),
    /// There is no row with its fields.
    #[error("it has no row in llm_, git_, gateway_, tool_ or telegram_credentials")]
    NoDetail,
    /// Not the JSON that is expected.
    #[error("`{0}` is not the JSON that Pipelit writes there")]
    Json(&'static str),
    /// A field is not as Keyward needs it.
    #[error("`{field}`: {problem}")]
    Field {
        /// The field.
        field: String,
        /// What is wrong with it.
        problem: Problem,
    },
}

impl Reason {
    /// A name that does not change, for scripts.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Username(_) => "username",
            Self::NameTaken => "name-taken",
            Self::AnotherSource => "another-source",
            Self::Undecryptable(_) => "undecryptable",
            Self::BrokenToken(_) => "broken-token",
            Self::NotText(_) => "not-text",
            Self::Mask(_) => "mask",
            Self::NoSecondFactor => "no-second-factor",
            Self::BrokenSecondFactor => "broken-second-factor",
            Self::Owner(_) => "owner-not-imported",
            Self::NoOwner => "no-owner",
            Self::NoAdministrator => "no-administrator",
            Self::TooDeep => "too-deep",
            Self::KeyForm => "key-form",
            Self::KeyTaken => "key-taken",
            Self::Time(_) => "time",
            Self::NoDetail => "no-detail",
            Self::Json(_) => "json",
            Self::Field { .. } => "field",
        }
    }
}

impl From<MalformedUsername> for Reason {
    fn from(malformed: MalformedUsername) -> Self {
        Self::Username(malformed)
    }
}

/// The first problem: one is enough to refuse a row.
impl From<Vec<FieldProblem>> for Reason {
    fn from(problems: Vec<FieldProblem>) -> Self {
        let Some(FieldProblem { field, problem }) = problems.into_iter().next() else {
            return Self::NoDetail;
        };
        let field = field.trim_start_matches("detail.").to_owned();
        match problem {
            Problem::LooksMasked => Self::Mask(field),
            problem => Self::Field { field, problem },
        }
    }
}
