//! Redis, by which the nodes of an installation advise each other; where none is set, nobody does.

use keyward_core::{Store as _, StoreError};
use keyward_encryption::EncryptionKeys as _;
use keyward_redis::Redis;

use crate::exit::Failure;
use crate::settings::Settings;
use crate::wiring::{Installation, broken};

/// The other nodes, as far as they can be told anything.
pub(crate) struct Peers(Option<Redis>);

impl Peers {
    /// Has what the services of `installation` say and ask go to `REDIS_URL`. A Redis that does not
    /// answer keeps nobody waiting for longer than a moment.
    pub(crate) fn join(
        settings: &Settings,
        installation: &mut Installation,
    ) -> Result<Self, Failure> {
        let Some(url) = settings.redis_url().map_err(Failure::configuration)? else {
            return Ok(Self(None));
        };
        let redis = Redis::start(&url, &id(installation)?);
        installation.advised_by(redis.advice());
        Ok(Self(Some(redis)))
    }

    /// Calls `wake` when keys have changed on another node.
    pub(crate) fn waking(self, wake: impl Fn() + Send + 'static) -> Self {
        Self(self.0.map(|redis| redis.waking(wake)))
    }

    /// Tells whether Redis is well, where there is one.
    pub(crate) fn wellness(&self) -> Option<impl Fn() -> bool + Send + Sync + 'static> {
        self.0.as_ref().map(Redis::wellness)
    }

    /// Says what was still to be said.
    pub(crate) fn stop(self) {
        if let Some(redis) = self.0 {
            redis.stop();
        }
    }
}

/// Runs a command that changes keys, and tells the nodes that serve.
pub(crate) fn among_peers<T>(
    settings: &Settings,
    work: impl FnOnce(&Installation) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut installation = Installation::open(settings)?;
    let peers = Peers::join(settings, &mut installation)?;
    let done = work(&installation);
    peers.stop();
    done
}

/// What all nodes of an installation know, and those of no other: the id of its first key, which
/// stays in the database when the key is retired, and says nothing about it.
fn id(installation: &Installation) -> Result<String, Failure> {
    let keys = installation
        .store
        .lookup(|tx| tx.encryption_keys())
        .map_err(|error: StoreError| broken(&error))?;
    let names = keys.iter().map(|key| (key.created_at, key.kid.as_str()));
    // Opening an installation writes its keys down.
    Ok(names
        .min()
        .map_or_else(String::new, |(_, kid)| kid.to_owned()))
}
