//! Threads that work beside the requests of a server.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// A thread that works until it is told to stop.
pub(crate) struct Background {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Background {
    /// Starts `work`, which asks in its pauses whether to go on.
    pub(crate) fn start(work: impl FnOnce(Pauses) + Send + 'static) -> Self {
        let (stop, stopped) = channel();
        let thread = std::thread::spawn(move || work(Pauses(stopped)));
        Self { stop, thread }
    }

    /// Waits for the end of what it has begun.
    pub(crate) fn stop(self) {
        // If the thread is gone there is nobody to stop.
        let _ = self.stop.send(());
        let _ = self.thread.join();
    }
}

/// The pauses of a thread, which end early when it is told to stop.
pub(crate) struct Pauses(Receiver<()>);

impl Pauses {
    /// Waits this long, and says whether to go on.
    pub(crate) fn go_on_after(&self, pause: Duration) -> bool {
        self.0.recv_timeout(pause) == Err(RecvTimeoutError::Timeout)
    }
}
