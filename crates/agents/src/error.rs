use keyward_auth::{Denied, IdempotencyConflict, Scopes};
use keyward_core::StoreError;

/// Why an agent was not made, found or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// There is no such agent, or it is none of the caller's business.
    #[error("no such agent")]
    NotFound,
    /// Somebody else has made a user with this name.
    #[error("the name is taken")]
    NameTaken,
    /// The agent would have scopes that its creator cannot give.
    #[error("an agent cannot do more than its creator; these scopes are too much: {0}")]
    Stronger(Scopes),
    /// The agent would live longer than its creator's key.
    #[error("an agent cannot live longer than the key that makes it")]
    OutlivesCreator,
    /// The agent would be dead on arrival.
    #[error("the expiry lies in the past")]
    ExpiryInPast,
    /// There are enough generations.
    #[error(
        "agents make agents that make agents at most {} deep",
        crate::MAX_DEPTH
    )]
    TooDeep,
    /// A frozen agent gets no key.
    #[error("the agent is frozen; unfreeze it first")]
    Frozen,
    /// It thaws together with one that stands above it.
    #[error("an agent above it is frozen; unfreeze that one")]
    FrozenAbove,
    /// Only a person who is there can answer for an agent.
    #[error("only an active person can own agents")]
    NoOwner,
    /// Somebody changed the agent at the same moment.
    #[error("the agent is being changed by somebody else")]
    Busy,
    /// The caller may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// See [`IdempotencyConflict`].
    #[error(transparent)]
    Idempotency(#[from] IdempotencyConflict),
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
