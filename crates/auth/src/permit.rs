use std::marker::PhantomData;
use std::ops::Deref;

use keyward_audit::{Actor, ActorKind};
use keyward_core::Timestamp;
use keyward_crypto::{ApiKeyId, ApiKeyKind};

use crate::{KeyName, Role, Scope, Scopes, UserId, UserKind, Username};

/// Who is asking, and with which key. Only [`Authenticate`](crate::Authenticate) makes one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Principal {
    /// The user behind the key.
    pub user: UserId,
    /// Their name.
    pub username: Username,
    /// A person or an agent.
    pub kind: UserKind,
    /// Their role.
    pub role: Role,
    /// Who answers for them, where they are an agent.
    pub owner: Option<UserId>,
    /// Whether they have a second factor.
    pub mfa_enabled: bool,
    /// The key that was presented.
    pub key: PrincipalKey,
    /// The request that is being served, for the audit log.
    pub request: Option<String>,
}

/// The key that was presented.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PrincipalKey {
    /// Its public id.
    pub id: ApiKeyId,
    /// What it is used as.
    pub kind: ApiKeyKind,
    /// Its name.
    pub name: KeyName,
    /// What it may do: the scopes of the key that its owner can have.
    pub scopes: Scopes,
    /// When it ends, or the agent that it belongs to, whichever comes first.
    pub expires_at: Option<Timestamp>,
    /// Until when its owner's second factor counts as shown recently.
    pub fresh_until: Option<Timestamp>,
}

impl Principal {
    /// Permission for what needs the scope `Needed`.
    ///
    /// # Errors
    ///
    /// [`MissingScope`] when the key does not have it.
    pub fn permit<Needed: RequiredScope>(self) -> Result<Permit<Needed>, MissingScope> {
        match Needed::SCOPE {
            Some(scope) if !self.key.scopes.contains(scope) => Err(MissingScope(scope)),
            _ => Ok(Permit {
                principal: self,
                needed: PhantomData,
            }),
        }
    }

    /// The principal as the audit log names it.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor {
            kind: match self.kind {
                UserKind::Human => ActorKind::Human,
                UserKind::Agent => ActorKind::Agent,
            },
            id: Some(self.user.to_string()),
            key: Some(self.key.id.to_string()),
            request: self.request.clone(),
        }
    }

    /// Whether the principal is an administrator.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.role == Role::Admin
    }
}

/// Proof that a principal may do what needs the scope `Needed`. Only [`Principal::permit`] makes
/// one, so a service that asks for it cannot be called without the check.
#[derive(Clone, Debug)]
pub struct Permit<Needed> {
    principal: Principal,
    needed: PhantomData<Needed>,
}

impl<Needed> Deref for Permit<Needed> {
    type Target = Principal;

    fn deref(&self) -> &Principal {
        &self.principal
    }
}

/// A scope as a type.
pub trait RequiredScope: Send + Sync + 'static {
    /// The scope, or `None` where any valid key will do.
    const SCOPE: Option<Scope>;
}

/// Any valid key.
#[derive(Clone, Copy, Debug)]
pub struct Any;

impl RequiredScope for Any {
    const SCOPE: Option<Scope> = None;
}

/// The scopes as types, for [`Permit`].
pub mod needs {
    use super::{RequiredScope, Scope};

    macro_rules! scope_types {
        ($($name:ident),*) => {$(
            #[doc = concat!("[`Scope::", stringify!($name), "`] as a type.")]
            #[derive(Clone, Copy, Debug)]
            pub struct $name;

            impl RequiredScope for $name {
                const SCOPE: Option<Scope> = Some(Scope::$name);
            }
        )*};
    }

    scope_types!(
        Read,
        CredentialsWrite,
        CredentialsUse,
        CredentialsAccess,
        AgentsWrite,
        UsersWrite,
        AuditRead,
        Admin
    );
}

/// The key lacks a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key needs the scope `{0}`")]
pub struct MissingScope(pub Scope);
