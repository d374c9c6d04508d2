use std::sync::Arc;

use keyward_audit::{Action, AuditLog, Event, Subject};
use keyward_core::{Clock, Id, Store, StoreError, Timestamp};
use keyward_crypto::{MacRing, Password, Passwords, Signed};
use serde::{Deserialize, Serialize};

use crate::permit::needs::{Read, UsersWrite};
use crate::{
    Any, AuthTx, Idempotency, IdempotencyConflict, Permit, PersonName, Principal, Role, User,
    UserId, UserKind, UserReplaced, UserStatus, Username, Users as _,
};

/// Makes, lists, changes and deletes users.
pub struct ManageUsers<S> {
    store: S,
    macs: MacRing,
    passwords: Arc<Passwords>,
    audit: AuditLog,
    clock: Arc<dyn Clock>,
}

impl<S: Store<Tx: AuthTx>> ManageUsers<S> {
    /// Wires the service.
    pub fn new(
        store: S,
        macs: MacRing,
        passwords: Arc<Passwords>,
        audit: AuditLog,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            store,
            macs,
            passwords,
            audit,
            clock,
        }
    }

    /// Makes a person. Hashes the password, so it takes a while.
    pub fn create(
        &self,
        caller: &Permit<UsersWrite>,
        new: &NewUser,
        attempt: Option<&Idempotency>,
    ) -> Result<UserView, UserError> {
        let now = self.clock.now();
        let user = User {
            id: Id::generate(),
            username: new.username.clone(),
            kind: UserKind::Human,
            role: new.role,
            status: UserStatus::Active,
            password_hash: Some(self.passwords.hash(&new.password)),
            first_name: new.first_name.clone(),
            last_name: new.last_name.clone(),
            created_at: now,
            version: 1,
        };
        let view = UserView::of(&user);
        let event = Event::new(caller.actor(), USER_CREATE, subject(user.id))
            .with("username", user.username.as_str())
            .with("role", user.role.as_str());
        let user = Signed::sign(user, &self.macs);
        let outcome = self.store.write(|tx| {
            Idempotency::once(attempt, tx, caller.user, now, |tx| {
                if !tx.add_user(&user)? {
                    return Err(UserError::NameTaken);
                }
                self.audit.record(tx, &event)?;
                Ok(view)
            })
        })?;
        Ok(outcome.into_inner())
    }

    /// Up to `limit` users after `after`, in the order in which they were made.
    pub fn list(
        &self,
        _: &Permit<UsersWrite>,
        after: Option<UserId>,
        limit: i64,
    ) -> Result<Vec<UserView>, UserError> {
        let users = self.store.lookup(|tx| tx.users_after(after, limit))?;
        Ok(users
            .iter()
            .map(|user| UserView::of(user.unverified()))
            .collect())
    }

    /// One user.
    pub fn user(&self, _: &Permit<UsersWrite>, id: UserId) -> Result<UserView, UserError> {
        self.view(id)
    }

    /// The caller's own profile.
    pub fn own(&self, caller: &Permit<Read>) -> Result<UserView, UserError> {
        self.view(caller.user)
    }

    /// Changes a user. The last active administrator stays one.
    pub fn change(
        &self,
        caller: &Permit<UsersWrite>,
        id: UserId,
        change: &UserChange,
    ) -> Result<UserView, UserError> {
        let action = match change.status {
            Some(UserStatus::Deleted) => USER_DELETE,
            _ => USER_CHANGE,
        };
        self.apply(caller, id, change, action)
    }

    /// Changes the caller's own names. An agent has none of its own to change.
    pub fn change_own(
        &self,
        caller: &Permit<Any>,
        first_name: Option<PersonName>,
        last_name: Option<PersonName>,
    ) -> Result<UserView, UserError> {
        if caller.kind == UserKind::Agent {
            return Err(UserError::NotForAgents);
        }
        let change = UserChange {
            first_name,
            last_name,
            ..UserChange::default()
        };
        self.apply(caller, caller.user, &change, USER_CHANGE)
    }

    /// Deletes a user: their keys are refused from the commit on, and the name is free again. What
    /// they created stays.
    pub fn delete(&self, caller: &Permit<UsersWrite>, id: UserId) -> Result<(), UserError> {
        let change = UserChange {
            status: Some(UserStatus::Deleted),
            ..UserChange::default()
        };
        self.apply(caller, id, &change, USER_DELETE).map(drop)
    }

    fn view(&self, id: UserId) -> Result<UserView, UserError> {
        let user = self.store.lookup(|tx| tx.user(id))?;
        user.filter(|user| user.unverified().status != UserStatus::Deleted)
            .map(|user| UserView::of(user.unverified()))
            .ok_or(UserError::NotFound)
    }

    fn apply(
        &self,
        caller: &Principal,
        id: UserId,
        change: &UserChange,
        action: Action,
    ) -> Result<UserView, UserError> {
        self.store.write(|tx| {
            let old = tx.user(id)?.ok_or(UserError::NotFound)?;
            let old_mac = old.mac().clone();
            let old = old
                .verify(&self.macs)
                .map_err(|forged| StoreError::corrupt("users", forged))?;
            if old.status == UserStatus::Deleted {
                return Err(UserError::NotFound);
            }
            let (new, changed) = change.applied_to(&old)?;
            let view = UserView::of(&new);
            if changed.is_empty() {
                return Ok(view);
            }
            match tx.replace_user(&old_mac, &Signed::sign(new, &self.macs))? {
                UserReplaced::Done => {}
                UserReplaced::Stale => return Err(UserError::Busy),
                UserReplaced::LastAdmin => return Err(UserError::LastAdmin),
                UserReplaced::NameTaken => return Err(UserError::NameTaken),
            }
            let event = Event::new(caller.actor(), action, subject(id))
                .with("changed", changed.join(" "))
                .with("role", view.role.clone())
                .with("status", view.status.clone());
            self.audit.record(tx, &event)?;
            Ok(view)
        })
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

impl UserChange {
    /// The user afterwards, and the names of the fields that differ.
    fn applied_to(&self, old: &User) -> Result<(User, Vec<&'static str>), UserError> {
        let new = User {
            role: self.role.unwrap_or(old.role),
            status: self.status.unwrap_or(old.status),
            first_name: self.first_name.as_ref().unwrap_or(&old.first_name).clone(),
            last_name: self.last_name.as_ref().unwrap_or(&old.last_name).clone(),
            version: old.version.saturating_add(1),
            ..old.clone()
        };
        if new.kind == UserKind::Agent && new.role == Role::Admin {
            return Err(UserError::AgentAdmin);
        }
        let differing = [
            ("role", old.role != new.role),
            ("status", old.status != new.status),
            ("first_name", old.first_name != new.first_name),
            ("last_name", old.last_name != new.last_name),
        ];
        let changed = differing
            .into_iter()
            .filter_map(|(name, differs)| differs.then_some(name))
            .collect();
        Ok((new, changed))
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
    /// When the user was made.
    pub created_at: Timestamp,
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
            created_at: user.created_at,
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
    /// Somebody changed the user at the same moment.
    #[error("the user is being changed by somebody else")]
    Busy,
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
