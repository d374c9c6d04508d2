//! Where secrets are asked for. Many requests share one transaction, and so its price.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{
    Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use keyward_core::{Store, StoreError};
use keyward_credentials::{
    CallError, CredentialsTx, EndedUse, Lease, UseCredential, UseError, Wanted,
};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Hands secrets out, one batch after the other, on a thread of its own. Dropping it waits until
/// everything is written down.
pub(crate) struct Desk {
    shared: Arc<Shared>,
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    /// What is still to be written down. As many as there are requests under way, and more only
    /// while the storage fails.
    ended: Mutex<Vec<EndedUse>>,
}

enum Job {
    Open(Box<Wanted>, Reply),
    /// A use has ended.
    Wake,
}

type Reply = oneshot::Sender<Result<Lease, CallError>>;

impl Desk {
    pub(crate) fn start<S: Store<Tx: CredentialsTx>>(
        uses: UseCredential<S>,
    ) -> std::io::Result<Self> {
        let (jobs, queue) = sync_channel(QUEUE);
        let shared = Arc::new(Shared::default());
        let clerk = Clerk {
            uses,
            queue,
            shared: Arc::clone(&shared),
        };
        let thread = std::thread::Builder::new()
            .name("keyward-broker".to_owned())
            .spawn(move || clerk.work())?;
        Ok(Self {
            shared,
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// Waits for the secrets that a request needs. Who cannot be served soon is told at once.
    pub(crate) async fn open(&self, wanted: Wanted) -> Result<Lease, CallError> {
        let (reply, lease) = oneshot::channel();
        self.send(Job::Open(Box::new(wanted), reply))?;
        match timeout(PATIENCE, lease).await {
            Ok(Ok(lease)) => lease,
            // The clerk is gone, or the storage does not answer it.
            _ => Err(CallError::NotReady),
        }
    }

    /// Has it written down that a use has ended.
    pub(crate) fn end(&self, ended: EndedUse) {
        lock(&self.shared.ended).push(ended);
        // If the queue is full, the clerk is awake.
        let _ = self.send(Job::Wake);
    }

    fn send(&self, job: Job) -> Result<(), CallError> {
        let jobs = self.jobs.as_ref().ok_or(CallError::NotReady)?;
        jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => CallError::Overloaded,
            TrySendError::Disconnected(_) => CallError::NotReady,
        })
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // It has said why in the log if it panicked.
            let _ = thread.join();
        }
    }
}

struct Clerk<S> {
    uses: UseCredential<S>,
    queue: Receiver<Job>,
    shared: Arc<Shared>,
}

impl<S: Store<Tx: CredentialsTx>> Clerk<S> {
    fn work(self) {
        let mut patience = GATHERING;
        loop {
            let (wanted, replies, is_open) = self.batch(patience);
            let ended = std::mem::take(&mut *lock(&self.shared.ended));
            patience = GATHERING;
            if !(wanted.is_empty() && ended.is_empty() || self.serve(&wanted, replies, ended)) {
                patience = RETRY;
            }
            if !is_open {
                return;
            }
        }
    }

    /// What is in the queue, and whether more can come. Waits for the first. What has ended waits a
    /// little for a request to share a transaction with.
    fn batch(&self, patience: Duration) -> (Vec<Wanted>, Vec<Reply>, bool) {
        let (mut wanted, mut replies) = (Vec::new(), Vec::new());
        let in_a_while = || Some(Instant::now() + patience);
        let is_waiting = !lock(&self.shared.ended).is_empty();
        let mut until = is_waiting.then(in_a_while).flatten();
        while wanted.len() < BATCH {
            let next = match until {
                _ if !wanted.is_empty() => self.queue.try_recv().map_err(|error| match error {
                    TryRecvError::Empty => RecvTimeoutError::Timeout,
                    TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
                }),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    self.queue.recv_timeout(left)
                }
                None => (self.queue.recv()).map_err(|_| RecvTimeoutError::Disconnected),
            };
            match next {
                // Whoever asked has gone meanwhile.
                Ok(Job::Open(_, reply)) if reply.is_closed() => {}
                Ok(Job::Open(one, reply)) => {
                    wanted.push(*one);
                    replies.push(reply);
                }
                Ok(Job::Wake) => until = until.or_else(in_a_while),
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return (wanted, replies, false),
            }
        }
        (wanted, replies, true)
    }

    /// Says whether the storage took everything.
    fn serve(&self, wanted: &[Wanted], replies: Vec<Reply>, ended: Vec<EndedUse>) -> bool {
        let commit = AssertUnwindSafe(|| self.uses.commit(wanted, &ended));
        let outcome = catch_unwind(commit).unwrap_or_else(|_panicked| {
            Err(StoreError::Backend(
                "a panic while secrets were handed out".into(),
            ))
        });
        match outcome {
            Ok(leases) => {
                for (reply, lease) in replies.into_iter().zip(leases) {
                    let unwanted = reply.send(lease.map_err(CallError::Use));
                    if let Err(Ok(lease)) = unwanted {
                        // The client hung up meanwhile, and nothing is sent.
                        lock(&self.shared.ended).push(lease.ended());
                    }
                }
                true
            }
            Err(error) => {
                tracing::error!(%error, waiting = replies.len(), "cannot write down that credentials are used; nothing is sent");
                self.keep(ended);
                for reply in replies {
                    let again = StoreError::Unavailable("see the log".into());
                    let _ = reply.send(Err(UseError::Store(again).into()));
                }
                false
            }
        }
    }

    /// Keeps what could not be written for the next time, up to a limit.
    fn keep(&self, mut ended: Vec<EndedUse>) {
        let mut waiting = lock(&self.shared.ended);
        ended.append(&mut waiting);
        if ended.len() > MAX_WAITING {
            let lost = ended.len() - MAX_WAITING;
            tracing::error!(
                lost,
                "too many uses of credentials ended while the storage failed; how they ended is not in the audit log"
            );
            ended.drain(..lost);
        }
        *waiting = ended;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long a request waits for its secrets.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// Requests that wait for their secrets.
const QUEUE: usize = 1_024;
/// Requests that share a transaction. More would make the first wait for the last.
const BATCH: usize = 64;
const GATHERING: Duration = Duration::from_millis(20);
/// How long what could not be written waits, unless a request comes first.
const RETRY: Duration = Duration::from_secs(1);
const MAX_WAITING: usize = 10_000;
