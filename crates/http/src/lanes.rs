use keyward_admission::{Lane, NotDone};

use crate::Problem;

/// What work waits for, so that one kind cannot take the places of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// The storage.
    Storage,
    /// A hash of a password, which anybody may ask for.
    Password,
    /// Another service.
    Question,
}

/// Where the work of one worker waits for its turn. Clones share the places.
#[derive(Clone, Debug)]
pub(crate) struct Lanes {
    storage: Lane,
    passwords: Lane,
    questions: Lane,
}

impl Lanes {
    pub(crate) fn new() -> Self {
        Self {
            storage: Lane::new(STORAGE, 8 * STORAGE),
            passwords: Lane::new(PASSWORDS, 16 * PASSWORDS),
            questions: Lane::new(QUESTIONS, 0),
        }
    }

    /// Does `work` on a thread that may wait.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        kind: Work,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let lane = match kind {
            Work::Storage => &self.storage,
            Work::Password => &self.passwords,
            Work::Question => &self.questions,
        };
        let span = tracing::Span::current();
        let done = lane.run(move || span.in_scope(work)).await;
        done.map_err(Problem::from)
    }
}

impl From<NotDone> for Problem {
    fn from(why: NotDone) -> Self {
        match why {
            NotDone::Overloaded => Self::overloaded(),
            NotDone::StorageSilent => Self::unavailable(),
            _ => Self::internal(),
        }
    }
}

/// How many blocking threads a worker needs so that work which has begun never waits for one:
/// `HttpServer::new(…).worker_max_blocking_threads(BLOCKING_THREADS)`.
pub const BLOCKING_THREADS: usize = STORAGE + PASSWORDS + QUESTIONS + READINESS;

/// More would only wait for one of a few connections to the database.
const STORAGE: usize = 16;
const PASSWORDS: usize = 4;
/// Threads that wait for a slow provider.
const QUESTIONS: usize = 4;
/// One asks at a time; the others are for who never comes back.
pub(crate) const READINESS: usize = 4;
