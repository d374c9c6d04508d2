use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;

/// Something to do on a thread that may wait.
pub(crate) trait Job: Send {
    /// Does it, once. It may panic.
    fn work(&mut self);
    /// Hands over what came of it.
    fn deliver(self: Box<Self>);
}

/// Work that waits for its turn, and the threads that do it.
///
/// To wake a thread takes longer than most of this work. So who has done one thing takes the next,
/// and one more thread is sent for only where that would take long.
#[derive(Debug)]
pub(crate) struct Queue {
    places: usize,
    length: usize,
    state: Mutex<State>,
}

struct State {
    /// In the order of their numbers.
    waiting: VecDeque<(u64, Box<dyn Job>)>,
    next_number: u64,
    /// How much work is under way.
    busy: usize,
    /// Threads that are at work or on their way.
    threads: usize,
    /// When the last work began, or a thread was sent for.
    latest_start: Instant,
    /// Whether the work that ended last was quick.
    is_quick: bool,
}

impl Queue {
    /// A queue in which `length` wait while `places` are at work.
    pub(crate) fn new(places: usize, length: usize) -> Self {
        Self {
            places,
            length,
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                next_number: 0,
                busy: 0,
                threads: 0,
                latest_start: Instant::now(),
                is_quick: true,
            }),
        }
    }

    /// Takes a job in, or says that there is no place and none in the queue.
    pub(crate) fn enter(self: &Arc<Self>, job: Box<dyn Job>) -> Option<Ticket> {
        let mut state = self.lock();
        if state.busy + state.waiting.len() >= self.places + self.length {
            return None;
        }
        let number = state.next_number;
        state.next_number += 1;
        state.waiting.push_back((number, job));
        let is_one_soon_free = state.is_quick && state.latest_start.elapsed() < QUICK;
        if state.threads == 0 || !is_one_soon_free {
            self.send_for_another(state);
        }
        Some(Ticket {
            queue: Arc::clone(self),
            number,
            is_done: false,
        })
    }

    /// Sends for one more thread, where there is work for it and a place.
    fn send_for_another(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        let wanted = state.busy + state.waiting.len();
        if state.threads >= wanted.min(self.places) {
            return;
        }
        state.threads += 1;
        state.latest_start = Instant::now();
        drop(state);
        let thread = Thread {
            queue: Arc::clone(self),
            is_counted: true,
        };
        Handle::current().spawn_blocking(move || thread.work());
    }

    /// The next job for a thread, which has finished one if `was_quick` says how.
    fn next(self: &Arc<Self>, was_quick: Option<bool>) -> Option<Box<dyn Job>> {
        let mut state = self.lock();
        if let Some(was_quick) = was_quick {
            state.busy -= 1;
            state.is_quick = was_quick;
        }
        let Some((_, job)) = state.waiting.pop_front() else {
            // In one step with the look into the queue: who enters it now sends for a thread.
            state.threads -= 1;
            return None;
        };
        state.busy += 1;
        state.latest_start = Instant::now();
        if !state.is_quick {
            self.send_for_another(state);
        }
        Some(job)
    }

    #[cfg(test)]
    pub(crate) fn places(&self) -> usize {
        self.places
    }

    #[cfg(test)]
    pub(crate) fn under_way(&self) -> usize {
        self.lock().busy
    }

    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    #[cfg(test)]
    pub(crate) fn threads(&self) -> usize {
        self.lock().threads
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic happens under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn place_of(&self, number: u64) -> Option<usize> {
        let found = self
            .waiting
            .binary_search_by_key(&number, |(number, _)| *number);
        found.ok()
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("waiting", &self.waiting.len())
            .field("busy", &self.busy)
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}

/// A thread that takes one job after the other, until there is none.
struct Thread {
    queue: Arc<Queue>,
    is_counted: bool,
}

impl Thread {
    fn work(mut self) {
        let mut was_quick = None;
        let mut done: Option<Box<dyn Job>> = None;
        loop {
            let next = self.queue.next(was_quick);
            // The place is free before anybody hears that it is.
            if let Some(done) = done.take() {
                done.deliver();
            }
            let Some(mut job) = next else {
                self.is_counted = false;
                return;
            };
            let began = Instant::now();
            // A job that panicked has nothing to deliver, and says so by that.
            let _ = catch_unwind(AssertUnwindSafe(|| job.work()));
            was_quick = Some(began.elapsed() < QUICK);
            done = Some(job);
        }
    }
}

impl Drop for Thread {
    /// A runtime that stops starts no thread any more.
    fn drop(&mut self) {
        if self.is_counted {
            self.queue.lock().threads -= 1;
        }
    }
}

/// A place in the queue, which is left when this is dropped. Work that has begun goes on.
pub(crate) struct Ticket {
    queue: Arc<Queue>,
    number: u64,
    is_done: bool,
}

impl Ticket {
    /// Whether the work has not begun. If so, a thread is sent for, where there is a place for one.
    pub(crate) fn still_waits(&self) -> bool {
        let state = self.queue.lock();
        let waits = state.place_of(self.number).is_some();
        if waits {
            self.queue.send_for_another(state);
        }
        waits
    }

    /// Leaves the queue. Says whether the work had not begun, and then never does.
    pub(crate) fn leave(&self) -> bool {
        let mut state = self.queue.lock();
        let place = state.place_of(self.number);
        let job = place.and_then(|place| state.waiting.remove(place));
        // It is dropped, with what it holds, when others can enter again.
        drop(state);
        job.is_some()
    }

    /// What came of the work has arrived.
    pub(crate) fn close(mut self) {
        self.is_done = true;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.is_done {
            self.leave();
        }
    }
}

/// What takes no longer is not worth the waking of another thread.
const QUICK: Duration = Duration::from_micros(100);

#[cfg(test)]
mod tests {
    use super::*;

    /// As when the runtime stops and drops what it was given to do.
    #[test]
    fn a_thread_that_never_comes_is_not_waited_for() {
        let queue = Arc::new(Queue::new(2, 1));
        queue.lock().threads = 2;
        for left in [1, 0] {
            drop(Thread {
                queue: Arc::clone(&queue),
                is_counted: true,
            });
            assert_eq!(queue.threads(), left);
        }
    }
}
