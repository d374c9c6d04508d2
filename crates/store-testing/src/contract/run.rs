use std::error::Error as _;
use std::sync::Barrier;
use std::thread;

use keyward_core::{Store, StoreError};

/// Reads, or panics with the cause.
#[track_caller]
pub(crate) fn read<S: Store, T>(
    store: &S,
    work: impl FnOnce(&mut S::Tx) -> Result<T, StoreError>,
) -> T {
    works(store.read(work))
}

/// Writes and commits, or panics with the cause.
#[track_caller]
pub(crate) fn write<S: Store, T>(
    store: &S,
    work: impl FnOnce(&mut S::Tx) -> Result<T, StoreError>,
) -> T {
    works(store.write(work))
}

#[track_caller]
pub(crate) fn works<T>(outcome: Result<T, StoreError>) -> T {
    outcome.unwrap_or_else(|error| {
        let cause = error.source().map(ToString::to_string).unwrap_or_default();
        panic!("the store failed where it should work: {error}: {cause}")
    })
}

/// Writes, fails on purpose, and hands out what `work` saw.
#[track_caller]
pub(crate) fn undone<S: Store, T>(
    store: &S,
    work: impl FnOnce(&mut S::Tx) -> Result<T, StoreError>,
) -> T {
    let mut seen = None;
    let outcome = store.write(|tx| {
        seen = Some(work(tx)?);
        Err::<(), _>(OnPurpose::Undo)
    });
    match outcome {
        Ok(()) => panic!("`write` returned Ok although the work returned Err"),
        Err(OnPurpose::Failed(error)) => works(Err(error)),
        Err(OnPurpose::Undo) => {
            seen.unwrap_or_else(|| panic!("`write` never ran the work that it was given"))
        }
    }
}

/// An error of a service, which a store must hand through.
#[derive(Debug)]
pub(crate) enum OnPurpose {
    Undo,
    Failed(StoreError),
}

impl From<StoreError> for OnPurpose {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

/// Runs `work` in several threads that start at the same moment, and collects what they return.
/// The first panic of one goes on here.
pub(crate) fn race<T: Send>(racers: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let start = Barrier::new(racers);
    let (start, work) = (&start, &work);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..racers)
            .map(|racer| {
                scope.spawn(move || {
                    start.wait();
                    work(racer)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    })
}

/// How many are `true`.
pub(crate) fn count(answers: &[bool]) -> usize {
    answers.iter().filter(|answer| **answer).count()
}

/// Goes through a list page by page, as a client does, and collects all of it.
#[track_caller]
pub(crate) fn paged<Item, Cursor>(
    limit: i64,
    mut page: impl FnMut(Option<Cursor>, i64) -> Vec<Item>,
    cursor: impl Fn(&Item) -> Cursor,
) -> Vec<Item> {
    let size = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut all: Vec<Item> = Vec::new();
    loop {
        let items = page(all.last().map(&cursor), limit);
        assert!(
            items.len() <= size,
            "a list of up to {limit} has {} items",
            items.len()
        );
        let is_last = items.len() < size;
        all.extend(items);
        if is_last {
            return all;
        }
        assert!(
            all.len() < 1_000_000,
            "a list does not end: is the cursor left out of the query?"
        );
    }
}
