use std::sync::Arc;
use std::time::Duration;

use keyward_core::StorageWatch;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout_at};

/// Places for work that blocks its thread, and a queue before them. Clones share both.
///
/// Give the runtime a few more blocking threads than all its lanes have places: work that has
/// begun must not wait for a thread.
#[derive(Clone, Debug)]
pub struct Lane {
    places: Arc<Semaphore>,
    queue: Arc<Semaphore>,
}

impl Lane {
    /// A lane in which `places` work at a time and `queue` wait.
    #[must_use]
    pub fn new(places: usize, queue: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(places)),
            queue: Arc::new(Semaphore::new(queue)),
        }
    }

    /// Does `work` on a blocking thread of the runtime, when there is a place.
    ///
    /// Work that has begun is done to its end, whoever still waits for it: dropping the future
    /// after that changes nothing, and before that the work never begins.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NotDone> {
        let came = Instant::now();
        let place = self.enter(came).await?;
        let watch = Arc::new(StorageWatch::default());
        let watched = Arc::clone(&watch);
        let job = tokio::task::spawn_blocking(move || {
            let _place = place;
            watched.over(work)
        });
        outcome(job, &watch, came + PATIENCE).await
    }

    async fn enter(&self, came: Instant) -> Result<OwnedSemaphorePermit, NotDone> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(place);
        }
        let _queued = self.queue.try_acquire().map_err(|_| NotDone::Overloaded)?;
        let place = Arc::clone(&self.places).acquire_owned();
        match timeout_at(came + QUEUE_PATIENCE, place).await {
            Ok(Ok(place)) => Ok(place),
            _ => Err(NotDone::Overloaded),
        }
    }
}

/// Waits for the end of the work, unless the storage leaves it waiting.
async fn outcome<T>(
    mut job: JoinHandle<T>,
    watch: &StorageWatch,
    until: Instant,
) -> Result<T, NotDone> {
    let first_look = until.checked_sub(SILENCE).unwrap_or(until);
    let mut looks = Looks::starting(first_look);
    loop {
        tokio::select! {
            biased;
            done = &mut job => return done.map_err(|_panicked| NotDone::Panicked),
            () = sleep_until(looks.next) => {
                if looks.has_seen_silence(watch) && looks.next >= until {
                    tracing::warn!("the storage does not answer; a client was told to come back");
                    return Err(NotDone::StorageSilent);
                }
            }
        }
    }
}

/// Looks at a watch again and again.
struct Looks {
    next: Instant,
    /// The wait that was seen, and when first.
    seen: Option<(u64, Instant)>,
}

impl Looks {
    fn starting(next: Instant) -> Self {
        Self { next, seen: None }
    }

    /// Whether one wait was seen for as long as no storage that works needs.
    fn has_seen_silence(&mut self, watch: &StorageWatch) -> bool {
        // Not the time for which the look was planned: after a stall many are due at once.
        let now = Instant::now().max(self.next);
        let wait = watch.wait();
        self.next = now + BETWEEN_LOOKS;
        match (wait, self.seen) {
            (Some(wait), Some((seen, since))) if wait == seen => now - since >= SILENCE,
            (wait, _) => {
                self.seen = wait.map(|wait| (wait, now));
                false
            }
        }
    }
}

/// Why work has no outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotDone {
    /// There was no place, and none in the queue or none in time. The work never began.
    #[error("too much is under way at the moment")]
    Overloaded,
    /// The storage does not answer. The work may still be done later.
    #[error("the storage does not answer")]
    StorageSilent,
    /// The work panicked.
    #[error("the work panicked")]
    Panicked,
}

/// From the arrival. With the time that the rest of an answer needs, it is there within two seconds.
const PATIENCE: Duration = Duration::from_millis(1_700);
/// How long one question to the storage must be without an answer.
const SILENCE: Duration = Duration::from_millis(500);
const BETWEEN_LOOKS: Duration = Duration::from_millis(125);
const QUEUE_PATIENCE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use keyward_core::storage_wait;

    use super::*;

    /// Work that is under way until the sender is dropped.
    fn held() -> (mpsc::Sender<()>, impl FnOnce() + Send + 'static) {
        let (release, held) = mpsc::channel::<()>();
        (release, move || {
            // An error is the signal.
            let _ = held.recv();
        })
    }

    async fn until_full(lane: &Lane) {
        while lane.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn beyond_the_places_and_the_queue_everybody_is_turned_away_at_once() {
        let lane = Lane::new(2, 3);
        let mut running = Vec::new();
        let mut releases = Vec::new();
        for _ in 0..2 {
            let (release, work) = held();
            let lane = lane.clone();
            releases.push(release);
            running.push(tokio::spawn(async move { lane.run(work).await }));
        }
        until_full(&lane).await;
        let waiting: Vec<_> = (0..3)
            .map(|n| {
                let lane = lane.clone();
                tokio::spawn(async move { lane.run(move || n).await })
            })
            .collect();
        while lane.queue.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let started = Instant::now();
        assert_eq!(lane.run(|| ()).await, Err(NotDone::Overloaded));
        assert!(started.elapsed() < Duration::from_millis(100));

        drop(releases);
        for job in running {
            assert_eq!(job.await.unwrap(), Ok(()));
        }
        for (n, job) in waiting.into_iter().enumerate() {
            assert_eq!(
                job.await.unwrap(),
                Ok(n),
                "those in the queue have their turn"
            );
        }
        assert_eq!(lane.run(|| 1).await, Ok(1), "all places are free again");
    }

    #[tokio::test]
    async fn nobody_waits_long_in_the_queue() {
        let lane = Lane::new(1, 1);
        let (release, work) = held();
        let busy = lane.clone();
        let running = tokio::spawn(async move { busy.run(work).await });
        until_full(&lane).await;
        let started = Instant::now();
        let begun = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&begun);
        let refused = lane.run(move || count.fetch_add(1, Ordering::SeqCst)).await;
        assert_eq!(refused, Err(NotDone::Overloaded));
        assert!(started.elapsed() >= QUEUE_PATIENCE);
        drop(release);
        running.await.unwrap().unwrap();
        assert_eq!(
            begun.load(Ordering::SeqCst),
            0,
            "what was refused never begins"
        );
    }

    #[tokio::test]
    async fn a_silent_storage_is_noticed_and_keeps_its_place() {
        let lane = Lane::new(1, 0);
        let (release, work) = held();
        let started = Instant::now();
        let silent = lane.run(move || storage_wait(work)).await;
        assert_eq!(silent, Err(NotDone::StorageSilent));
        assert!((PATIENCE..Duration::from_secs(2)).contains(&started.elapsed()));
        assert_eq!(
            lane.run(|| ()).await,
            Err(NotDone::Overloaded),
            "the thread still waits"
        );
        drop(release);
        until("the place", || lane.places.available_permits() == 1).await;
        assert_eq!(lane.run(|| 7).await, Ok(7), "it answers again");
    }

    #[tokio::test]
    async fn work_that_takes_its_time_without_the_storage_is_waited_for() {
        let lane = Lane::new(1, 0);
        let slow = PATIENCE + SILENCE + BETWEEN_LOOKS;
        assert_eq!(lane.run(move || std::thread::sleep(slow)).await, Ok(()));
    }

    #[tokio::test]
    async fn a_storage_that_answers_one_question_after_the_other_is_waited_for() {
        let lane = Lane::new(1, 0);
        let work = || {
            for _ in 0..12 {
                storage_wait(|| std::thread::sleep(SILENCE / 2));
            }
        };
        assert_eq!(lane.run(work).await, Ok(()));
    }

    #[tokio::test]
    async fn a_panic_gives_the_place_back() {
        let lane = Lane::new(1, 0);
        let panicked = lane.run(|| panic!("on purpose")).await;
        assert_eq!(panicked, Err(NotDone::Panicked));
        until("the place", || lane.places.available_permits() == 1).await;
        assert_eq!(lane.run(|| 7).await, Ok(7));
    }

    #[tokio::test]
    async fn who_goes_away_before_their_turn_leaves_no_trace() {
        let lane = Lane::new(1, 1);
        let (release, work) = held();
        let busy = lane.clone();
        let running = tokio::spawn(async move { busy.run(work).await });
        until_full(&lane).await;
        let gone = lane.clone();
        let gone = tokio::spawn(async move { gone.run(|| ()).await });
        until("a full queue", || lane.queue.available_permits() == 0).await;
        gone.abort();
        assert!(gone.await.unwrap_err().is_cancelled());
        assert_eq!(lane.queue.available_permits(), 1);
        drop(release);
        running.await.unwrap().unwrap();
    }

    async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !is_so() {
            assert!(Instant::now() < deadline, "waited in vain for {what}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}
