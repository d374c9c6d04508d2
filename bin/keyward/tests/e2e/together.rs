//! Calls that are made at the same time.
//!
//! `KEYWARD_RACE_ROUNDS` multiplies the rounds.

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
pub(crate) fn many<T: Send>(
    calls: usize,
    threads: usize,
    call: impl Fn(usize) -> T + Sync,
) -> Vec<T> {
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

/// `default` rounds, or as many times that as `KEYWARD_RACE_ROUNDS` says.
#[expect(
    clippy::disallowed_methods,
    reason = "there is no binary to read settings"
)]
pub(crate) fn rounds(default: usize) -> usize {
    let times = std::env::var("KEYWARD_RACE_ROUNDS").ok();
    default * times.and_then(|times| times.parse().ok()).unwrap_or(1)
}
