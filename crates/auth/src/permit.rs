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
///
/// ```
/// use keyward_auth::{MissingScope, Permit, Principal, Scope, needs};
///
/// /// Whoever calls this has asked `permit()` first: it could not be called otherwise.
/// fn export(caller: &Permit<needs::AuditRead>) -> String {
///     format!("by {}", caller.username)
/// }
///
/// fn handler(principal: Principal) -> Result<String, MissingScope> {
///     Ok(export(&principal.permit()?))
/// }
///
/// # use keyward_auth::{Environment, KeyName, ManageKeys, NewKey, Scopes, Username};
/// # use keyward_crypto::Password;
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
/// # let keys = ManageKeys::new(environment);
/// # let new = NewKey {
/// #     name: KeyName::parse("reader")?,
/// #     scopes: Some(Scopes::from_iter([Scope::Read])),
/// #     expires_at: None,
/// # };
/// # let (_, reader) = keys.create_own(&authenticate.principal(&admin.key)?.permit()?, &new, None)?;
/// # let reader = reader.ok_or("a new key")?;
/// // A key of an administrator that may do all, and one of the same person that may only read:
/// assert_eq!(handler(authenticate.principal(&admin.key)?)?, "by ada");
/// let refused = handler(authenticate.principal(&reader)?);
/// assert!(matches!(refused, Err(MissingScope(Scope::AuditRead))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// With a permit for something else it does not compile:
///
/// ```compile_fail,E0308
/// # use keyward_auth::{Permit, needs};
/// # fn export(_: &Permit<needs::AuditRead>) {}
/// fn handler(caller: &Permit<needs::Read>) {
///     export(caller);
/// }
/// ```
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
