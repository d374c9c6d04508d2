use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use r2d2::HandleEvent;
use r2d2::event::{CheckoutEvent, TimeoutEvent};

/// How long units of work have waited for a connection of one pool. Clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waits(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    connections: AtomicU64,
    micros: AtomicU64,
    timeouts: AtomicU64,
}

impl Waits {
    /// How often a connection was got.
    pub(crate) fn got(&self) -> u64 {
        self.0.connections.load(Ordering::Relaxed)
    }

    /// The waits of all who got one.
    pub(crate) fn waited(&self) -> Duration {
        Duration::from_micros(self.0.micros.load(Ordering::Relaxed))
    }

    /// How often none came in time.
    pub(crate) fn timeouts(&self) -> u64 {
        self.0.timeouts.load(Ordering::Relaxed)
    }
}

impl HandleEvent for Waits {
    fn handle_checkout(&self, event: CheckoutEvent) {
        let micros = u64::try_from(event.duration().as_micros()).unwrap_or(u64::MAX);
        self.0.connections.fetch_add(1, Ordering::Relaxed);
        self.0.micros.fetch_add(micros, Ordering::Relaxed);
    }

    fn handle_timeout(&self, _: TimeoutEvent) {
        self.0.timeouts.fetch_add(1, Ordering::Relaxed);
    }
}
