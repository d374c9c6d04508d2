use std::collections::BTreeMap;
use std::sync::Arc;

use crate::change::{Change, Write};
use crate::destination::origin;
use crate::seal::{kept_rules, seal_credential, seal_secrets};
use crate::view::Viewer;
use crate::{
    BrokerRules, Credential, CredentialId, CredentialName, CredentialType, CredentialView,
    Credentials as _, CredentialsTx, Detail, FieldPath, FieldProblem, Legacy, Mask, Problem,
    Provenance, StoredCredential,
};
use keyward_audit::{Action, AuditLog, Event, Subject};
use keyward_auth::needs::{CredentialsWrite, Read};
use keyward_auth::{
    Denied, Environment, Idempotency, IdempotencyConflict, Permit, Principal, Recheck as _, UserId,
};
use keyward_core::{Clock, LegacyId, Store, StoreError, Timestamp};
use keyward_crypto::Signed;

/// Who sees credentials that somebody else made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CredentialScope {
    /// Everybody who may read credentials.
    #[default]
    Global,
    /// Whoever made it, and administrators.
    Owner,
}

impl CredentialScope {
    pub(crate) fn shows(self, credential: &Credential, caller: &Principal) -> bool {
        self.creator_filter(caller)
            .is_none_or(|creator| creator == credential.created_by)
    }

    pub(crate) fn creator_filter(self, caller: &Principal) -> Option<UserId> {
        (self == Self::Owner && !caller.is_admin()).then_some(caller.user)
    }
}

/// Keeps, lists, changes and deletes credentials. Never opens one.
///
/// ```
/// use keyward_auth::{Authenticate, Username};
/// use keyward_credentials::{
///     CredentialChange, CredentialError, CredentialName, CredentialScope, CredentialType, Detail,
///     FieldView, ManageCredentials, NewCredential,
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
///
/// // `environment`, `authenticate` and `admin` are as on the page of `keyward-auth`.
/// let credentials = ManageCredentials::new(&environment, CredentialScope::Global);
/// let mut detail = Detail::default();
/// detail.set("provider", "openai".to_owned().into());
/// detail.set("api_key", "sk-proj-0123456789abcdefwxyz".to_owned().into());
/// let new = NewCredential {
///     name: CredentialName::parse("the team's key")?,
///     credential_type: CredentialType::Llm,
///     detail,
///     broker: None,
/// };
/// let ada = authenticate.principal(&admin.key)?;
/// let made = credentials.create(&ada.clone().permit()?, new, None)?;
///
/// // A mask that somebody sends back is not taken for a secret.
/// let mut masked = Detail::default();
/// masked.set("api_key", "****wxyz".to_owned().into());
/// let change = CredentialChange { detail: masked, ..CredentialChange::default() };
/// let refused = credentials.change(&ada.clone().permit()?, made.id, change);
/// assert!(matches!(refused, Err(CredentialError::Invalid(_))));
///
/// // The secret belongs to its host: it does not go along to another one.
/// let mut moved = Detail::default();
/// moved.set("base_url", "https://elsewhere.example/v1".to_owned().into());
/// let change = CredentialChange { detail: moved, ..CredentialChange::default() };
/// let changed = credentials.change(&ada.permit()?, made.id, change)?;
/// let FieldView::Secret(mask) = &changed.detail["api_key"] else { panic!("it is a secret") };
/// assert!(!mask.set);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ManageCredentials<S> {
    pub(crate) store: S,
    pub(crate) viewer: Viewer,
    pub(crate) audit: AuditLog,
    pub(crate) clock: Arc<dyn Clock>,
    scope: CredentialScope,
}

impl<S: Store<Tx: CredentialsTx>> ManageCredentials<S> {
    /// Wires the service.
    pub fn new(environment: &Environment<S>, scope: CredentialScope) -> Self
    where
        S: Clone,
    {
        Self {
            store: environment.store.clone(),
            viewer: Viewer {
                keys: environment.fields.clone(),
                macs: environment.macs.clone(),
            },
            audit: environment.audit.clone(),
            clock: Arc::clone(&environment.clock),
            scope,
        }
    }

    /// Keeps a new credential.
    pub fn create(
        &self,
        caller: &Permit<CredentialsWrite>,
        new: NewCredential,
        attempt: Option<&Idempotency>,
    ) -> Result<CredentialView, CredentialError> {
        let now = self.clock.now();
        let from = Provenance {
            created_by: caller.user,
            created_at: now,
            updated_at: now,
            legacy: None,
        };
        let stored = seal_credential(new, from, &self.viewer.keys, &self.viewer.macs, now)?;
        let view = self.viewer.view(&stored);
        let paths = stored.secrets.iter().map(|field| &field.path);
        let event = Event::new(caller.actor(), CREDENTIAL_CREATE, subject(view.id))
            .with("type", view.credential_type.clone())
            .with("secrets", names(paths));
        let outcome = self.store.write(|tx| {
            CredentialsWrite::recheck(caller, tx, &self.viewer.macs, now)?;
            Idempotency::once(attempt, tx, caller.user, now, |tx| {
                tx.add_credential(&stored)?;
                self.audit.record(tx, &event)?;
                Ok::<_, CredentialError>(view)
            })
        })?;
        Ok(outcome.into_inner())
    }

    /// Up to `limit` credentials after `after`, in the order in which they were made.
    pub fn list(
        &self,
        caller: &Permit<Read>,
        after: Option<CredentialId>,
        limit: i64,
    ) -> Result<Vec<CredentialView>, CredentialError> {
        let created_by = self.scope.creator_filter(caller);
        let found = self
            .store
            .lookup(|tx| tx.credentials_after(after, created_by, limit))?;
        Ok(found
            .iter()
            .map(|stored| self.viewer.view(stored))
            .collect())
    }

    /// The credential that was imported from a row of another system, in a list of its own; empty
    /// where there is none.
    pub fn imported_from(
        &self,
        caller: &Permit<Read>,
        legacy: Legacy,
    ) -> Result<Vec<CredentialView>, CredentialError> {
        let found = self.store.lookup(|tx| tx.credential_by_legacy(legacy))?;
        let visible =
            found.filter(|stored| self.scope.shows(stored.credential.unverified(), caller));
        Ok(visible
            .iter()
            .map(|stored| self.viewer.view(stored))
            .collect())
    }

    /// One credential.
    pub fn credential(
        &self,
        caller: &Permit<Read>,
        id: CredentialId,
    ) -> Result<CredentialView, CredentialError> {
        let found = self.store.lookup(|tx| tx.credential(id))?;
        found
            .filter(|stored| self.scope.shows(stored.credential.unverified(), caller))
            .map(|stored| self.viewer.view(&stored))
            .ok_or(CredentialError::NotFound)
    }

    /// Changes a credential, field by field: what is not named stays, `null` clears, a text sets.
    ///
    /// A secret belongs to where it is sent. When the change names another host (or, without a base
    /// URL, another provider), every secret that is not given anew is cleared, and the caller has
    /// to have shown their second factor recently.
    pub fn change(
        &self,
        caller: &Permit<CredentialsWrite>,
        id: CredentialId,
        asked: CredentialChange,
    ) -> Result<CredentialView, CredentialError> {
        let now = self.clock.now();
        self.store.write(|tx| {
            let caller = &CredentialsWrite::recheck(caller, tx, &self.viewer.macs, now)?;
            let before = self.visible(tx, caller, id)?;
            let old_mac = before.credential.mac().clone();
            let view = self.viewer.view(&before);
            asked.same.check(&view)?;
            if asked.same.is_stale(&view) {
                return Err(CredentialError::Busy);
            }
            let masks = self.viewer.masks(&before);
            let old = before
                .credential
                .verify(&self.viewer.macs)
                .map_err(|forged| StoreError::corrupt("credentials", forged))?;
            let mut change = Change::parse(old.credential_type, asked.detail)?;
            refuse_masks(&change, &masks)?;
            let broker = match asked.broker {
                None => old.broker.clone(),
                Some(rules) => kept_rules(rules, old.credential_type)?,
            };
            let new = Credential {
                name: asked.name.unwrap_or_else(|| old.name.clone()),
                open_fields: change.open_after(old.credential_type, &old.open_fields)?,
                broker,
                // Later with every change, also within one second: clients repeat it to find out
                // that somebody else has changed the credential.
                updated_at: now.max(old.updated_at.plus(1)),
                version: old.version.saturating_add(1),
                ..old.clone()
            };
            let moved = origin(&old) != origin(&new);
            if moved {
                caller.require_fresh_factor(now)?;
            }
            let cleared = cleared(&change, &masks, moved);
            change.refuse_too_many(old.credential_type, &masks, &cleared)?;
            let written = seal_secrets(&new, &mut change, &self.viewer.keys, now);
            let changed = changed(&old, &new);
            if changed.is_empty() && cleared.is_empty() && written.is_empty() {
                return Ok(view);
            }
            let new = Signed::sign(new, &self.viewer.macs);
            if !tx.replace_credential(&old_mac, &new)? {
                return Err(CredentialError::Busy);
            }
            cleared
                .iter()
                .try_for_each(|path| tx.drop_secret(id, path))?;
            written
                .iter()
                .try_for_each(|field| tx.put_secret(id, field))?;
            let event = Event::new(caller.actor(), CREDENTIAL_CHANGE, subject(id))
                .with("changed", changed)
                .with("set", names(written.iter().map(|field| &field.path)))
                .with("cleared", names(&cleared))
                .with("moved", moved.to_string());
            self.audit.record(tx, &event)?;
            let after = tx.credential(id)?.ok_or(CredentialError::NotFound)?;
            Ok(self.viewer.view(&after))
        })
    }

    /// Deletes a credential with its secrets.
    pub fn delete(
        &self,
        caller: &Permit<CredentialsWrite>,
        id: CredentialId,
    ) -> Result<(), CredentialError> {
        self.delete_all(caller, &[id])
    }

    /// Deletes all of these credentials, or none: when one is not there, nothing is deleted.
    pub fn delete_all(
        &self,
        caller: &Permit<CredentialsWrite>,
        ids: &[CredentialId],
    ) -> Result<(), CredentialError> {
        // In one order, so that two calls with the same ids do not wait for each other.
        let ids: std::collections::BTreeSet<_> = ids.iter().copied().collect();
        let now = self.clock.now();
        self.store.write(|tx| {
            let caller = &CredentialsWrite::recheck(caller, tx, &self.viewer.macs, now)?;
            for id in &ids {
                self.visible(tx, caller, *id)?;
                if !tx.delete_credential(*id)? {
                    return Err(CredentialError::NotFound);
                }
            }
            for id in &ids {
                let event = Event::new(caller.actor(), CREDENTIAL_DELETE, subject(*id));
                self.audit.record(tx, &event)?;
            }
            Ok(())
        })
    }

    fn visible(
        &self,
        tx: &mut S::Tx,
        caller: &Principal,
        id: CredentialId,
    ) -> Result<StoredCredential, CredentialError> {
        tx.credential(id)?
            .filter(|stored| self.scope.shows(stored.credential.unverified(), caller))
            .ok_or(CredentialError::NotFound)
    }
}

/// A credential to be made.
#[derive(Debug)]
pub struct NewCredential {
    /// What to call it.
    pub name: CredentialName,
    /// Which fields it has.
    pub credential_type: CredentialType,
    /// Their values.
    pub detail: Detail,
    /// How it may be used through the broker, where more is to be said than its type says.
    pub broker: Option<BrokerRules>,
}

/// A change of a credential.
#[derive(Debug, Default)]
pub struct CredentialChange {
    /// A new name; `None` keeps.
    pub name: Option<CredentialName>,
    /// New values of fields; those that are not named stay.
    pub detail: Detail,
    /// `Some(None)` drops the rules of the broker, `Some` of rules puts them in place of those that
    /// are there; `None` keeps.
    pub broker: Option<Option<BrokerRules>>,
    /// Fields that cannot be changed, where the request names them.
    pub same: Unchangeable,
}

/// The fields of a [`CredentialView`] that cannot be changed. A request may repeat them as they
/// were read, so that what was read can be sent back.
#[derive(Clone, Debug, Default)]
pub struct Unchangeable {
    /// See [`CredentialView::id`].
    pub id: Option<CredentialId>,
    /// See [`CredentialView::credential_type`].
    pub credential_type: Option<String>,
    /// See [`CredentialView::created_by_id`].
    pub created_by_id: Option<UserId>,
    /// See [`CredentialView::created_at`].
    pub created_at: Option<Timestamp>,
    /// See [`CredentialView::legacy_id`].
    pub legacy_id: Option<LegacyId>,
    /// See [`CredentialView::legacy_workspace_id`].
    pub legacy_workspace_id: Option<LegacyId>,
    /// See [`CredentialView::updated_at`]. Repeating it makes the change fail with
    /// [`CredentialError::Busy`] when somebody else has changed the credential since.
    pub updated_at: Option<Timestamp>,
}

impl Unchangeable {
    fn check(&self, view: &CredentialView) -> Result<(), Vec<FieldProblem>> {
        let differs = [
            ("id", self.id.is_some_and(|id| id != view.id)),
            (
                "credential_type",
                self.credential_type
                    .as_ref()
                    .is_some_and(|kind| *kind != view.credential_type),
            ),
            (
                "created_by_id",
                self.created_by_id
                    .is_some_and(|id| id != view.created_by_id),
            ),
            (
                "created_at",
                self.created_at.is_some_and(|at| at != view.created_at),
            ),
            (
                "legacy_id",
                self.legacy_id.is_some() && self.legacy_id != view.legacy_id,
            ),
            (
                "legacy_workspace_id",
                self.legacy_workspace_id.is_some()
                    && self.legacy_workspace_id != view.legacy_workspace_id,
            ),
        ];
        let problems: Vec<_> = differs
            .into_iter()
            .filter(|(_, differs)| *differs)
            .map(|(name, _)| FieldProblem::new(name, Problem::ReadOnly))
            .collect();
        if problems.is_empty() {
            Ok(())
        } else {
            Err(problems)
        }
    }

    /// Whether the credential was changed since it was read.
    fn is_stale(&self, view: &CredentialView) -> bool {
        self.updated_at.is_some_and(|at| at != view.updated_at)
    }
}

/// Why a credential was not kept, found or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// There is no such credential, or the caller may not see it.
    #[error("no such credential")]
    NotFound,
    /// Some fields are not as they should be.
    #[error("some fields are not valid")]
    Invalid(Vec<FieldProblem>),
    /// Somebody changed the credential at the same moment, or since it was read.
    #[error("the credential is being changed by somebody else")]
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

impl From<Vec<FieldProblem>> for CredentialError {
    fn from(problems: Vec<FieldProblem>) -> Self {
        Self::Invalid(problems)
    }
}

/// A mask may stand for the value that it was read from, and for nothing else.
pub(crate) fn refuse_masks(
    change: &Change,
    present: &BTreeMap<FieldPath, Mask>,
) -> Result<(), Vec<FieldProblem>> {
    let wrong = |(path, write): (&FieldPath, &Write)| match write {
        Write::Keep(mask) if !mask.shows_the_same(present.get(path).unwrap_or(&Mask::UNSET)) => {
            Some(FieldProblem::new(
                format!("detail.{path}"),
                Problem::LooksMasked,
            ))
        }
        _ => None,
    };
    let problems: Vec<_> = change.secrets.iter().filter_map(wrong).collect();
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems)
    }
}

/// What was changed apart from secrets, by name. Values stay out of the audit log: somebody may
/// have put a secret where none belongs.
fn changed(old: &Credential, new: &Credential) -> String {
    let name = (old.name != new.name).then_some("name");
    let rules = (old.broker != new.broker).then_some("broker");
    let fields = old.open_fields.differing(&new.open_fields);
    let names: Vec<_> = name.into_iter().chain(rules).chain(fields).collect();
    names.join(" ")
}

/// The secrets that are there and are to go.
fn cleared(change: &Change, present: &BTreeMap<FieldPath, Mask>, moved: bool) -> Vec<FieldPath> {
    present
        .keys()
        .filter(|path| match change.secrets.get(*path) {
            Some(Write::Set(..)) => false,
            Some(Write::Clear) => true,
            Some(Write::Keep(_)) => moved,
            None => moved || change.clears(path),
        })
        .cloned()
        .collect()
}

pub(crate) fn names<'a>(paths: impl IntoIterator<Item = &'a FieldPath>) -> String {
    let paths: Vec<_> = paths.into_iter().map(FieldPath::as_str).collect();
    paths.join(" ")
}

pub(crate) fn subject(id: CredentialId) -> Subject {
    Subject::new("credential", id)
}

pub(crate) const CREDENTIAL_CREATE: Action = Action("credential.create");
const CREDENTIAL_CHANGE: Action = Action("credential.change");
pub(crate) const CREDENTIAL_DELETE: Action = Action("credential.delete");
