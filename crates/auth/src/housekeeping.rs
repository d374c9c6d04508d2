use keyward_audit::{Action, Actor, AuditEvents as _, Event, Subject};
use keyward_core::{SteadyClock, Store, StoreError, Timestamp};
use keyward_crypto::TotpStep;

use crate::{
    AttemptLimits as _, AuthTx, Environment, KeptTime as _, LoginTickets as _, UsedProofs as _,
};

/// Drops what nobody needs any more: tickets that ended, marks of proofs that are too old to be
/// shown again, and counts of passwords and proofs that were not tried for a day.
///
/// Notes in the audit log when the clock has gone back, and keeps the latest time.
///
/// ```
/// use keyward_auth::{Environment, Housekeeping, Username};
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
/// let last_used = Arc::new(LastUsed::default());
/// // Every minute or so, on a thread of its own:
/// let housekeeping = Housekeeping::new(environment.clone());
/// last_used.flush(&environment.store)?;
/// housekeeping.keep_time()?;
/// assert!(housekeeping.sweep().is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Housekeeping<S>(Environment<S>);

impl<S: Store<Tx: AuthTx>> Housekeeping<S> {
    /// Wires the service.
    pub fn new(environment: Environment<S>) -> Self {
        Self(environment)
    }

    /// Keeps the latest time for the next start, see [`Environment::steady`], and for the other nodes, and
    /// goes on from the latest that one of them has seen. Every minute or so, and before a server stops.
    pub fn keep_time(&self) -> Result<(), StoreError> {
        let clock = &self.0.clock;
        let now = clock.now();
        let latest = self.0.store.write(|tx| {
            tx.keep_time(now)?;
            tx.kept_time()
        })?;
        if let Some(latest) = latest {
            clock.not_before(latest);
        }
        Ok(())
    }

    /// Does it, a thousand rows at a time, so that nobody waits for long.
    pub fn sweep(&self) -> Result<(), StoreError> {
        self.note_clock(self.0.clock.shown())?;
        self.keep_time()?;
        let now = self.0.clock.now();
        self.0.store.write(|tx| tx.forget_tickets(now))?;
        let day_ago = now.plus(-DAY_SECONDS);
        let old = TotpStep::at(day_ago.0);
        self.0.store.write(|tx| tx.forget_proofs(old))?;
        loop {
            let dropped = self
                .0
                .store
                .write(|tx| tx.forget_attempts(day_ago, now, BATCH))?;
            if i64::try_from(dropped).unwrap_or(0) < BATCH {
                return Ok(());
            }
        }
    }
}

impl<S: Store<Tx: AuthTx>> Housekeeping<S> {
    /// Says so, once, when the clock stands before what the audit log has recorded already.
    fn note_clock(&self, shown: Timestamp) -> Result<(), StoreError> {
        let behind = |tx: &mut S::Tx| -> Result<Option<i64>, StoreError> {
            let latest = tx.audit_events_before(None, 1)?;
            let latest = latest.first().map_or(shown, |event| event.fields.at);
            let behind = latest.0.saturating_sub(shown.0);
            Ok((behind > SteadyClock::TOLERATED_SECONDS).then_some(behind))
        };
        if self.0.store.lookup(behind)?.is_none() {
            return Ok(());
        }
        self.0.store.write(|tx| {
            tx.lock_audit_head()?;
            // Another node may have said so meanwhile.
            let Some(seconds) = behind(tx)? else {
                return Ok(());
            };
            tracing::error!(
                seconds,
                "the clock of this machine has gone back; see that it is right"
            );
            let event = Event::new(Actor::system(), CLOCK_BACK, Subject::new("clock", "system"))
                .with("seconds", seconds.to_string());
            self.0.audit.record(tx, &event)
        })
    }
}

const CLOCK_BACK: Action = Action("clock.went-back");
const DAY_SECONDS: i64 = 24 * 60 * 60;
const BATCH: i64 = 1_000;
