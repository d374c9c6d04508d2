use keyward_audit::{Action, Event, Subject};
use keyward_core::{Id, LegacyId, Store, StoreError, Timestamp};
use keyward_crypto::{ApiKeyId, Password, PasswordError, PasswordHash, Signed};
use serde::{Deserialize, Serialize};

use crate::chosen_password::ChosenPassword;
use crate::password_check::PasswordCheck;
use crate::permit::needs::Read;
use crate::{
    Any, AuthTx, Denied, Environment, Host, Idempotency, IdempotencyConflict, Overloaded,
    PasswordRefused, Permit, PersonName, Recheck as _, Role, SecondFactors as _, TotpSecrets, User,
    UserAdministrator, UserId, UserKind, UserReplaced, UserStatus, Username, Users as _, Visitor,
    sessions,
};

/// Makes, lists, changes and deletes users.
///
/// ```
/// use keyward_auth::{
///     Environment, Host, ManageUsers, NewUser, PersonName, Role, UserError, Username, needs,
/// };
/// use keyward_crypto::Password;
/// # use std::sync::Arc;
/// # use keyward_auth::{Authenticate, LastUsed, Setup};
/// # use keyward_crypto::{FieldKey, KeyRing, MacRing};
/// # let store = Arc::new(keyward_store_testing::MemoryStore::new());
/// # let fields = KeyRing::new(vec![FieldKey::generate()])?;
/// # let macs = MacRing::parse(MacRing::generate_secret().expose())?;
/// # let environment = Environment::new(store, fields, macs);
/// # let password = Password::new_secret("correct horse battery".to_owned().into())?;
/// # let admin = Setup::new(environment.clone()).first_admin(&Username::parse("ada")?, &password)?;
/// # let Environment { store, macs, clock, .. } = environment.clone();
/// # let authenticate = Authenticate::new(store, macs, clock, Arc::new(LastUsed::default()));
///
/// // `environment`, `authenticate` and `admin` are as on the page of this crate.
/// let users = ManageUsers::new(environment);
/// let permit = authenticate.principal(&admin.key)?.permit::<needs::UsersWrite>()?;
/// let grace = NewUser {
///     username: Username::parse("Grace")?,
///     password: Password::new_secret("a ship in port is safe".to_owned().into())?,
///     role: Role::Normal,
///     first_name: PersonName::parse("Grace")?,
///     last_name: PersonName::parse("Hopper")?,
/// };
/// let made = users.create(&permit, &grace, None)?;
/// assert_eq!((made.username.as_str(), made.role.as_str()), ("grace", "normal"));
///
/// // The operator of the host needs no key. Nobody removes the last administrator.
/// assert!(matches!(users.delete(&Host, admin.user), Err(UserError::LastAdmin)));
/// users.delete(&Host, made.id)?;
/// assert_eq!(users.list(&permit, None, 10)?.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ManageUsers<S>(Environment<S>);

impl<S: Store<Tx: AuthTx>> ManageUsers<S> {
    /// Wires the service.
    pub fn new(environment: Environment<S>) -> Self {
        Self(environment)
    }

    /// Makes a person. Hashes the password, so it takes a while.
    ///
    /// Only a person's attempts can be repeated, so `attempt` means nothing on the host.
    pub fn create(
        &self,
        by: &impl UserAdministrator,
        new: &NewUser,
        attempt: Option<&Idempotency>,
    ) -> Result<UserView, UserError> {
        if new.username.is_of_agent() {
            return Err(UserError::NameOfAgents);
        }
        let password = ChosenPassword::of(&new.username, &new.password)?;
        let now = self.0.clock.now();
        let user = User {
            id: Id::generate(),
            username: new.username.clone(),
            kind: UserKind::Human,
            role: new.role,
            status: UserStatus::Active,
            password_hash: Some(password.hash(&self.0.hashing)?),
            first_name: new.first_name.clone(),
            last_name: new.last_name.clone(),
            created_at: now,
            mfa_since: None,
            delegation: None,
            legacy_id: None,
            version: 1,
        };
        let view = UserView::of(&user);
        let user = Signed::sign(user, &self.0.macs);
        let outcome = self.0.store.write(|tx| {
            let actor = by.authorise(tx, &self.0.macs, now)?;
            let (attempt, whose) = (attempt.zip(by.user()), actor);
            let create = |tx: &mut S::Tx| {
                if !tx.add_user(&user)? {
                    return Err(UserError::NameTaken);
                }
                let event = Event::new(whose, USER_CREATE, subject(view.id))
                    .with("username", view.username.clone())
                    .with("role", view.role.clone());
                self.0.audit.record(tx, &event)?;
                Ok(view)
            };
            match attempt {
                Some((attempt, user)) => Idempotency::once(Some(attempt), tx, user, now, create),
                None => create(tx).map(crate::Outcome::Fresh),
            }
        })?;
        Ok(outcome.into_inner())
    }

    /// Up to `limit` users after `after`, in the order in which they were made.
    pub fn list(
        &self,
        _: &impl UserAdministrator,
        after: Option<UserId>,
        limit: i64,
    ) -> Result<Vec<UserView>, UserError> {
        let users = self.0.store.lookup(|tx| tx.users_after(after, limit))?;
        Ok(users
            .iter()
            .map(|user| UserView::of(user.unverified()))
            .collect())
    }

    /// One user.
    pub fn user(&self, _: &impl UserAdministrator, id: UserId) -> Result<UserView, UserError> {
        self.view(id)
    }

    /// The user with a name, for the operator of the host.
    pub fn user_named(&self, _: Host, username: &Username) -> Result<UserView, UserError> {
        let user = self.0.store.lookup(|tx| tx.user_by_name(username))?;
        user.map(|user| UserView::of(user.unverified()))
            .ok_or(UserError::NotFound)
    }

    /// The caller's own profile.
    pub fn own(&self, caller: &Permit<Read>) -> Result<UserView, UserError> {
        self.view(caller.user)
    }

    /// Changes a user. The last active administrator stays one. Who is disabled is logged out, and
    /// all their keys are refused from the commit on.
    pub fn change(
        &self,
        by: &impl UserAdministrator,
        id: UserId,
        change: &UserChange,
    ) -> Result<UserView, UserError> {
        let action = match change.status {
            Some(UserStatus::Deleted) => USER_DELETE,
            _ => USER_CHANGE,
        };
        let now = self.0.clock.now();
        self.0.store.write(|tx| {
            let actor = by.authorise(tx, &self.0.macs, now)?;
            let change = Change::of(change, None);
            self.apply(tx, id, &change, |details| details.event(actor, action), now)
        })
    }

    /// Deletes a user: their keys are refused from the commit on, and the name is free again. What
    /// they created stays.
    pub fn delete(&self, by: &impl UserAdministrator, id: UserId) -> Result<(), UserError> {
        let change = UserChange {
            status: Some(UserStatus::Deleted),
            ..UserChange::default()
        };
        self.change(by, id, &change).map(drop)
    }

    /// Sets the password of a person, on the host, and ends all their sessions.
    pub fn set_password(
        &self,
        host: Host,
        id: UserId,
        password: &Password,
    ) -> Result<UserView, UserError> {
        let username = Username::from_stored(self.view(id)?.username);
        let hash = ChosenPassword::of(&username, password)?.hash(&self.0.hashing)?;
        let now = self.0.clock.now();
        self.0.store.write(|tx| {
            let actor = host.authorise(tx, &self.0.macs, now)?;
            let change = Change {
                password_hash: Some(hash),
                ..Change::default()
            };
            self.apply(
                tx,
                id,
                &change,
                |details| details.event(actor, USER_CHANGE),
                now,
            )
        })
    }

    /// Changes the caller's own names and password. An agent has none of its own to change.
    ///
    /// A new password needs the old one, and a recent second factor where there is one. It ends the
    /// caller's other sessions; API keys stay.
    pub fn change_own(
        &self,
        caller: &Permit<Any>,
        change: &OwnChange,
        visitor: &Visitor,
    ) -> Result<UserView, UserError> {
        if caller.kind == UserKind::Agent {
            return Err(UserError::NotForAgents);
        }
        let passwords = change.password.as_ref();
        if passwords.is_some() {
            // Before anything is counted or hashed, so that a stolen session cannot try passwords.
            caller.require_fresh_factor(self.0.clock.now())?;
        }
        let chosen = passwords
            .map(|(_, new)| ChosenPassword::of(&caller.username, new))
            .transpose()?;
        let right = passwords
            .map(|(current, _)| PasswordCheck(&self.0).check(&caller.username, current, visitor))
            .transpose()?;
        let hash = chosen
            .map(|chosen| chosen.hash(&self.0.hashing))
            .transpose()?;
        let now = self.0.clock.now();
        self.0.store.write(|tx| {
            let current = Any::recheck(caller, tx, &self.0.macs, now)?;
            if let Some(right) = right {
                current.require_fresh_factor(now)?;
                right.settle(tx, &self.0.macs, now)?;
            }
            let change = Change {
                first_name: change.first_name.clone(),
                last_name: change.last_name.clone(),
                password_hash: hash,
                kept_session: Some(current.key.id),
                ..Change::default()
            };
            let actor = current.actor();
            self.apply(
                tx,
                current.user,
                &change,
                |details| details.event(actor, USER_CHANGE),
                now,
            )
        })
    }

    fn view(&self, id: UserId) -> Result<UserView, UserError> {
        let user = self.0.store.lookup(|tx| tx.user(id))?;
        user.filter(|user| user.unverified().status != UserStatus::Deleted)
            .map(|user| UserView::of(user.unverified()))
            .ok_or(UserError::NotFound)
    }

    fn apply(
        &self,
        tx: &mut S::Tx,
        id: UserId,
        change: &Change,
        event: impl FnOnce(&Applied) -> Event,
        now: Timestamp,
    ) -> Result<UserView, UserError> {
        let old = tx.user(id)?.ok_or(UserError::NotFound)?;
        let old_mac = old.mac().clone();
        let old = old
            .verify(&self.0.macs)
            .map_err(|forged| StoreError::corrupt("users", forged))?;
        if old.status == UserStatus::Deleted {
            return Err(UserError::NotFound);
        }
        let applied = change.applied_to(&old)?;
        let view = UserView::of(&applied.user);
        if applied.changed.is_empty() {
            return Ok(view);
        }
        let new = Signed::sign(applied.user.clone(), &self.0.macs);
        match tx.replace_user(&old_mac, &new)? {
            UserReplaced::Done => {}
            UserReplaced::Stale => return Err(UserError::Busy),
            UserReplaced::LastAdmin => return Err(UserError::LastAdmin),
            UserReplaced::NameTaken => return Err(UserError::NameTaken),
        }
        self.end_what_ends(tx, &applied, change.kept_session, now)?;
        self.0.audit.record(tx, &event(&applied))?;
        Ok(view)
    }

    /// What a change takes with it: sessions, logins that have begun, second factors.
    fn end_what_ends(
        &self,
        tx: &mut S::Tx,
        applied: &Applied,
        kept: Option<ApiKeyId>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let user = &applied.user;
        if user.status != UserStatus::Active || applied.changed.contains(&"password") {
            sessions::end_all_but(tx, user.id, kept, &self.0.macs, now)?;
        }
        if user.status == UserStatus::Deleted {
            tx.set_totp_secrets(user.id, &TotpSecrets::default())?;
            tx.set_recovery_codes(user.id, &[])?;
        }
        Ok(())
    }
}

/// A person to be made.
#[derive(Debug)]
pub struct NewUser {
    /// The name to sign in with.
    pub username: Username,
    /// The first password.
    pub password: Password,
    /// The role.
    pub role: Role,
    /// Given name.
    pub first_name: PersonName,
    /// Family name.
    pub last_name: PersonName,
}

/// A change of a user; `None` keeps.
#[derive(Clone, Debug, Default)]
pub struct UserChange {
    /// The role. Agents are never administrators.
    pub role: Option<Role>,
    /// Whether the user's keys work.
    pub status: Option<UserStatus>,
    /// Given name.
    pub first_name: Option<PersonName>,
    /// Family name.
    pub last_name: Option<PersonName>,
}

/// A change of the caller's own profile; `None` keeps.
#[derive(Debug, Default)]
pub struct OwnChange {
    /// Given name.
    pub first_name: Option<PersonName>,
    /// Family name.
    pub last_name: Option<PersonName>,
    /// The password as it is, and as it shall be.
    pub password: Option<(Password, Password)>,
}

/// Everything that can be changed, whoever does it.
#[derive(Default)]
struct Change {
    role: Option<Role>,
    status: Option<UserStatus>,
    first_name: Option<PersonName>,
    last_name: Option<PersonName>,
    password_hash: Option<PasswordHash>,
    /// The session that goes on when the others end.
    kept_session: Option<ApiKeyId>,
}

impl Change {
    fn of(change: &UserChange, kept_session: Option<ApiKeyId>) -> Self {
        Self {
            role: change.role,
            status: change.status,
            first_name: change.first_name.clone(),
            last_name: change.last_name.clone(),
            password_hash: None,
            kept_session,
        }
    }

    fn applied_to(&self, old: &User) -> Result<Applied, UserError> {
        let new = User {
            role: self.role.unwrap_or(old.role),
            status: self.status.unwrap_or(old.status),
            first_name: self.first_name.as_ref().unwrap_or(&old.first_name).clone(),
            last_name: self.last_name.as_ref().unwrap_or(&old.last_name).clone(),
            password_hash: self
                .password_hash
                .clone()
                .or_else(|| old.password_hash.clone()),
            version: old.version.saturating_add(1),
            ..old.clone()
        };
        if new.kind == UserKind::Agent && new.role == Role::Admin {
            return Err(UserError::AgentAdmin);
        }
        if new.kind == UserKind::Agent && new.status != old.status {
            return Err(UserError::ManagedAsAgent);
        }
        if new.kind == UserKind::Agent && self.password_hash.is_some() {
            return Err(UserError::NotForAgents);
        }
        let differing = [
            ("role", old.role != new.role),
            ("status", old.status != new.status),
            ("first_name", old.first_name != new.first_name),
            ("last_name", old.last_name != new.last_name),
            ("password", self.password_hash.is_some()),
        ];
        let changed = differing
            .into_iter()
            .filter_map(|(name, differs)| differs.then_some(name))
            .collect();
        Ok(Applied { user: new, changed })
    }
}

/// A user after a change, and the names of the fields that differ.
struct Applied {
    user: User,
    changed: Vec<&'static str>,
}

impl Applied {
    fn event(&self, actor: keyward_audit::Actor, action: Action) -> Event {
        Event::new(actor, action, subject(self.user.id))
            .with("changed", self.changed.join(" "))
            .with("role", self.user.role.as_str())
            .with("status", self.user.status.as_str())
    }
}

/// A user as others see them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UserView {
    /// Names the user.
    pub id: UserId,
    /// What the user signs in with.
    pub username: String,
    /// `human` or `agent`.
    pub kind: String,
    /// `admin` or `normal`.
    pub role: String,
    /// `active` or `disabled`.
    pub status: String,
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// Whether a second factor is asked for.
    #[serde(default)]
    pub mfa_enabled: bool,
    /// When the user was made.
    pub created_at: Timestamp,
    /// The user's number in the system that it was imported from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legacy_id: Option<LegacyId>,
}

impl UserView {
    fn of(user: &User) -> Self {
        Self {
            id: user.id,
            username: user.username.to_string(),
            kind: user.kind.as_str().to_owned(),
            role: user.role.as_str().to_owned(),
            status: user.status.as_str().to_owned(),
            first_name: user.first_name.to_string(),
            last_name: user.last_name.to_string(),
            mfa_enabled: user.mfa_since.is_some(),
            created_at: user.created_at,
            legacy_id: user.legacy_id,
        }
    }
}

/// Why a user was not made, found or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UserError {
    /// There is no such user.
    #[error("no such user")]
    NotFound,
    /// Somebody has the name.
    #[error("the user name is taken")]
    NameTaken,
    /// Nobody could administer the server afterwards.
    #[error("the last active administrator cannot be removed, demoted or disabled")]
    LastAdmin,
    /// Agents are never administrators.
    #[error("an agent cannot be an administrator")]
    AgentAdmin,
    /// Only a person can do this.
    #[error("an agent cannot do this")]
    NotForAgents,
    /// Only agents have such names.
    #[error("names that begin with `agent_` are for agents")]
    NameOfAgents,
    /// An agent is ended together with all that it has made.
    #[error("agents are frozen and revoked with `keyward agent` or at /agents")]
    ManagedAsAgent,
    /// Somebody changed the user at the same moment.
    #[error("the user is being changed by somebody else")]
    Busy,
    /// The caller may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The current password was not accepted.
    #[error(transparent)]
    Password(#[from] PasswordRefused),
    /// The new password cannot be chosen for this account.
    #[error(transparent)]
    NewPassword(#[from] PasswordError),
    /// See [`Overloaded`].
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// See [`IdempotencyConflict`].
    #[error(transparent)]
    Idempotency(#[from] IdempotencyConflict),
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

pub(crate) fn subject(id: UserId) -> Subject {
    Subject::new("user", id)
}

pub(crate) const USER_CREATE: Action = Action("user.create");
const USER_CHANGE: Action = Action("user.change");
const USER_DELETE: Action = Action("user.delete");
