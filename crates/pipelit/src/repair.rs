/// What was put right when a row was imported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Repair {
    /// A value that should have been encrypted was not.
    #[error("`{0}` was not encrypted although it should have been; it is sealed now")]
    Plaintext(&'static str),
    /// A value was encrypted more than once.
    #[error("`{0}` was encrypted more than once; it is opened and sealed once")]
    DoublyEncrypted(&'static str),
    /// Pipelit keeps it in the clear.
    #[error("`{0}` is kept in the clear by Pipelit; it is sealed now")]
    Sealed(&'static str),
    /// A name that decides nothing did not fit.
    #[error("`{0}` was cut or had characters that no name has; it is tidied")]
    Tidied(&'static str),
    /// White space around a secret, which could not be sent so.
    #[error("white space around `{0}` is dropped")]
    Trimmed(&'static str),
    /// Agents are no administrators.
    #[error("an agent had the role of an administrator; it is a normal one now")]
    AgentDemoted,
    /// Agents do not log in.
    #[error("an agent had a password; agents have none")]
    AgentPassword,
    /// The role is none.
    #[error("the role is unknown; it is a normal one now")]
    Role,
    /// The hash of a password fits no password.
    #[error(
        "the password is no hash of bcrypt; the user has no password now (`keyward user \
         set-password` sets one)"
    )]
    Password,
    /// The last used step lies ahead.
    #[error("the last used code lies in the future; codes up to now count as used")]
    StepAhead,
    /// A time that decides nothing cannot be read.
    #[error("`{0}` is no time; the time of the import stands there now")]
    Time(&'static str),
}

impl Repair {
    /// A name that does not change, for scripts.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Plaintext(_) => "plaintext",
            Self::DoublyEncrypted(_) => "doubly-encrypted",
            Self::Sealed(_) => "sealed",
            Self::Tidied(_) => "tidied",
            Self::Trimmed(_) => "trimmed",
            Self::AgentDemoted => "agent-demoted",
            Self::AgentPassword => "agent-password",
            Self::Role => "role",
            Self::Password => "password",
            Self::StepAhead => "step-ahead",
            Self::Time(_) => "time",
        }
    }
}
