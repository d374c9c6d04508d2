use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use keyward_core::{Store, StoreError, Timestamp};
use keyward_crypto::{ApiKeyId, Mac, Signed};

use crate::{ApiKeyRecord, ApiKeys};

/// What the use of keys changes in their rows, gathered in memory and written behind: when they
/// were used last, and after a change of `SECRET_KEY` the MAC of their secret under the new one.
///
/// To the minute, so that most requests have nothing to note. What was not flushed when the
/// process dies is lost: the time of last use is a help for cleaning up, not a record (that is the
/// audit log), and a MAC is made anew at the next use.
#[derive(Debug, Default)]
pub struct LastUsed {
    times: Mutex<HashMap<ApiKeyId, Timestamp>>,
    renewed: Mutex<HashMap<ApiKeyId, Renewed>>,
}

/// A row that was signed by an older secret, and the same row under the active one.
#[derive(Debug)]
struct Renewed {
    old: Mac,
    new: Signed<ApiKeyRecord>,
}

impl LastUsed {
    /// Notes that a key is used at `now`, unless `stored` says so already.
    pub(crate) fn note(&self, key: ApiKeyId, now: Timestamp, stored: Option<Timestamp>) {
        let minute = Timestamp(now.0 - now.0.rem_euclid(60));
        if stored.is_none_or(|stored| stored < minute) {
            lock(&self.times).insert(key, minute);
        }
    }

    /// Notes the row of a key whose secret was at hand for a MAC under the active `SECRET_KEY`.
    pub(crate) fn renew(&self, old: Mac, new: Signed<ApiKeyRecord>) {
        let id = new.unverified().id;
        lock(&self.renewed).insert(id, Renewed { old, new });
    }

    /// Writes what was gathered. What cannot be written is kept for the next time.
    pub fn flush<S: Store<Tx: ApiKeys>>(&self, store: &S) -> Result<(), StoreError> {
        let renewed = self.flush_renewed(store);
        let gathered: Vec<_> = std::mem::take(&mut *lock(&self.times))
            .into_iter()
            .collect();
        if gathered.is_empty() {
            return renewed;
        }
        let written = store.write(|tx| tx.touch_api_keys(&gathered));
        if written.is_err() {
            let mut waiting = lock(&self.times);
            for (key, at) in gathered {
                waiting.entry(key).or_insert(at);
            }
        }
        written.and(renewed)
    }

    /// A row that has changed meanwhile is left: its key is renewed at its next use. The same when
    /// the store fails.
    fn flush_renewed<S: Store<Tx: ApiKeys>>(&self, store: &S) -> Result<(), StoreError> {
        let renewed = std::mem::take(&mut *lock(&self.renewed));
        for Renewed { old, new } in renewed.into_values() {
            // Each on its own, so that nobody who changes several keys waits for this in a circle.
            store.write(|tx| tx.replace_api_key(&old, &new))?;
        }
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere cannot leave a map half written.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
