use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use crate::client::Health;
use crate::command::{Command, Names, Task};
use crate::link::Link;
use crate::thread::Stop;
use crate::url::RedisUrl;

/// Owns the connection, asks for callers, and probes when Redis was not well.
pub(crate) struct Worker {
    url: RedisUrl,
    names: Names,
    health: Arc<Health>,
    tasks: Receiver<Task>,
    link: Option<Link>,
}

impl Worker {
    pub(crate) fn new(
        url: RedisUrl,
        names: Names,
        health: Arc<Health>,
        tasks: Receiver<Task>,
    ) -> Self {
        Self {
            url,
            names,
            health,
            tasks,
            link: None,
        }
    }

    /// Works until it is told to stop, or nobody can ask any more. Tells `tried` when Redis was
    /// probed for the first time.
    pub(crate) fn run(mut self, stop: &Stop, tried: &SyncSender<()>) {
        self.probe();
        // The start may not have waited so long.
        let _ = tried.try_send(());
        let mut idle_since = Instant::now();
        while stop.go_on() {
            if self.is_probe_due(idle_since) {
                self.probe();
                idle_since = Instant::now();
            }
            match self.tasks.recv_timeout(PAUSE) {
                Ok(first) => {
                    self.work(first);
                    idle_since = Instant::now();
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
        self.say_what_is_left();
    }

    /// When it was not well, after the pause; when it is, after a while in which nobody has asked, so
    /// that no caller has to find out.
    fn is_probe_due(&self, idle_since: Instant) -> bool {
        match self.health.probe_in(Instant::now()) {
            Some(wait) => wait.is_zero(),
            None => idle_since.elapsed() >= PROBE_EVERY,
        }
    }

    fn probe(&mut self) {
        let mut link = match self.link.take() {
            Some(link) => Ok(link),
            None => Link::connect(&self.url),
        };
        let outcome = match &mut link {
            Ok(link) => link.probe(),
            Err(why) => Err(*why),
        };
        match outcome {
            Ok(()) => {
                self.link = link.ok();
                self.health.probe_answered();
            }
            // The connection is dropped: what comes over it may be the answer to something else.
            Err(why) => self.health.probe_failed(why),
        }
    }

    /// Does this task and what waits behind it in one go.
    fn work(&mut self, first: Task) {
        let now = Instant::now();
        let waiting = std::iter::once(first).chain(self.tasks.try_iter().take(MOST_TASKS));
        let tasks: Vec<_> = waiting.filter(|task| !task.is_stale(now)).collect();
        // Who waits for what is dropped here goes on at once.
        if tasks.is_empty() || !self.health.is_well() {
            return;
        }
        let Some(link) = &mut self.link else {
            return;
        };
        let commands: Vec<Command> = tasks
            .iter()
            .flat_map(|task| task.commands.iter().cloned())
            .collect();
        match link.run(&commands, &self.names) {
            Ok(answers) => deliver(tasks, answers),
            Err(why) => {
                self.link = None;
                self.health.failed(why);
            }
        }
    }

    /// A command of the host that has changed keys ends right after it has said so.
    fn say_what_is_left(&mut self) {
        if let Ok(first) = self.tasks.try_recv() {
            self.work(first);
        }
    }
}

fn deliver(tasks: Vec<Task>, answers: Vec<bool>) {
    let mut answers = answers.into_iter();
    for task in tasks {
        let answers = answers.by_ref().take(task.commands.len()).collect();
        if let Some(waiting) = task.waiting {
            // Who has waited too long is gone.
            let _ = waiting.answer.try_send(answers);
        }
    }
}

/// Between looks at whether to stop and whether to probe.
const PAUSE: Duration = Duration::from_millis(100);
const PROBE_EVERY: Duration = Duration::from_secs(5);
/// In one go, besides the first.
const MOST_TASKS: usize = 255;
