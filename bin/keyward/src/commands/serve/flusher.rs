use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use keyward_auth::{Housekeeping, LastUsed};
use keyward_store_diesel::DieselStore;

/// Writes behind when keys were used, and drops what nobody needs any more.
pub(super) struct Flusher {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Flusher {
    pub(super) fn start(
        last_used: Arc<LastUsed>,
        store: DieselStore,
        housekeeping: Housekeeping<DieselStore>,
    ) -> Self {
        let (stop, stopped) = channel();
        let thread = std::thread::spawn(move || {
            let mut rounds = (0..SWEEP_EVERY).cycle();
            loop {
                let stopping = stopped.recv_timeout(FLUSH_EVERY) != Err(RecvTimeoutError::Timeout);
                if let Err(error) = last_used.flush(&store) {
                    tracing::warn!(%error, "cannot write when keys were last used; trying again");
                }
                if stopping {
                    return;
                }
                if rounds.next() == Some(0)
                    && let Err(error) = housekeeping.sweep()
                {
                    tracing::warn!(%error, "cannot drop what ended; trying again");
                }
            }
        });
        Self { stop, thread }
    }

    pub(super) fn stop(self) {
        // If the thread is gone there is nobody to stop; what it could not write is only a time.
        let _ = self.stop.send(());
        let _ = self.thread.join();
    }
}

/// In flushes: ten minutes.
const SWEEP_EVERY: u32 = 40;
const FLUSH_EVERY: Duration = Duration::from_secs(15);
