use std::sync::Arc;

use keyward_audit::AuditLog;
use keyward_core::{Clock, SteadyClock, Store, StoreError};
use keyward_crypto::{KeyRing, MacRing, Passwords, TotpWindow};

use crate::{Advice, AuthTx, Hashing, KeptTime as _, NoAdvice};

/// What the services work with. Cheap to clone where `S` is.
///
/// ```
/// use std::sync::Arc;
///
/// use keyward_auth::Environment;
/// use keyward_core::{Clock, ManualClock, Timestamp};
/// use keyward_crypto::{FieldKey, KeyRing, MacRing};
/// use keyward_store_testing::MemoryStore;
///
/// let fields = KeyRing::new(vec![FieldKey::generate()])?;
/// let macs = MacRing::parse(MacRing::generate_secret().expose())?;
/// // Of a server; in tests with a clock that they set.
/// let served = Environment::new(Arc::new(MemoryStore::new()), fields, macs);
/// let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(Timestamp(1_800_000_000)));
/// let tested = Environment { clock, ..served };
/// assert_eq!(tested.clock.now().to_string(), "2027-01-15T08:00:00Z");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Environment<S> {
    /// Where everything is kept.
    pub store: S,
    /// Seals second factors.
    pub fields: KeyRing,
    /// Signs rows, keys and tickets.
    pub macs: MacRing,
    /// How long the codes of people's authenticator apps are taken. Proofs of agents are taken in both steps.
    pub totp_window: TotpWindow,
    /// Hashes passwords, a few at a time.
    pub hashing: Hashing,
    /// Where changes are recorded.
    pub audit: AuditLog,
    /// What other nodes say; [`NoAdvice`](crate::NoAdvice) where there are none.
    pub advice: Arc<dyn Advice>,
    /// Tells the time. One that can be set back gives back what had ended; see [`SteadyClock`] and
    /// [`steady`](Self::steady).
    pub clock: Arc<dyn Clock>,
}

impl<S> Environment<S> {
    /// What a server works with: the clock of the machine, which is held when it is set back, passwords by OWASP's parameters, an audit
    /// log that is signed with `macs`, codes of both steps, and no advice of other nodes.
    pub fn new(store: S, fields: KeyRing, macs: MacRing) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SteadyClock::default());
        Self {
            store,
            fields,
            totp_window: TotpWindow::default(),
            hashing: Hashing::new(Passwords::new()),
            audit: AuditLog::new(macs.clone(), Arc::clone(&clock)),
            macs,
            advice: Arc::new(NoAdvice),
            clock,
        }
    }
}

impl<S: Store<Tx: AuthTx>> Environment<S> {
    /// The same, but it is not before the latest time that the storage knows, so that no key, session or
    /// lock that had ended before a restart goes on after it. [`Housekeeping`](crate::Housekeeping) keeps
    /// that time.
    ///
    /// Call it once, when the storage is ready and before services are wired.
    pub fn steady(self) -> Result<Self, StoreError> {
        let clock = SteadyClock::new(self.clock);
        if let Some(latest) = self.store.lookup(|tx| tx.kept_time())? {
            clock.not_before(latest);
        }
        let clock: Arc<dyn Clock> = Arc::new(clock);
        Ok(Self {
            // The log goes by what the machine shows, as before.
            clock,
            ..self
        })
    }
}
