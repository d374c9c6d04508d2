use std::sync::mpsc::{RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use keyward_auth::{Advice, AdviceName};
use keyward_crypto::random_bytes;

use crate::breaker::Breaker;
use crate::command::{Command, Names, Task, Waiting};
use crate::link::Unreachable;
use crate::listener;
use crate::measure::{self, Outcome};
use crate::thread::Thread;
use crate::url::RedisUrl;
use crate::worker::Worker;

/// A Redis, and the threads that talk to it. What it knows is asked by [`advice`](Self::advice).
pub struct Redis {
    url: RedisUrl,
    names: Names,
    speaker: Arc<Speaker>,
    worker: Thread,
    listener: Option<Thread>,
}

impl Redis {
    /// Connects, and waits a moment for that: a Redis that is there is well when this returns. One
    /// that is not keeps nobody from anything, and is asked again and again.
    ///
    /// All nodes of one installation give the same `installation`, and no other installation does.
    #[must_use]
    pub fn start(url: &RedisUrl, installation: &str) -> Self {
        let (queue, tasks) = sync_channel(LONGEST_QUEUE);
        let health = Arc::new(Health::new(url.label()));
        let names = Names::of(installation);
        let (tried, first_try) = sync_channel(1);
        let worker = Worker::new(url.clone(), names.clone(), Arc::clone(&health), tasks);
        let worker = Thread::start("redis", move |stop| worker.run(&stop, &tried));
        // Whether it answers is seen elsewhere.
        let _ = first_try.recv_timeout(FIRST_TRY);
        Self {
            url: url.clone(),
            names,
            speaker: Arc::new(Speaker { queue, health }),
            worker,
            listener: None,
        }
    }

    /// Calls `wake` whenever some node says that keys have changed, and when that may have been
    /// missed. It may be called for nothing, but not more often than ten times in a second.
    #[must_use]
    pub fn waking(mut self, wake: impl Fn() + Send + 'static) -> Self {
        let (url, channel) = (self.url.clone(), self.names.channel());
        let listener = Thread::start("redis-listener", move |stop| {
            listener::listen(&url, &channel, &stop, &wake);
        });
        self.listener = Some(listener);
        self
    }

    /// What nodes say, by this Redis.
    #[must_use]
    pub fn advice(&self) -> Arc<dyn Advice> {
        Arc::clone(&self.speaker) as _
    }

    /// Whether it answers in time.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.speaker.health.is_well()
    }

    /// [`is_well`](Self::is_well), for who asks later.
    pub fn wellness(&self) -> impl Fn() -> bool + Send + Sync + 'static {
        let health = Arc::clone(&self.speaker.health);
        move || health.is_well()
    }

    /// Says what was still to be said, and lets go. Takes a second or two when Redis hangs.
    pub fn stop(self) {
        if let Some(listener) = self.listener {
            listener.stop();
        }
        self.worker.stop();
    }
}

/// Whether Redis is well, and since when that is known.
pub(crate) struct Health {
    label: String,
    breaker: Mutex<Breaker>,
}

impl Health {
    fn new(label: &str) -> Self {
        measure::is_well(false);
        Self {
            label: label.to_owned(),
            breaker: Mutex::new(Breaker::new()),
        }
    }

    pub(crate) fn is_well(&self) -> bool {
        self.breaker().is_closed()
    }

    pub(crate) fn probe_in(&self, now: Instant) -> Option<Duration> {
        self.breaker().probe_in(now)
    }

    /// A caller, or the thread that asks for callers, got no answer.
    pub(crate) fn failed(&self, why: Unreachable) {
        let is_news = self.breaker().trip(Instant::now(), jitter());
        self.say_gone(is_news, why);
    }

    pub(crate) fn probe_failed(&self, why: Unreachable) {
        let is_news = self.breaker().probe_failed(Instant::now(), jitter());
        self.say_gone(is_news, why);
    }

    pub(crate) fn probe_answered(&self) {
        if self.breaker().close(Instant::now()) {
            measure::is_well(true);
            tracing::info!(redis = self.label, "Redis answers in time, and is asked");
        }
    }

    /// Once, and not for each request.
    fn say_gone(&self, is_news: bool, why: Unreachable) {
        if is_news {
            measure::is_well(false);
            tracing::warn!(
                redis = self.label,
                %why,
                "Redis is of no use now; going on without it, which changes no answer"
            );
        }
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        // A panic elsewhere cannot leave it half changed.
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The side of the queue where callers are.
struct Speaker {
    queue: SyncSender<Task>,
    health: Arc<Health>,
}

impl Speaker {
    /// Waits a moment for answers to all of these.
    fn ask(&self, commands: Vec<Command>) -> Option<Vec<bool>> {
        if !self.health.is_well() {
            measure::asked(Outcome::Skipped);
            return None;
        }
        let (answer, answered) = sync_channel(1);
        let waiting = Waiting {
            until: Instant::now() + PATIENCE,
            answer,
        };
        let task = Task {
            commands,
            waiting: Some(waiting),
        };
        if self.queue.try_send(task).is_err() {
            measure::asked(Outcome::Full);
            return None;
        }
        let (answers, outcome) = match answered.recv_timeout(PATIENCE) {
            Ok(answers) => (Some(answers), Outcome::Answered),
            Err(RecvTimeoutError::Timeout) => {
                self.health.failed(Unreachable::Late);
                (None, Outcome::Late)
            }
            Err(RecvTimeoutError::Disconnected) => (None, Outcome::Failed),
        };
        measure::asked(outcome);
        answers
    }

    /// Leaves these to the thread. What cannot be said is not missed.
    fn say(&self, commands: Vec<Command>) {
        if !self.health.is_well() {
            measure::asked(Outcome::Skipped);
            return;
        }
        let task = Task {
            commands,
            waiting: None,
        };
        if let Err(TrySendError::Full(_)) = self.queue.try_send(task) {
            measure::asked(Outcome::Full);
        }
    }
}

impl Advice for Speaker {
    fn is_limited(&self, names: &[AdviceName]) -> bool {
        let commands = names.iter().cloned().map(Command::IsLimited).collect();
        self.ask(commands)
            .is_some_and(|answers| answers.contains(&true))
    }

    fn limited(&self, name: &AdviceName, seconds: i64) {
        self.say(vec![Command::Limit(name.clone(), seconds)]);
    }

    fn withdraw(&self, names: &[AdviceName]) {
        self.say(names.iter().cloned().map(Command::Withdraw).collect());
    }

    fn claim(&self, names: &[AdviceName]) -> Vec<bool> {
        let mut claimed = vec![true; names.len()];
        for (names, claimed) in names.chunks(AT_ONCE).zip(claimed.chunks_mut(AT_ONCE)) {
            let commands = names.iter().cloned().map(Command::Claim).collect();
            let Some(answers) = self.ask(commands) else {
                // Who did not answer once is not waited for again.
                break;
            };
            for (claimed, answer) in claimed.iter_mut().zip(answers) {
                *claimed = answer;
            }
        }
        claimed
    }

    fn keys_changed(&self) {
        self.say(vec![Command::KeysChanged]);
    }
}

fn jitter() -> u8 {
    let [jitter] = random_bytes();
    jitter
}

/// How long a caller waits for an answer.
const PATIENCE: Duration = Duration::from_millis(50);
/// How long a start waits until it is known whether Redis is well.
const FIRST_TRY: Duration = Duration::from_millis(250);
/// More cannot be answered in time.
const LONGEST_QUEUE: usize = 1_024;
/// So many claims are answered well within the time.
const AT_ONCE: usize = 500;
