use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Shows one thread whether another one waits for the storage.
///
/// A call to a database cannot be taken back from outside: whoever waits for its thread can only
/// stop waiting, and for that must tell a storage that is silent from work that takes its time.
///
/// ```
/// use std::sync::Arc;
/// use keyward_core::{StorageWatch, storage_wait};
///
/// let watch = Arc::new(StorageWatch::default());
/// let during = watch.over(|| storage_wait(|| watch.wait()));
/// assert!(during.is_some());
/// assert_eq!(watch.wait(), None);
/// ```
#[derive(Debug, Default)]
pub struct StorageWatch {
    /// Odd during a wait, and another number in the next one.
    count: AtomicU64,
}

impl StorageWatch {
    /// Does `work` on this thread; its waits for the storage are seen here.
    pub fn over<T>(self: &Arc<Self>, work: impl FnOnce() -> T) -> T {
        let before = WATCH.replace(Some(Arc::clone(self)));
        let _restored = Restored(before);
        work()
    }

    /// The wait that is under way. Two equal answers speak of one wait.
    #[must_use]
    pub fn wait(&self) -> Option<u64> {
        let count = self.count.load(Ordering::Relaxed);
        (count % 2 == 1).then_some(count)
    }

    fn step(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }
}

/// Asks the storage something, in view of the [`StorageWatch`] over this thread, if there is one.
///
/// For adapters of a storage, around everything that can take as long as the storage likes.
pub fn storage_wait<T>(ask: impl FnOnce() -> T) -> T {
    // Within a wait, it is that one.
    let watch = WATCH.with_borrow(|watch| watch.clone().filter(|watch| watch.wait().is_none()));
    let _waiting = watch.map(Waiting::begin);
    ask()
}

thread_local! {
    static WATCH: RefCell<Option<Arc<StorageWatch>>> = const { RefCell::new(None) };
}

/// Puts back the watch of before, also after a panic.
struct Restored(Option<Arc<StorageWatch>>);

impl Drop for Restored {
    fn drop(&mut self) {
        WATCH.set(self.0.take());
    }
}

/// Ends the wait when dropped, also by a panic.
struct Waiting(Arc<StorageWatch>);

impl Waiting {
    fn begin(watch: Arc<StorageWatch>) -> Self {
        watch.step();
        Self(watch)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.step();
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn a_wait_is_seen_from_another_thread_and_the_next_one_is_another() {
        let watch = Arc::new(StorageWatch::default());
        let seen = || std::thread::scope(|scope| scope.spawn(|| watch.wait()).join().unwrap());
        watch.over(|| {
            assert_eq!(seen(), None, "nothing was asked yet");
            let first = storage_wait(seen);
            assert!(first.is_some());
            assert_eq!(seen(), None, "it has answered");
            let (second, same) = storage_wait(|| (seen(), storage_wait(seen)));
            assert!(second.is_some());
            assert_eq!(second, same, "a wait within a wait is that one");
            assert_ne!(first, second);
        });
    }

    #[test]
    fn a_panic_ends_the_wait_and_the_watch() {
        let watch = Arc::new(StorageWatch::default());
        let work = || watch.over(|| storage_wait(|| panic!("on purpose")));
        assert!(catch_unwind(AssertUnwindSafe(work)).is_err());
        assert_eq!(watch.wait(), None);
        storage_wait(|| assert_eq!(watch.wait(), None, "it is over no thread any more"));
    }

    #[test]
    fn without_a_watch_nothing_is_noted() {
        assert_eq!(storage_wait(|| 7), 7);
    }
}
