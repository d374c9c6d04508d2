use std::sync::{Arc, PoisonError, RwLock};

use crate::key_id::KeyId;
use crate::newest_first::NewestFirst;

/// A key that its id tells apart from others.
pub(crate) trait Identified {
    fn id(&self) -> &KeyId;
}

/// The keys that a whole process works with, and which of them is in use. All clones are one ring.
///
/// Who asks gets all keys of one moment, so a change never shows half.
pub(crate) struct LiveRing<Key>(Arc<RwLock<Arc<Keys<Key>>>>);

/// What a ring holds at one moment.
pub(crate) struct Keys<Key> {
    all: NewestFirst<Arc<Key>>,
    active: Arc<Key>,
}

impl<Key: Identified> LiveRing<Key> {
    /// The newest key is in use. `None` when there are no keys.
    pub(crate) fn new(keys: impl IntoIterator<Item = Key>) -> Option<Self> {
        let all = NewestFirst::new(keys.into_iter().map(Arc::new))?;
        let active = Arc::clone(all.newest());
        Some(Self(Arc::new(RwLock::new(Arc::new(Keys { all, active })))))
    }

    pub(crate) fn keys(&self) -> Arc<Keys<Key>> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Has a key in use from now on, and says whether the ring holds it.
    pub(crate) fn activate(&self, kid: &KeyId) -> bool {
        self.change(|keys| {
            let active = keys.find(kid)?;
            Some(Keys {
                all: keys.all.clone(),
                active: Arc::clone(active),
            })
        })
    }

    /// Has the keys of another ring beside its own. The one in use stays in use.
    pub(crate) fn learn_too(&self, other: &Self) {
        let learnt = other.keys();
        self.change(|keys| {
            let is_new = |key: &&Arc<Key>| keys.find(key.id()).is_none();
            let all = keys.all.iter().chain(learnt.all.iter().filter(is_new));
            Some(Keys {
                all: NewestFirst::new(all.map(Arc::clone))?,
                active: Arc::clone(&keys.active),
            })
        });
    }

    /// Has the keys of another ring in place of its own. The one in use stays in use where it is
    /// among them.
    pub(crate) fn learn(&self, other: &Self) {
        let learnt = other.keys();
        self.change(|keys| {
            let active = learnt.find(keys.active.id()).unwrap_or(&learnt.active);
            Some(Keys {
                all: learnt.all.clone(),
                active: Arc::clone(active),
            })
        });
    }

    fn change(&self, change: impl FnOnce(&Keys<Key>) -> Option<Keys<Key>>) -> bool {
        let mut keys = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let changed = change(&keys);
        let is_changed = changed.is_some();
        if let Some(changed) = changed {
            *keys = Arc::new(changed);
        }
        is_changed
    }
}

impl<Key> Clone for LiveRing<Key> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<Key: Identified> Keys<Key> {
    pub(crate) fn active(&self) -> &Arc<Key> {
        &self.active
    }

    pub(crate) fn find(&self, kid: &KeyId) -> Option<&Arc<Key>> {
        self.all.iter().find(|key| key.id() == kid)
    }

    /// Newest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Key>> {
        self.all.iter()
    }

    pub(crate) fn ids(&self) -> std::vec::IntoIter<KeyId> {
        let ids: Vec<_> = self.iter().map(|key| *key.id()).collect();
        ids.into_iter()
    }
}
