//! People and API keys: who is asking, and what they may do.
//!
//! [`Authenticate`] turns an API key into a [`Principal`]; [`Principal::permit`] turns that into a
//! [`Permit`] for one [`Scope`], which is what every service of Keyward asks for. A call without
//! the right permit does not compile.

mod accounts;
mod api_keys;
mod authenticate;
mod idempotency;
mod last_used;
mod model;
mod permit;
mod ports;
mod scope;
mod setup;
mod username;

pub use accounts::{ManageUsers, NewUser, UserChange, UserError, UserView};
pub use api_keys::{KeyError, KeyView, ManageKeys, NewKey};
pub use authenticate::{Authenticate, AuthenticateError};
pub use idempotency::{
    Answer, Idempotency, IdempotencyConflict, IdempotencyKey, IdempotencyKeys,
    MalformedIdempotencyKey, Outcome, StoredAnswer,
};
pub use last_used::LastUsed;
pub use model::{
    ApiKeyRecord, KeyName, KeyWithOwner, ListedKey, MalformedName, PersonName, Role, User, UserId,
    UserKind, UserStatus,
};
pub use permit::{Any, MissingScope, Permit, Principal, PrincipalKey, RequiredScope, needs};
pub use ports::{ApiKeys, AuthTx, KeyCursor, UserReplaced, Users};
pub use scope::{Scope, Scopes, UnknownScope};
pub use setup::{FirstAdmin, Setup, SetupError};
pub use username::{MalformedUsername, Username};
