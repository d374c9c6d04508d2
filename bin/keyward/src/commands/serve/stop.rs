use std::future::poll_fn;
use std::io;
use std::task::Poll;
use std::time::Duration;

use actix_web::rt::signal::unix::{Signal, SignalKind, signal};
use sd_notify::NotifyState;

use super::tell_systemd;
use crate::exit::Exit;

/// The signals that ask the server to stop: SIGTERM, and SIGINT from a terminal.
pub(super) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// Listens to the signals, which end the process no more from here on.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the first signal. From then on the process has ten seconds: what hangs, on a
    /// database that does not answer for example, cannot keep it. A second signal ends it at once.
    pub(super) async fn first(mut self) {
        self.next().await;
        tell_systemd(NotifyState::Stopping);
        tracing::info!("stopping: what has begun is finished, nothing else begins");
        std::thread::spawn(|| {
            std::thread::sleep(DEADLINE);
            abandon("the server does not come to an end in time");
        });
        actix_web::rt::spawn(async move {
            self.next().await;
            abandon("told to stop for the second time");
        });
    }

    async fn next(&mut self) {
        poll_fn(|context| {
            let terminate = self.terminate.poll_recv(context).is_ready();
            if terminate || self.interrupt.poll_recv(context).is_ready() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}

/// Ends the process as it is. What was acknowledged is stored, as it is in a crash.
fn abandon(why: &str) {
    tracing::error!(why, "stopped before what had begun was finished");
    std::process::exit(Exit::Unavailable.code().into());
}

/// The first seconds are for requests, the rest for what is written down after them.
pub(super) const REQUESTS_SECONDS: u64 = 7;
const DEADLINE: Duration = Duration::from_millis(9_500);
