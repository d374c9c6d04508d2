use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use keyward_core::StorageWatch;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use crate::queue::{Job, Queue, Ticket};

/// Places for work that blocks its thread, and a queue before them. Clones share both.
///
/// Give the runtime a few more blocking threads than all its lanes have places: work that has
/// begun must not wait for a thread.
#[derive(Clone, Debug)]
pub struct Lane(Arc<Queue>);

impl Lane {
    /// A lane in which `places` work at a time and `queue` wait.
    #[must_use]
    pub fn new(places: usize, queue: usize) -> Self {
        Self(Arc::new(Queue::new(places, queue)))
    }

    /// Does `work` on a blocking thread of the runtime, when there is a place.
    ///
    /// Work that has begun is done to its end, whoever still waits for it: dropping the future
    /// after that changes nothing, and before that the work never begins.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NotDone> {
        let watch = Arc::new(StorageWatch::default());
        let (to, mut outcome) = oneshot::channel();
        let errand = Errand {
            work: Some(work),
            done: None,
            to,
            watch: Arc::clone(&watch),
        };
        let ticket = self.0.enter(Box::new(errand)).ok_or(NotDone::Overloaded)?;
        let mut wait = Wait::starting(Instant::now());
        let mut until = pin!(sleep_until(wait.first_look()));
        loop {
            tokio::select! {
                biased;
                done = &mut outcome => {
                    ticket.close();
                    return done.map_err(|_panicked| NotDone::Panicked);
                }
                () = &mut until => until.as_mut().reset(wait.look(&ticket, &watch)?),
            }
        }
    }
}

/// Work, and who waits for what comes of it.
struct Errand<F, T> {
    work: Option<F>,
    done: Option<T>,
    to: oneshot::Sender<T>,
    watch: Arc<StorageWatch>,
}

impl<T: Send, F: FnOnce() -> T + Send> Job for Errand<F, T> {
    fn work(&mut self) {
        if let Some(work) = self.work.take() {
            self.done = Some(self.watch.over(work));
        }
    }

    fn deliver(self: Box<Self>) {
        if let Some(done) = self.done {
            // Nobody may wait for it any more.
            let _ = self.to.send(done);
        }
    }
}

/// How long somebody has waited, and for what.
struct Wait {
    came: Instant,
    stage: Stage,
}

enum Stage {
    Fresh,
    Queued,
    /// The work is under way.
    Begun(Looks),
}

impl Wait {
    fn starting(came: Instant) -> Self {
        Self {
            came,
            stage: Stage::Fresh,
        }
    }

    fn first_look(&self) -> Instant {
        self.came + SOON
    }

    /// Looks at what has become of the work, and says when to look again, or why not to wait.
    fn look(&mut self, ticket: &Ticket, watch: &StorageWatch) -> Result<Instant, NotDone> {
        match &mut self.stage {
            Stage::Fresh if ticket.still_waits() => {
                self.stage = Stage::Queued;
                Ok(self.came + QUEUE_PATIENCE)
            }
            Stage::Queued if ticket.leave() => Err(NotDone::Overloaded),
            Stage::Fresh | Stage::Queued => {
                let looks = Looks::starting(self.came + PATIENCE - SILENCE);
                let next = looks.next;
                self.stage = Stage::Begun(looks);
                Ok(next)
            }
            Stage::Begun(looks) => {
                let now = looks.next;
                if looks.has_seen_silence(watch) && now >= self.came + PATIENCE {
                    tracing::warn!("the storage does not answer; a client was told to come back");
                    return Err(NotDone::StorageSilent);
                }
                Ok(looks.next)
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

/// Who waits this long behind work that was thought to be quick gets a thread.
const SOON: Duration = Duration::from_millis(1);
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
    use tokio::time::timeout;

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
        while lane.0.under_way() < lane.0.places() {
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
        while lane.0.waiting() < 3 {
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
    async fn the_queue_is_as_long_as_was_said() {
        for (places, length) in [(1, 2), (2, 1), (1, 3), (3, 2)] {
            let lane = Lane::new(places, length);
            let mut releases = Vec::new();
            let mut taken_in = Vec::new();
            for _ in 0..places + length {
                let (release, work) = held();
                let lane = lane.clone();
                releases.push(release);
                taken_in.push(tokio::spawn(async move { lane.run(work).await }));
            }
            until("a full lane", || {
                (lane.0.under_way(), lane.0.waiting()) == (places, length)
            })
            .await;
            assert_eq!(lane.run(|| ()).await, Err(NotDone::Overloaded));
            drop(releases);
            for job in taken_in {
                assert_eq!(job.await.unwrap(), Ok(()));
            }
        }
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
        until("the place", || lane.0.under_way() == 0).await;
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
        until("the place", || lane.0.under_way() == 0).await;
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
        until("a full queue", || lane.0.waiting() == 1).await;
        gone.abort();
        assert!(gone.await.unwrap_err().is_cancelled());
        assert_eq!(lane.0.waiting(), 0);
        drop(release);
        running.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn nobody_waits_behind_slow_work_while_there_is_a_place() {
        let lane = Lane::new(3, 8);
        for _ in 0..20 {
            assert_eq!(lane.run(|| ()).await, Ok(()), "work is quick here");
            let (release, work) = held();
            let (slow, quick) = (lane.clone(), lane.clone());
            let slow = tokio::spawn(async move { slow.run(work).await });
            let quick: Vec<_> = (0..4)
                .map(|n| {
                    let lane = quick.clone();
                    tokio::spawn(async move { lane.run(move || n).await })
                })
                .collect();
            for (n, quick) in quick.into_iter().enumerate() {
                let quick = timeout(Duration::from_millis(900), quick).await;
                let quick = quick.expect("it waits behind the slow one").unwrap();
                assert_eq!(quick, Ok(n));
            }
            drop(release);
            slow.await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn slow_work_has_all_the_places_at_once() {
        let lane = Lane::new(4, 8);
        let together = Arc::new(std::sync::Barrier::new(4));
        let jobs: Vec<_> = (0..8)
            .map(|_| {
                let (lane, together) = (lane.clone(), Arc::clone(&together));
                // Four of them wait for each other.
                tokio::spawn(async move { lane.run(move || together.wait().is_leader()).await })
            })
            .collect();
        let mut leaders = 0;
        for job in jobs {
            leaders += usize::from(job.await.unwrap().unwrap());
        }
        assert_eq!(leaders, 2);
    }

    #[tokio::test]
    async fn all_that_was_taken_in_is_done_once_or_never() {
        let lane = Lane::new(3, 5);
        let begun = Arc::new(AtomicUsize::new(0));
        let mut callers = Vec::new();
        for caller in 0..16_u64 {
            let (lane, begun) = (lane.clone(), Arc::clone(&begun));
            callers.push(tokio::spawn(async move {
                let (mut done, mut panicked, mut refused, mut left) = (0, 0, 0, 0);
                for round in 0..300_u64 {
                    let count = Arc::clone(&begun);
                    let number = caller * 1_000 + round;
                    let work = lane.run(move || {
                        count.fetch_add(1, Ordering::SeqCst);
                        match number % 17 {
                            // A panic that says nothing.
                            0 => std::panic::resume_unwind(Box::new(())),
                            1 => std::thread::sleep(Duration::from_millis(2)),
                            _ => {}
                        }
                        number
                    });
                    // Some are not waited for.
                    let patience = if number.is_multiple_of(5) { 0 } else { 5_000 };
                    match timeout(Duration::from_millis(patience), work).await {
                        Ok(Ok(answer)) if answer == number => done += 1,
                        Ok(Err(NotDone::Panicked)) if number.is_multiple_of(17) => panicked += 1,
                        Ok(Err(NotDone::Overloaded)) => refused += 1,
                        Err(_) if patience == 0 => left += 1,
                        other => panic!("{number}: {other:?}"),
                    }
                }
                (done, panicked, refused, left)
            }));
        }
        let (mut answered, mut left) = (0, 0);
        for caller in callers {
            let (done, panicked, _, gone) = caller.await.unwrap();
            answered += done + panicked;
            left += gone;
        }
        until("the end", || {
            lane.0.under_way() == 0 && lane.0.waiting() == 0
        })
        .await;
        let begun = begun.load(Ordering::SeqCst);
        assert!(answered > 500, "{answered}");
        assert!(
            (answered..=answered + left).contains(&begun),
            "{answered} {left} {begun}"
        );
        for _ in 0..100 {
            assert_eq!(lane.run(|| 7).await, Ok(7), "all places are free again");
        }
        until("threads to leave", || lane.0.threads() == 0).await;
    }

    async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !is_so() {
            assert!(Instant::now() < deadline, "waited in vain for {what}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}
