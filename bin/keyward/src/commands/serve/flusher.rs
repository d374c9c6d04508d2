use std::sync::Arc;
use std::time::Duration;

use keyward_auth::{Environment, Housekeeping, LastUsed};
use keyward_store_diesel::DieselStore;

use crate::background::Background;

/// Writes behind when keys were used, and drops what nobody needs any more.
pub(super) fn start(
    last_used: Arc<LastUsed>,
    environment: Environment<DieselStore>,
    housekeeping: Housekeeping<DieselStore>,
) -> Background {
    Background::start(move |pauses| {
        keep_time(&housekeeping);
        let mut rounds = (0..SWEEP_EVERY).cycle();
        let mut minutes = (0..KEEP_EVERY).cycle();
        loop {
            let goes_on = pauses.go_on_after(FLUSH_EVERY);
            let flushed = if goes_on {
                last_used.flush_shared(&environment)
            } else {
                // Nobody is left to leave anything to.
                last_used.flush(&environment.store)
            };
            if let Err(error) = flushed {
                tracing::warn!(%error, "cannot write when keys were last used; trying again");
            }
            if !goes_on {
                keep_time(&housekeeping);
                return;
            }
            if minutes.next() == Some(0) {
                keep_time(&housekeeping);
            }
            if rounds.next() == Some(0)
                && let Err(error) = housekeeping.sweep()
            {
                tracing::warn!(%error, "cannot drop what ended; trying again");
            }
        }
    })
}

fn keep_time(housekeeping: &Housekeeping<DieselStore>) {
    if let Err(error) = housekeeping.keep_time() {
        tracing::warn!(%error, "cannot keep the latest time for the next start");
    }
}

/// In flushes: a minute.
const KEEP_EVERY: u32 = 4;
/// In flushes: ten minutes.
const SWEEP_EVERY: u32 = 40;
const FLUSH_EVERY: Duration = Duration::from_secs(15);
