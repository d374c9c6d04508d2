use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use keyward_core::{Store, StoreError, Timestamp};
use keyward_crypto::ApiKeyId;

use crate::ApiKeys;

/// When keys were used, gathered in memory and written behind.
///
/// To the minute, so that most requests have nothing to note. What was not flushed when the
/// process dies is lost: the time of last use is a help for cleaning up, not a record (that is the
/// audit log).
#[derive(Debug, Default)]
pub struct LastUsed(Mutex<HashMap<ApiKeyId, Timestamp>>);

impl LastUsed {
    /// Notes that a key is used at `now`, unless `stored` says so already.
    pub(crate) fn note(&self, key: ApiKeyId, now: Timestamp, stored: Option<Timestamp>) {
        let minute = Timestamp(now.0 - now.0.rem_euclid(60));
        if stored.is_none_or(|stored| stored < minute) {
            self.lock().insert(key, minute);
        }
    }

    /// Writes what was gathered. What cannot be written is kept for the next time.
    pub fn flush<S: Store<Tx: ApiKeys>>(&self, store: &S) -> Result<(), StoreError> {
        let gathered: Vec<_> = std::mem::take(&mut *self.lock()).into_iter().collect();
        if gathered.is_empty() {
            return Ok(());
        }
        let written = store.write(|tx| tx.touch_api_keys(&gathered));
        if written.is_err() {
            let mut waiting = self.lock();
            for (key, at) in gathered {
                waiting.entry(key).or_insert(at);
            }
        }
        written
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ApiKeyId, Timestamp>> {
        // A panic elsewhere cannot leave a map of times half written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
