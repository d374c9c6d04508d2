use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use keyward_core::{Store, StoreError, Timestamp};
use keyward_crypto::{ApiKeyId, Mac, Signed};

use crate::{AdviceName, ApiKeyRecord, ApiKeys, Environment};

/// What the use of keys changes in their rows, gathered in memory and written behind: when they
/// were used last, and after a change of `SECRET_KEY` the MAC of their secret under the new one.
///
/// To the minute, so that most requests have nothing to note. What was not flushed when the
/// process dies is lost: the time of last use is a help for cleaning up and lets sessions end that nobody uses
/// (then earlier than otherwise), not a record (that is the audit log), and a MAC is made anew at the next use.
///
/// ```
/// use keyward_auth::{Environment, ManageKeys, Username};
/// use keyward_crypto::Password;
/// # use std::sync::Arc;
/// # use keyward_auth::{Authenticate, LastUsed, Setup};
/// # use keyward_crypto::{FieldKey, KeyRing, MacRing};
/// # let store = Arc::new(keyward_store_testing::MemoryStore::new());
/// # let fields = KeyRing::new(vec![FieldKey::generate()])?;
/// # let macs = MacRing::parse(MacRing::generate_secret().expose())?;
/// # let environment = Environment::new(store, fields, macs);
/// # let password = Password::new_secret("correct horse battery".to_owned().into())?;
/// # let admin = Setup::new(environment.clone()).first_admin(&Username::parse("ada")?, &password)?;
/// # let last_used = Arc::new(LastUsed::default());
/// # let Environment { store, macs, clock, .. } = environment.clone();
/// # let authenticate = Authenticate::new(store, macs, clock, Arc::clone(&last_used));
///
/// // `environment`, `authenticate` and `admin` are as on the page of this crate; `authenticate` has a
/// // share of `last_used`.
/// let permit = authenticate.principal(&admin.key)?.permit()?;
/// let keys = ManageKeys::new(environment.clone());
/// assert_eq!(keys.list_own(&permit, None, 1)?[0].last_used_at, None);
/// last_used.flush(&environment.store)?;
/// assert!(keys.list_own(&permit, None, 1)?[0].last_used_at.is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct LastUsed {
    times: Mutex<HashMap<ApiKeyId, Noted>>,
    renewed: Mutex<HashMap<ApiKeyId, Renewed>>,
}

/// When a key was used, and since when that was left to another node, if it was.
#[derive(Clone, Copy, Debug)]
struct Noted {
    at: Timestamp,
    left_since: Option<Timestamp>,
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
            let mut times = lock(&self.times);
            let noted = times.entry(key).or_insert(Noted {
                at: minute,
                left_since: None,
            });
            noted.at = minute;
        }
    }

    /// The time that waits to be written, if a key was used here lately.
    pub(crate) fn noted(&self, key: ApiKeyId) -> Option<Timestamp> {
        lock(&self.times).get(&key).map(|noted| noted.at)
    }

    /// Notes the row of a key whose secret was at hand for a MAC under the active `SECRET_KEY`.
    pub(crate) fn renew(&self, old: Mac, new: Signed<ApiKeyRecord>) {
        let id = new.unverified().id;
        lock(&self.renewed).insert(id, Renewed { old, new });
    }

    /// Writes what was gathered. What cannot be written is kept for the next time.
    pub fn flush<S: Store<Tx: ApiKeys>>(&self, store: &S) -> Result<(), StoreError> {
        let renewed = self.flush_renewed(store);
        self.write(store, self.gathered()).and(renewed)
    }

    /// [`flush`](Self::flush) without the times that another node claims to write. Whether it does is
    /// nothing to rely on: what was left to others for five minutes is written here, too.
    pub fn flush_shared<S: Store<Tx: ApiKeys>>(
        &self,
        environment: &Environment<S>,
    ) -> Result<(), StoreError> {
        let renewed = self.flush_renewed(&environment.store);
        let now = environment.clock.now();
        let gathered = self.gathered();
        let names: Vec<_> = gathered
            .iter()
            .map(|(key, noted)| {
                let minute = noted.at.0.to_be_bytes();
                let parts = [b"last-used", key.as_str().as_bytes(), &minute];
                AdviceName::of(&environment.macs, &parts)
            })
            .collect();
        let claimed = environment.advice.claim(&names);
        // What nobody answered for is ours.
        let claimed = claimed.into_iter().chain(std::iter::repeat(true));
        let (ours, others): (Vec<_>, Vec<_>) = gathered
            .into_iter()
            .zip(claimed)
            .partition(|((_, noted), claimed)| *claimed || noted.is_due(now));
        let since = |noted: Noted| noted.left_since.unwrap_or(now);
        self.keep(others.into_iter().map(|((key, noted), _)| {
            let left_since = Some(since(noted));
            (
                key,
                Noted {
                    left_since,
                    ..noted
                },
            )
        }));
        let ours = ours.into_iter().map(|(gathered, _)| gathered).collect();
        self.write(&environment.store, ours).and(renewed)
    }

    fn gathered(&self) -> Vec<(ApiKeyId, Noted)> {
        std::mem::take(&mut *lock(&self.times))
            .into_iter()
            .collect()
    }

    fn write<S: Store<Tx: ApiKeys>>(
        &self,
        store: &S,
        gathered: Vec<(ApiKeyId, Noted)>,
    ) -> Result<(), StoreError> {
        if gathered.is_empty() {
            return Ok(());
        }
        let times: Vec<_> = gathered
            .iter()
            .map(|(key, noted)| (*key, noted.at))
            .collect();
        let written = store.write(|tx| tx.touch_api_keys(&times));
        if written.is_err() {
            // It is claimed by now, by this node, and must not be left to others the next time.
            let left_since = Some(Timestamp(i64::MIN));
            self.keep(gathered.into_iter().map(|(key, noted)| {
                (
                    key,
                    Noted {
                        left_since,
                        ..noted
                    },
                )
            }));
        }
        written
    }

    /// For the next time. A key may have been used again since.
    fn keep(&self, kept: impl Iterator<Item = (ApiKeyId, Noted)>) {
        let mut times = lock(&self.times);
        for (key, noted) in kept {
            let left_since = noted.left_since;
            times.entry(key).or_insert(noted).left_since = left_since;
        }
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

impl Noted {
    fn is_due(&self, now: Timestamp) -> bool {
        self.left_since
            .is_some_and(|since| since.plus(LONGEST_LEFT_SECONDS) <= now)
    }
}

/// For how long a time of last use is left to another node at most.
const LONGEST_LEFT_SECONDS: i64 = 5 * 60;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere cannot leave a map half written.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
