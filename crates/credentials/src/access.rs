use std::sync::Arc;

use keyward_audit::{Action, AuditLog, Event};
use keyward_auth::needs::CredentialsAccess;
use keyward_auth::{Denied, Environment, Permit, Recheck as _};
use keyward_core::{Clock, Store, StoreError};
use keyward_crypto::{KeyRing, MacRing, SecretText};

use crate::manage::subject;
use crate::{
    Credential, CredentialId, CredentialScope, Credentials as _, CredentialsTx, FieldPath,
    SecretField, StoredCredential, field_context,
};

/// Opens secrets for an execution engine.
///
/// ```
/// use keyward_auth::{Authenticate, Username};
/// use keyward_credentials::{
///     AccessCredential, AccessError, CredentialName, CredentialScope, CredentialType, Detail,
///     ManageCredentials, NewCredential,
/// };
/// # use std::sync::Arc;
/// # use keyward_auth::{Environment, Setup};
/// # use keyward_crypto::{FieldKey, KeyRing, MacRing, Password};
/// # let store = Arc::new(keyward_store_testing::MemoryStore::new());
/// # let fields = KeyRing::new(vec![FieldKey::generate()])?;
/// # let macs = MacRing::parse(MacRing::generate_secret().expose())?;
/// # let environment = Environment::new(store, fields, macs);
/// # let password = Password::new_secret("correct horse battery".to_owned().into())?;
/// # let admin = Setup::new(environment.clone()).first_admin(&Username::parse("ada")?, &password)?;
/// # let Environment { store, macs, clock, .. } = environment.clone();
/// # let authenticate = Authenticate::new(store, macs, clock, Arc::default());
/// # let credentials = ManageCredentials::new(&environment, CredentialScope::Global);
/// # let mut detail = Detail::default();
/// # detail.set("provider", "openai".to_owned().into());
/// # detail.set("api_key", "sk-proj-0123456789abcdefwxyz".to_owned().into());
/// # let new = NewCredential {
/// #     name: CredentialName::parse("the team's key")?,
/// #     credential_type: CredentialType::Llm,
/// #     detail,
/// #     broker: None,
/// # };
/// # let ada = authenticate.principal(&admin.key)?;
/// # let made = credentials.create(&ada.clone().permit()?, new, None)?;
///
/// // `made` is the credential of the page of this crate, and `ada` has its owner's key.
/// let access = AccessCredential::new(&environment, CredentialScope::Global);
/// let opened = access.open(&ada.clone().permit()?, made.id, None)?;
/// let paths: Vec<_> = opened.iter().map(|field| field.path.as_str()).collect();
/// assert_eq!(paths, ["api_key"]);
///
/// let other = access.open(&ada.permit()?, made.id, Some("password"));
/// assert!(matches!(other, Err(AccessError::NoSuchField)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct AccessCredential<S> {
    store: S,
    secrets: OpenSecrets,
    macs: MacRing,
    audit: AuditLog,
    clock: Arc<dyn Clock>,
    scope: CredentialScope,
}

impl<S: Store<Tx: CredentialsTx>> AccessCredential<S> {
    /// Wires the service.
    pub fn new(environment: &Environment<S>, scope: CredentialScope) -> Self
    where
        S: Clone,
    {
        Self {
            store: environment.store.clone(),
            secrets: OpenSecrets::new(&environment.fields, &environment.macs),
            macs: environment.macs.clone(),
            audit: environment.audit.clone(),
            clock: Arc::clone(&environment.clock),
            scope,
        }
    }

    /// The secrets of a credential by their paths: the one that `field` names, or all that are set.
    ///
    /// That they were handed out is in the audit log, durably, before this returns. When one of
    /// them cannot be opened none is handed out, and that is in the log too. A person with a second
    /// factor has to have shown it recently.
    pub fn open(
        &self,
        caller: &Permit<CredentialsAccess>,
        id: CredentialId,
        field: Option<&str>,
    ) -> Result<Vec<OpenedField>, AccessError> {
        let now = self.clock.now();
        let opened = self.store.write(|tx| {
            let caller = &CredentialsAccess::recheck(caller, tx, &self.macs, now)?;
            caller.require_fresh_factor(now)?;
            let stored = tx
                .credential(id)?
                .filter(|stored| self.scope.shows(stored.credential.unverified(), caller))
                .ok_or(AccessError::NotFound)?;
            let wanted: Vec<_> = stored
                .secrets
                .iter()
                .filter(|secret| field.is_none_or(|field| field == secret.path.as_str()))
                .collect();
            if wanted.is_empty() && field.is_some() {
                return Err(AccessError::NoSuchField);
            }
            let opened = self.secrets.open_all(&stored, &wanted);
            let paths: Vec<_> = wanted.iter().map(|secret| secret.path.as_str()).collect();
            let event = Event::new(caller.actor(), CREDENTIAL_ACCESS, subject(id))
                .with("fields", paths.join(" "))
                .with(
                    "outcome",
                    if opened.is_ok() {
                        "opened"
                    } else {
                        "unreadable"
                    },
                );
            self.audit.record(tx, &event)?;
            // The failure is a value here, so that the event of it is committed.
            Ok(opened)
        })?;
        opened.map_err(AccessError::Unreadable)
    }
}

/// Opens what is stored.
#[derive(Clone, Debug)]
pub(crate) struct OpenSecrets {
    keys: KeyRing,
    macs: MacRing,
}

impl OpenSecrets {
    pub(crate) fn new(keys: &KeyRing, macs: &MacRing) -> Self {
        Self {
            keys: keys.clone(),
            macs: macs.clone(),
        }
    }

    /// Whether the row is what was written. What it says about where its secrets belong is believed
    /// only then.
    pub(crate) fn is_genuine(&self, stored: &StoredCredential) -> bool {
        let genuine = stored.credential.is_genuine(&self.macs);
        if !genuine {
            let id = stored.credential.unverified().id;
            tracing::error!(credential = %id, "a stored credential is not genuine");
        }
        genuine
    }

    /// The secrets, in the clear, or the paths of those that cannot be opened.
    pub(crate) fn open_all(
        &self,
        stored: &StoredCredential,
        wanted: &[&SecretField],
    ) -> Result<Vec<OpenedField>, Vec<FieldPath>> {
        let credential = stored.credential.unverified();
        if !self.is_genuine(stored) {
            return Err(wanted.iter().map(|secret| secret.path.clone()).collect());
        }
        let (opened, failed): (Vec<_>, Vec<_>) = wanted
            .iter()
            .map(|secret| self.open_one(credential, secret))
            .partition(Result::is_ok);
        if failed.is_empty() {
            Ok(opened.into_iter().filter_map(Result::ok).collect())
        } else {
            Err(failed.into_iter().filter_map(Result::err).collect())
        }
    }

    fn open_one(
        &self,
        credential: &Credential,
        secret: &SecretField,
    ) -> Result<OpenedField, FieldPath> {
        let context = field_context(credential.id, &secret.path, credential.created_by);
        match self.keys.open(&secret.sealed, &context) {
            Ok(value) => Ok(OpenedField {
                path: secret.path.clone(),
                value,
            }),
            Err(error) => {
                tracing::error!(
                    credential = %credential.id,
                    field = %secret.path,
                    %error,
                    "a stored secret cannot be opened"
                );
                Err(secret.path.clone())
            }
        }
    }
}

/// One secret, in the clear.
#[derive(Debug)]
pub struct OpenedField {
    /// Which one.
    pub path: FieldPath,
    /// Its value.
    pub value: SecretText,
}

/// Why nothing was handed out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// There is no such credential, or the caller may not see it.
    #[error("no such credential")]
    NotFound,
    /// The credential has no such secret, or it is not set.
    #[error("the credential has no such secret")]
    NoSuchField,
    /// These secrets cannot be opened: their key is missing, or somebody changed them. The log says
    /// which.
    #[error("stored secrets cannot be opened")]
    Unreadable(Vec<FieldPath>),
    /// The caller may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const CREDENTIAL_ACCESS: Action = Action("credential.access");
