use keyward_core::{Store, StoreError};
use keyward_crypto::TotpStep;

use crate::{AttemptLimits as _, AuthTx, Environment, LoginTickets as _, UsedProofs as _};

/// Drops what nobody needs any more: tickets that ended, marks of proofs that are too old to be
/// shown again, and counts of passwords and proofs that were not tried for a day.
pub struct Housekeeping<S>(Environment<S>);

impl<S: Store<Tx: AuthTx>> Housekeeping<S> {
    /// Wires the service.
    pub fn new(environment: Environment<S>) -> Self {
        Self(environment)
    }

    /// Does it, a thousand rows at a time, so that nobody waits for long.
    pub fn sweep(&self) -> Result<(), StoreError> {
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

const DAY_SECONDS: i64 = 24 * 60 * 60;
const BATCH: i64 = 1_000;
