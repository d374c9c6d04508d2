//! Opens secrets for requests to the services that they belong to.

mod ended;
mod lease;
mod refused;
mod seen;
mod wanted;

use std::sync::Arc;

use keyward_audit::{Action, AuditEvents as _, AuditLog, Event};
use keyward_auth::needs::CredentialsUse;
use keyward_auth::{
    Authenticate, Denied, Environment, LastUsed, MissingScope, Principal, Recheck as _,
};
use keyward_core::{Clock, Store, StoreError, Timestamp};
use keyward_crypto::MacRing;

pub use ended::EndedUse;
pub use lease::{Call, Lease, UseId};
pub use refused::{RefusedBy, UseError};
pub use wanted::{Asked, Caller, Wanted};

use self::refused::Stop;
use self::seen::Seen;
use crate::access::OpenSecrets;
use crate::manage::subject;
use crate::{
    CredentialScope, CredentialsTx, Destination, FieldPath, StoredCredential, UseCounts as _, Which,
};

/// Lets callers use secrets that they never see: it opens them for requests to where they belong.
///
/// That a secret is used is in the audit log, durably, before it is handed out, with the request
/// that it is for. It is handed out to code that sends the request, never to the caller.
///
/// ```
/// use keyward_auth::{Authenticate, Username};
/// use keyward_credentials::{
///     Asked, BrokerRules, Caller, CredentialName, CredentialScope, CredentialType, Detail,
///     ManageCredentials, NewCredential, RefusedBy, RequestPath, UseCredential, UseError, Wanted,
///     Which,
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
///
/// // `environment`, `ada` and `new` are as on the page of this crate.
/// let rules = BrokerRules { paths: Some(vec!["/v1/chat".to_owned()]), ..BrokerRules::default() };
/// let new = NewCredential { broker: Some(rules), ..new };
/// let made = credentials.create(&ada.clone().permit()?, new, None)?;
///
/// let wanted = |path| {
///     Ok::<_, Box<dyn std::error::Error>>(Wanted {
///         caller: Caller::Known(ada.clone().permit()?),
///         which: Which::Id(made.id),
///         asked: Asked::Request {
///             via: "broker",
///             method: "POST".to_owned(),
///             path: RequestPath::parse(path)?,
///         },
///         body_bytes: None,
///     })
/// };
/// let uses = UseCredential::new(&environment, CredentialScope::Global, Arc::default());
/// let mut leases = uses.commit(&[wanted("/v1/chat/completions")?, wanted("/v1/files")?], &[])?;
/// assert!(matches!(leases.pop(), Some(Err(UseError::Refused(RefusedBy::Path)))));
///
/// // For the code that sends the request, never for the caller.
/// let lease = leases.pop().ok_or("one outcome for each")??;
/// assert_eq!(lease.destination.base_url.host_str(), Some("api.openai.com"));
/// assert_eq!(lease.secrets().collect::<Vec<_>>(), ["sk-proj-0123456789abcdefwxyz"]);
/// // Written down with the next ones.
/// uses.commit(&[], &[lease.ended()])?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct UseCredential<S> {
    store: S,
    secrets: OpenSecrets,
    macs: MacRing,
    audit: AuditLog,
    clock: Arc<dyn Clock>,
    authenticate: Authenticate<S>,
    scope: CredentialScope,
}

impl<S: Store<Tx: CredentialsTx>> UseCredential<S> {
    /// Wires the service.
    pub fn new(
        environment: &Environment<S>,
        scope: CredentialScope,
        last_used: Arc<LastUsed>,
    ) -> Self
    where
        S: Clone,
    {
        Self {
            store: environment.store.clone(),
            secrets: OpenSecrets::new(&environment.fields, &environment.macs),
            macs: environment.macs.clone(),
            audit: environment.audit.clone(),
            clock: Arc::clone(&environment.clock),
            authenticate: Authenticate::new(
                environment.store.clone(),
                environment.macs.clone(),
                Arc::clone(&environment.clock),
                last_used,
            ),
            scope,
        }
    }

    /// Decides about all that is `wanted`, in its order, and writes down how earlier uses `ended`:
    /// all in one transaction, whose price is the same for one and for many.
    ///
    /// # Errors
    ///
    /// When the storage fails nothing is handed out and nothing is written down.
    pub fn commit(
        &self,
        wanted: &[Wanted],
        ended: &[EndedUse],
    ) -> Result<Vec<Result<Lease, UseError>>, StoreError> {
        let now = self.clock.now();
        self.store.write(|tx| {
            // First, as everybody who changes a key does: what is found of keys holds from here on.
            tx.lock_audit_head()?;
            let mut seen = Seen::new(tx);
            let mut events: Vec<_> = ended.iter().map(EndedUse::event).collect();
            let mut outcomes = Vec::with_capacity(wanted.len());
            for wanted in wanted {
                let (outcome, event) = self.decide(&mut seen, wanted, now)?;
                outcomes.push(outcome);
                events.extend(event);
            }
            self.audit.record_all(seen.tx, &events)?;
            Ok(outcomes)
        })
    }

    /// What becomes of one request, and what is to be written down about it. A row that is not what
    /// it should be stops this request and no other.
    fn decide(
        &self,
        seen: &mut Seen<'_, S::Tx>,
        wanted: &Wanted,
        now: Timestamp,
    ) -> Result<(Result<Lease, UseError>, Option<Event>), StoreError> {
        let stop = match self.lease(seen, wanted, now) {
            Ok((lease, event)) => return Ok((Ok(lease), Some(event))),
            Err(stop) => stop,
        };
        let (error, event) = stop.apart();
        match error {
            UseError::Store(StoreError::Corrupt { .. }) => Ok((Err(error), event)),
            UseError::Store(error) => Err(error),
            error => Ok((Err(error), event)),
        }
    }

    fn lease(
        &self,
        seen: &mut Seen<'_, S::Tx>,
        wanted: &Wanted,
        now: Timestamp,
    ) -> Result<(Lease, Event), Stop> {
        let caller = self.caller(seen, &wanted.caller, now)?;
        let stored = self.find(seen, &caller, &wanted.which)?;
        let credential = stored.credential.unverified();
        if !self.secrets.is_genuine(&stored) {
            return Err(UseError::Unreadable.into());
        }
        let set = stored.secrets.iter().map(|secret| &secret.path);
        let (call, destination) = wanted.call(credential, set)?;
        let id = UseId::generate();
        let event = Event::new(caller.actor(), CREDENTIAL_USE, subject(credential.id))
            .with("use", id.to_string())
            .with("via", wanted.via())
            .with("host", destination.base_url.authority())
            .with("method", call.method.clone())
            .with("path", call.shown_path());
        let refused = |by: RefusedBy| {
            let event = by
                .is_event()
                .then(|| event.clone().with("refused", by.rule()));
            Stop::of(UseError::Refused(by), event)
        };
        if let Some(rules) = wanted.rules(credential) {
            call.check(rules, wanted.body_bytes).map_err(refused)?;
            if let Some(limit) = rules.requests_per_minute {
                // One minute on all nodes, though they may hold on to different times.
                let shown = self.clock.shown();
                let minute = Timestamp(shown.0 - shown.0.rem_euclid(60));
                if !seen
                    .tx
                    .count_use(credential.id, caller.user, minute, limit)?
                {
                    let retry_after = minute.plus(60).0 - shown.0;
                    return Err(refused(RefusedBy::Rate { limit, retry_after }));
                }
            }
        }
        let secrets = self.open(&stored, &destination).map_err(|error| {
            let event = event.clone().with("refused", error.to_string());
            Stop::of(error, Some(event))
        })?;
        let lease = Lease {
            id,
            credential: credential.id,
            actor: caller.actor(),
            max_body_bytes: wanted
                .rules(credential)
                .and_then(|rules| rules.max_body_bytes),
            destination,
            call,
            secrets,
        };
        Ok((lease, event))
    }

    fn caller(
        &self,
        seen: &mut Seen<'_, S::Tx>,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<Principal, UseError> {
        match caller {
            Caller::Known(permit) => Ok(CredentialsUse::recheck(permit, seen.tx, &self.macs, now)?),
            Caller::Key { key, request } => {
                let found = seen.key(key.id())?;
                let mut caller = self.authenticate.decided(found, key)?;
                caller.request.clone_from(request);
                let permit = caller.permit::<CredentialsUse>();
                let permit = permit.map_err(|MissingScope(scope)| Denied::MissingScope(scope))?;
                Ok((*permit).clone())
            }
        }
    }

    fn find(
        &self,
        seen: &mut Seen<'_, S::Tx>,
        caller: &Principal,
        which: &Which,
    ) -> Result<Arc<StoredCredential>, UseError> {
        let is_shown = |stored: &Arc<StoredCredential>| {
            self.scope.shows(stored.credential.unverified(), caller)
        };
        match which {
            Which::Id(id) => seen
                .credential(*id)?
                .filter(is_shown)
                .ok_or(UseError::NotFound),
            Which::Name(name) => {
                let mut found = seen.named(name, self.scope.creator_filter(caller))?;
                match found.len() {
                    0 | 1 => found.pop().ok_or(UseError::NotFound),
                    _ => Err(UseError::Ambiguous),
                }
            }
        }
    }

    /// The secrets that a request to the destination needs, and no others.
    fn open(
        &self,
        stored: &StoredCredential,
        destination: &Destination,
    ) -> Result<Vec<crate::OpenedField>, UseError> {
        let headers = destination.headers.iter().map(|(_, field)| field);
        let needed: Vec<&FieldPath> = headers.chain(destination.auth.fields()).collect();
        let find = |path: &&FieldPath| {
            let mut secrets = stored.secrets.iter();
            let found = secrets.find(|secret| secret.path == **path);
            found.ok_or_else(|| UseError::NotSet((*path).clone()))
        };
        let fields: Vec<_> = needed.iter().map(find).collect::<Result<_, _>>()?;
        self.secrets
            .open_all(stored, &fields)
            .map_err(|_unreadable| UseError::Unreadable)
    }
}

const CREDENTIAL_USE: Action = Action("credential.use");
