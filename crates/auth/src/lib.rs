//! People and API keys: who is asking, and what they may do.
//!
//! [`Authenticate`] turns an API key into a [`Principal`]; [`Principal::permit`] turns that into a
//! [`Permit`] for one [`Scope`], which is what every service of Keyward asks for. A call without
//! the right permit does not compile.
//!
//! ```
//! use std::sync::Arc;
//!
//! use keyward_auth::{Authenticate, Environment, LastUsed, Setup, Username, needs};
//! use keyward_crypto::{ApiKey, FieldKey, KeyRing, MacRing, Password};
//! use keyward_store_testing::MemoryStore;
//!
//! // A program has a store that lasts, such as `keyward-store-diesel`, and keys from its settings.
//! let fields = KeyRing::new(vec![FieldKey::generate()])?;
//! let macs = MacRing::parse(MacRing::generate_secret().expose())?;
//! let environment = Environment::new(Arc::new(MemoryStore::new()), fields, macs);
//!
//! let password = Password::new_secret("correct horse battery".to_owned().into())?;
//! let admin = Setup::new(environment.clone()).first_admin(&Username::parse("ada")?, &password)?;
//! let header = format!("Bearer {}", admin.key.expose());
//!
//! // Where a request arrives:
//! let authenticate = Authenticate::new(
//!     environment.store,
//!     environment.macs,
//!     environment.clock,
//!     Arc::new(LastUsed::default()),
//! );
//! let presented = header.strip_prefix("Bearer ").unwrap_or_default();
//! let principal = authenticate.principal(&ApiKey::parse(presented)?)?;
//! let permit = principal.permit::<needs::UsersWrite>()?;
//! assert_eq!(permit.username.as_str(), "ada");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod accounts;
mod administrator;
mod advice;
mod api_keys;
mod attempt_policy;
mod attempts;
mod authenticate;
mod chosen_password;
mod codes;
mod environment;
mod factors;
#[cfg(test)]
mod formats;
mod guard;
mod hashing;
mod host_keys;
mod housekeeping;
mod idempotency;
mod kept_time;
mod last_used;
mod limit_subject;
mod login;
mod measure;
mod mfa;
mod model;
mod password_check;
mod permit;
mod ports;
mod proofs;
mod reservation;
mod scope;
mod sessions;
mod setup;
mod username;

use keyward_audit::Action;

pub use accounts::{ManageUsers, NewUser, OwnChange, UserChange, UserError, UserView};
pub use administrator::{Host, UserAdministrator};
pub use advice::{Advice, AdviceName, NoAdvice};
pub use api_keys::{KeyError, KeyView, ManageKeys, NewKey};
pub use attempt_policy::{AttemptPolicy, MANY_WRONG};
pub use attempts::{
    AttemptLimits, AttemptState, MONTH_SECONDS, Reserved, WINDOW_SECONDS, attempt_time,
    lock_seconds,
};
pub use authenticate::{Authenticate, AuthenticateError};
pub use codes::{CodeError, SecondFactor};
pub use environment::Environment;
pub use factors::{
    LoginTickets, PendingTotp, SecondFactors, TicketRecord, TotpColumn, TotpSecrets,
};
pub use guard::{Denied, Recheck};
pub use hashing::{Hashing, Overloaded};
pub use housekeeping::Housekeeping;
pub use idempotency::{
    Answer, Idempotency, IdempotencyConflict, IdempotencyKey, IdempotencyKeys,
    MalformedIdempotencyKey, Outcome, StoredAnswer,
};
pub use kept_time::{KeptTime, TrustClock};
pub use last_used::LastUsed;
pub use limit_subject::LimitSubject;
pub use login::{LoggedIn, Login, LoginError};
pub use measure::describe_metrics;
pub use mfa::{Enrolling, ManageMfa, MfaError, MfaStatus, RecoveryCodes};
pub use model::{
    ApiKeyRecord, Delegation, KeyName, KeyWithOwner, ListedKey, MalformedName, PersonName, Purpose,
    Role, User, UserId, UserKind, UserStatus,
};
pub use password_check::PasswordRefused;
pub use permit::{Any, MissingScope, Permit, Principal, PrincipalKey, RequiredScope, needs};
pub use ports::{ApiKeys, AuthTx, KeyCursor, UserReplaced, Users};
pub use proofs::{
    GivenProof, PresentedProof, ProofError, ProofUse, Proofs, ShownProof, UsedProofs,
};
pub use scope::{Scope, Scopes, UnknownScope};
pub use sessions::{Session, Visitor};
pub use setup::{FirstAdmin, Setup, SetupError};
pub use username::{AGENT_PREFIX, MalformedUsername, Username};

/// Runs the example of README.md.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
