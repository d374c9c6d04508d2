use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// A thread that may hang where nothing can interrupt it, such as in a question for the address of a
/// name. Whoever stops it waits a moment and then goes without it.
pub(crate) struct Thread {
    stop: Sender<()>,
    ended: Receiver<()>,
}

impl Thread {
    pub(crate) fn start(name: &str, work: impl FnOnce(Stop) + Send + 'static) -> Self {
        let (stop, stopped) = channel();
        let (end, ended) = channel();
        let started = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                work(Stop(stopped));
                drop(end);
            });
        if let Err(error) = started {
            tracing::error!(%error, "cannot start a thread for Redis; going on without it");
        }
        Self { stop, ended }
    }

    /// Waits for its end, but not for long.
    pub(crate) fn stop(self) {
        // If the thread is gone there is nobody to stop.
        let _ = self.stop.send(());
        let _ = self.ended.recv_timeout(LONGEST_END);
    }
}

/// Tells a thread in its pauses whether to go on.
pub(crate) struct Stop(Receiver<()>);

impl Stop {
    /// Waits this long, and says whether to go on.
    pub(crate) fn go_on_after(&self, pause: Duration) -> bool {
        self.0.recv_timeout(pause) == Err(RecvTimeoutError::Timeout)
    }

    /// Whether to go on, without waiting.
    pub(crate) fn go_on(&self) -> bool {
        self.go_on_after(Duration::ZERO)
    }
}

const LONGEST_END: Duration = Duration::from_secs(1);
