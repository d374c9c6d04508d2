//! Threads that work beside the requests of a server.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// A thread that works until it is told to stop.
pub(crate) struct Background {
    signals: Sender<Signal>,
    thread: JoinHandle<()>,
}

/// What ends a pause early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signal {
    Wake,
    Stop,
}

impl Background {
    /// Starts `work`, which asks in its pauses whether to go on.
    pub(crate) fn start(work: impl FnOnce(Pauses) + Send + 'static) -> Self {
        let (signals, received) = channel();
        let thread = std::thread::spawn(move || work(Pauses(received)));
        Self { signals, thread }
    }

    /// What ends its pauses early, for who has news for it.
    pub(crate) fn waker(&self) -> impl Fn() + Send + 'static {
        let signals = self.signals.clone();
        move || {
            // If the thread is gone there is nobody to wake.
            let _ = signals.send(Signal::Wake);
        }
    }

    /// Waits for the end of what it has begun.
    pub(crate) fn stop(self) {
        // If the thread is gone there is nobody to stop.
        let _ = self.signals.send(Signal::Stop);
        let _ = self.thread.join();
    }
}

/// The pauses of a thread, which end early when it is told to stop, or has been woken.
pub(crate) struct Pauses(Receiver<Signal>);

impl Pauses {
    /// Waits this long, and says whether to go on.
    pub(crate) fn go_on_after(&self, pause: Duration) -> bool {
        match self.0.recv_timeout(pause) {
            Err(RecvTimeoutError::Timeout) => true,
            Ok(Signal::Stop) | Err(RecvTimeoutError::Disconnected) => false,
            // However often it was woken meanwhile, it looks once.
            Ok(Signal::Wake) => self.0.try_iter().all(|signal| signal == Signal::Wake),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_wakes_end_one_pause_and_a_stop_among_them_stops() {
        let (signals, received) = channel();
        let pauses = Pauses(received);
        let long = Duration::from_mins(1);
        for _ in 0..100 {
            signals.send(Signal::Wake).unwrap();
        }
        assert!(pauses.go_on_after(long), "woken");
        assert!(pauses.go_on_after(Duration::from_millis(1)), "not again");
        for signal in [Signal::Wake, Signal::Wake, Signal::Stop, Signal::Wake] {
            signals.send(signal).unwrap();
        }
        assert!(!pauses.go_on_after(long), "stopped");
    }
}
