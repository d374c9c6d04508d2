use keyward_audit::{Actor, AuditEvents as _, Event};
use keyward_core::{Id, Store, StoreError};
use keyward_crypto::{ApiKey, ApiKeyKind, Password, PasswordError, Signed};

use crate::accounts::{USER_CREATE, subject as user_subject};
use crate::api_keys::{Draft, KEY_CREATE, subject as key_subject};
use crate::chosen_password::ChosenPassword;
use crate::{
    ApiKeys as _, AuthTx, Environment, KeyName, Overloaded, PersonName, Role, Scopes, User, UserId,
    UserKind, UserStatus, Username, Users as _,
};

/// Makes the first administrator of an empty store.
///
/// ```
/// use keyward_auth::{Environment, SetupError, Username};
/// use keyward_crypto::Password;
/// # use std::sync::Arc;
/// # use keyward_auth::{Authenticate, LastUsed, Setup};
/// # use keyward_crypto::{FieldKey, KeyRing, MacRing};
/// # let store = Arc::new(keyward_store_testing::MemoryStore::new());
/// # let fields = KeyRing::new(vec![FieldKey::generate()])?;
/// # let macs = MacRing::parse(MacRing::generate_secret().expose())?;
/// # let environment = Environment::new(store, fields, macs);
///
/// // `environment` is as on the page of this crate.
/// let setup = Setup::new(environment);
/// assert!(setup.is_due()?);
/// let (ada, password) = (Username::parse("ada")?, "correct horse battery".to_owned());
/// let password = Password::new_secret(password.into())?;
/// let admin = setup.first_admin(&ada, &password)?;
/// assert!(admin.key.expose().starts_with("kw_user_"));
///
/// assert!(!setup.is_due()?);
/// let again = setup.first_admin(&ada, &password);
/// assert!(matches!(again, Err(SetupError::AlreadyDone)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Setup<S>(Environment<S>);

impl<S: Store<Tx: AuthTx>> Setup<S> {
    /// Wires the service.
    pub fn new(environment: Environment<S>) -> Self {
        Self(environment)
    }

    /// Whether nobody was ever made here.
    pub fn is_due(&self) -> Result<bool, StoreError> {
        Ok(!self.0.store.lookup(|tx| tx.any_user())?)
    }

    /// Makes the administrator and a key with every scope and no expiry.
    ///
    /// Of two calls at the same time one succeeds.
    pub fn first_admin(
        &self,
        username: &Username,
        password: &Password,
    ) -> Result<FirstAdmin, SetupError> {
        if username.is_of_agent() {
            return Err(SetupError::NameOfAgents);
        }
        let password = ChosenPassword::of(username, password)?;
        let now = self.0.clock.now();
        let user = User {
            id: Id::generate(),
            username: username.clone(),
            kind: UserKind::Human,
            role: Role::Admin,
            status: UserStatus::Active,
            password_hash: Some(password.hash(&self.0.hashing)?),
            first_name: PersonName::from_stored(String::new()),
            last_name: PersonName::from_stored(String::new()),
            created_at: now,
            mfa_since: None,
            delegation: None,
            legacy_id: None,
            version: 1,
        };
        let key = ApiKey::generate(ApiKeyKind::User);
        let draft = Draft {
            user: user.id,
            kind: ApiKeyKind::User,
            name: &KeyName::from_stored(FIRST_KEY.to_owned()),
            scopes: Scopes::all(),
            expires_at: None,
        };
        let record = Signed::sign(draft.record(&key, &self.0.macs, now), &self.0.macs);
        let id = user.id;
        let user = Signed::sign(user, &self.0.macs);
        self.0.store.write(|tx| {
            // Holds the other of two racing calls back until this one has committed.
            tx.lock_audit_head()?;
            if tx.any_user()? || !tx.add_user(&user)? {
                return Err(SetupError::AlreadyDone);
            }
            tx.add_api_key(&record)?;
            let made = Event::new(Actor::host(), USER_CREATE, user_subject(id))
                .with("username", username.as_str())
                .with("role", Role::Admin.as_str());
            self.0.audit.record(tx, &made)?;
            let keyed = Event::new(Actor::host(), KEY_CREATE, key_subject(key.id()))
                .with("user", id.to_string())
                .with("scopes", Scopes::all().to_string());
            self.0.audit.record(tx, &keyed)?;
            Ok(())
        })?;
        Ok(FirstAdmin { user: id, key })
    }
}

/// What [`Setup::first_admin`] made.
#[derive(Debug)]
pub struct FirstAdmin {
    /// The administrator.
    pub user: UserId,
    /// Their key. This is the only time that it can be seen.
    pub key: ApiKey,
}

/// Why there is no first administrator to be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// Only agents have such names.
    #[error("names that begin with `agent_` are for agents")]
    NameOfAgents,
    /// The password cannot be chosen for this account.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// There are users already.
    #[error("this Keyward has users already")]
    AlreadyDone,
    /// See [`Overloaded`].
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the first key is called.
const FIRST_KEY: &str = "first key";
