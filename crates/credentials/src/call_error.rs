use crate::UseError;

/// Why a request with a credential got no answer from the service that it was for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// No secret was handed out for it.
    #[error(transparent)]
    Use(#[from] UseError),
    /// Too many requests wait already. Nothing was sent.
    #[error("too many requests wait already")]
    Overloaded,
    /// The caller has as many requests under way as one may have. Nothing was sent.
    #[error("you have {max} requests under way, which is as many as one user may have")]
    TooManyUnderWay {
        /// What is allowed.
        max: usize,
    },
    /// The request has come through this broker before. Nothing was sent.
    #[error("the base URL of this credential leads back to Keyward itself")]
    Loop,
    /// Something in the request cannot be passed on; says what.
    #[error("{0}")]
    Malformed(&'static str),
    /// A secret cannot stand where its rule puts it, such as a line break in a header field.
    #[error("a secret of this credential cannot stand where its rule puts it")]
    UnusableSecret,
    /// The address of the service is one that requests must not go to. Nothing was sent.
    #[error("{0}")]
    ForbiddenAddress(&'static str),
    /// The body is larger than a rule of the credential allows.
    #[error("the rule `max_body_bytes` of this credential allows bodies of up to {max} bytes")]
    TooLarge {
        /// What is allowed.
        max: u64,
    },
    /// The client did not send its body, or not in time.
    #[error("the body of the request did not arrive")]
    BodyLost,
    /// Nothing answers there, or not with a certificate that can be trusted.
    #[error("the service cannot be reached")]
    Unreachable,
    /// The service did not answer in time.
    #[error("the service did not answer in time")]
    TimedOut,
    /// What the service sent is not an answer that can be passed on.
    #[error("the answer of the service cannot be passed on")]
    BadAnswer,
    /// This program cannot make requests at all; the log says why.
    #[error("requests to other services cannot be made")]
    NotReady,
}
