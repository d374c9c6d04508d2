//! Calls that are made at the same time.

use std::sync::Barrier;
use std::thread;

use crate::running::Answer;

/// Makes two calls at the same moment.
pub(crate) fn both(
    first: impl FnOnce() -> Answer,
    second: impl FnOnce() -> Answer + Send,
) -> [Answer; 2] {
    let start = Barrier::new(2);
    thread::scope(|scope| {
        let second = scope.spawn(|| {
            start.wait();
            second()
        });
        start.wait();
        [first(), second.join().unwrap()]
    })
}

/// Makes calls 0 to `calls` from `threads` threads, each of which makes its own one after another.
pub(crate) fn many(
    calls: usize,
    threads: usize,
    call: impl Fn(usize) -> Answer + Sync,
) -> Vec<Answer> {
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|thread| {
                let call = &call;
                let mine = (thread..calls).step_by(threads);
                scope.spawn(move || mine.map(call).collect::<Vec<_>>())
            })
            .collect();
        let answers = threads.into_iter().flat_map(|t| t.join().unwrap());
        answers.collect()
    })
}
