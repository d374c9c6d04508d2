use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use keyward_crypto::{Password, PasswordHash, Passwords, Verdict};

/// Hashes passwords, only so many at a time.
///
/// Each hash takes 19 MiB and about 20 ms of one core, and anybody may ask for one by trying to
/// log in. So a fixed number runs, a fixed number waits, and whoever comes then is told to come
/// back later. Clones share the places.
///
/// ```
/// use keyward_auth::Hashing;
/// use keyward_crypto::{Password, Passwords};
///
/// let hashing = Hashing::new(Passwords::new());
/// let password = Password::new_secret("correct horse battery".to_owned().into())?;
/// let hash = hashing.hash(&password)?;
/// assert!(hash.as_stored().starts_with("$argon2id$"));
/// // Nobody of that name: it costs the same.
/// let _ = hashing.verify(&password, None)?;
/// assert_eq!(hashing.hashed(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Hashing(Arc<Shared>);

struct Shared {
    passwords: Passwords,
    running_at_most: usize,
    waiting_at_most: usize,
    places: Mutex<Places>,
    freed: Condvar,
    hashed: AtomicU64,
}

#[derive(Default)]
struct Places {
    running: usize,
    waiting: usize,
}

impl Hashing {
    /// As many at a time as there are cores, and 32 waiting.
    #[must_use]
    pub fn new(passwords: Passwords) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::with_places(passwords, cores, WAITING)
    }

    /// `running` at a time (at least one), and `waiting` behind them.
    #[must_use]
    pub fn with_places(passwords: Passwords, running: usize, waiting: usize) -> Self {
        Self(Arc::new(Shared {
            passwords,
            running_at_most: running.max(1),
            waiting_at_most: waiting,
            places: Mutex::default(),
            freed: Condvar::new(),
            hashed: AtomicU64::new(0),
        }))
    }

    /// Hashes a new password.
    pub fn hash(&self, password: &Password) -> Result<PasswordHash, Overloaded> {
        let _place = self.place()?;
        Ok(self.0.passwords.hash(password))
    }

    /// Checks a password; see [`Passwords::verify`].
    pub fn verify(
        &self,
        password: &Password,
        hash: Option<&PasswordHash>,
    ) -> Result<Verdict, Overloaded> {
        let _place = self.place()?;
        Ok(self.0.passwords.verify(password, hash))
    }

    /// How many passwords were hashed since the start, right, wrong and new ones: a metric, and the
    /// proof that every attempt costs the same.
    #[must_use]
    pub fn hashed(&self) -> u64 {
        self.0.hashed.load(Ordering::Relaxed)
    }

    fn place(&self) -> Result<Place<'_>, Overloaded> {
        let mut places = self.0.lock();
        if places.running >= self.0.running_at_most {
            if places.waiting >= self.0.waiting_at_most {
                return Err(Overloaded);
            }
            places.waiting += 1;
            while places.running >= self.0.running_at_most {
                places = self
                    .0
                    .freed
                    .wait(places)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            places.waiting -= 1;
        }
        places.running += 1;
        self.0.hashed.fetch_add(1, Ordering::Relaxed);
        Ok(Place(&self.0))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Places> {
        // Nothing panics while it is held, and two counters cannot be half written.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One hash that may run. Given back when dropped, also by a panic.
struct Place<'a>(&'a Shared);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.lock().running -= 1;
        self.0.freed.notify_one();
    }
}

/// More passwords are being hashed than this machine can; try again in a few seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being checked at the moment")]
pub struct Overloaded;

const WAITING: usize = 32;

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::AtomicUsize;
    use std::thread;

    use super::*;

    fn password() -> Password {
        Password::attempt("correct horse battery".into()).unwrap()
    }

    #[test]
    fn beyond_those_that_run_and_those_that_wait_everybody_is_turned_away() {
        let hashing = Hashing::with_places(Passwords::danger_fast(), 1, 2);
        let held = hashing.place().unwrap();
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| assert!(hashing.hash(&password()).is_ok()));
            }
            while hashing.0.lock().waiting < 2 {
                thread::yield_now();
            }
            assert_eq!(hashing.hash(&password()).unwrap_err(), Overloaded);
            assert_eq!(hashing.verify(&password(), None).unwrap_err(), Overloaded);
            drop(held);
        });
        assert!(hashing.hash(&password()).is_ok(), "places are free again");
    }

    #[test]
    fn never_more_run_than_there_are_places() {
        let hashing = Hashing::with_places(Passwords::danger_fast(), 3, 100);
        let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let start = Barrier::new(24);
        thread::scope(|scope| {
            for _ in 0..24 {
                scope.spawn(|| {
                    start.wait();
                    for _ in 0..20 {
                        let place = hashing.place().unwrap();
                        let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                        most.fetch_max(now, Ordering::SeqCst);
                        thread::yield_now();
                        running.fetch_sub(1, Ordering::SeqCst);
                        drop(place);
                    }
                });
            }
        });
        assert!((1..=3).contains(&most.into_inner()));
        let places = hashing.0.lock();
        assert_eq!((places.running, places.waiting), (0, 0));
    }

    #[test]
    fn what_was_hashed_and_compared_is_counted() {
        let hashing = Hashing::with_places(Passwords::danger_fast(), 1, 0);
        assert_eq!(hashing.hashed(), 0);
        let hash = hashing.hash(&password()).unwrap();
        assert_eq!(hashing.hashed(), 1);
        assert!(hashing.verify(&password(), Some(&hash)).is_ok());
        assert_eq!(hashing.hashed(), 2);
    }

    #[test]
    fn a_place_comes_back_from_a_panic() {
        let hashing = Hashing::with_places(Passwords::danger_fast(), 1, 0);
        let panicked = thread::scope(|scope| {
            scope
                .spawn(|| {
                    let _place = hashing.place().unwrap();
                    panic!("on purpose");
                })
                .join()
        });
        assert!(panicked.is_err());
        assert!(hashing.hash(&password()).is_ok());
    }
}
