use keyward_audit::{Action, AuditEvents as _, Event, Subject};
use keyward_core::{SteadyClock, Store, StoreError, Timestamp};

use crate::{AuthTx, Environment, Host};

/// The latest time that was seen, inside a unit of work, so that nothing that had ended goes on after a
/// restart.
pub trait KeptTime {
    /// The latest time that was kept; `None` before the first.
    fn kept_time(&mut self) -> Result<Option<Timestamp>, StoreError>;

    /// Keeps `at`, unless a later time is kept.
    ///
    /// One statement decides, so that of racing calls the latest time stays.
    fn keep_time(&mut self, at: Timestamp) -> Result<(), StoreError>;

    /// Keeps `at`, whatever is kept.
    fn reset_time(&mut self, at: Timestamp) -> Result<(), StoreError>;
}

/// Says that the clock of the machine is right, when it was ahead before and everything goes by a time
/// that has not come.
///
/// ```
/// use keyward_auth::{Environment, Host, Housekeeping, TrustClock};
/// # use std::sync::Arc;
/// # use keyward_core::{Clock, ManualClock, Timestamp};
/// # use keyward_crypto::{FieldKey, KeyRing, MacRing};
/// # let store = Arc::new(keyward_store_testing::MemoryStore::new());
/// # let fields = KeyRing::new(vec![FieldKey::generate()])?;
/// # let macs = MacRing::parse(MacRing::generate_secret().expose())?;
/// # let machine = Arc::new(ManualClock::at(Timestamp(1_800_003_600)));
/// # let clock: Arc<dyn Clock> = machine.clone();
/// # let environment = Environment { clock, ..Environment::new(store, fields, macs) };
///
/// // A server ran while the clock was an hour ahead; since then it was set right.
/// Housekeeping::new(environment.clone()).sweep()?;
/// # machine.advance(-3_600);
/// let started = environment.clone().steady()?;
/// assert_eq!(started.clock.now().0 - started.clock.shown().0, 3_600);
///
/// assert_eq!(TrustClock::new(environment.clone()).trust(Host)?, Some(3_600));
/// let started = environment.steady()?;
/// assert_eq!(started.clock.now(), started.clock.shown());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TrustClock<S>(Environment<S>);

impl<S: Store<Tx: AuthTx>> TrustClock<S> {
    /// Wires the service.
    pub fn new(environment: Environment<S>) -> Self {
        Self(environment)
    }

    /// Has what starts from now on go by what the clock of the machine shows. Returns by how many
    /// seconds the kept time was later; `None` when it was not, and nothing changes.
    ///
    /// A process that runs holds on to its time, and keeps it again: stop all servers before. What ended
    /// because of the time that is given up, and is not over by the clock, works again.
    pub fn trust(&self, host: Host) -> Result<Option<i64>, StoreError> {
        let shown = self.0.clock.shown();
        self.0.store.write(|tx| {
            tx.lock_audit_head()?;
            let Some(seconds) = ahead(tx.kept_time()?, shown) else {
                return Ok(None);
            };
            tx.reset_time(shown)?;
            let event = Event::new(host.actor(), CLOCK_TRUST, Subject::new("clock", "system"))
                .with("seconds", seconds.to_string());
            self.0.audit.record(tx, &event)?;
            Ok(Some(seconds))
        })
    }
}

/// By how much a kept time is later than clocks may differ by.
fn ahead(kept: Option<Timestamp>, shown: Timestamp) -> Option<i64> {
    let seconds = kept?.0.saturating_sub(shown.0);
    (seconds > SteadyClock::TOLERATED_SECONDS).then_some(seconds)
}

const CLOCK_TRUST: Action = Action("clock.trust");
