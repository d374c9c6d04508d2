use keyward_auth::Environment;
use keyward_core::{Id, Store, StoreError};
use keyward_crypto::{KeyId, KeyRing};

use crate::model::active_of;
use crate::{EncryptionKeys, KeepError, NodeRecord, RotationState, verify};

/// This process among those that serve one storage: says which keys it holds, and follows which
/// one is active.
pub struct ServingNode<S> {
    pub(crate) environment: Environment<S>,
    id: String,
}

struct Process;

impl<S: Store<Tx: EncryptionKeys>> ServingNode<S> {
    /// A node of its own. `name` is for people who read which node lacks a key, such as the address
    /// it listens on.
    pub fn new(environment: Environment<S>, name: &str) -> Self {
        let id = Id::<Process>::generate();
        Self {
            environment,
            id: format!("{name} {id}"),
        }
    }

    /// Its name among the nodes.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Joins the nodes that serve, or says once more that it is there and which keys it holds.
    ///
    /// # Errors
    ///
    /// [`KeepError::Refused`] when a key was activated that it does not hold.
    pub fn join(&self) -> Result<(), KeepError> {
        let Environment {
            store,
            fields,
            macs,
            ..
        } = &self.environment;
        store.write(|tx| {
            // An activation that runs at the same moment sees this node, or this node sees it.
            let keys = tx.lock_encryption_keys()?;
            verify(&keys, fields, macs)?;
            tx.note_node(&self.record(fields))?;
            Ok(())
        })
    }

    pub(crate) fn record(&self, held: &KeyRing) -> NodeRecord {
        NodeRecord {
            id: self.id.clone(),
            keys: held.ids().collect(),
            seen_at: self.environment.clock.now(),
        }
    }

    /// Seals under the key that is active by now, and says whether there are values to re-encrypt.
    pub fn follow(&self) -> Result<RotationState, StoreError> {
        let Environment { store, fields, .. } = &self.environment;
        let (active, rotation) = store.read(|tx| {
            let keys = tx.encryption_keys()?;
            Ok::<_, StoreError>((active_of(&keys), tx.rotation()?.state))
        })?;
        if let Some(active) = active
            && fields.active() != active
            && !fields.activate(&active)
        {
            tracing::error!(
                kid = %active,
                "values are sealed under an encryption key that this node does not hold; add it to \
                 FIELD_ENCRYPTION_KEY"
            );
        }
        Ok(rotation)
    }

    /// Leaves the nodes that serve.
    pub fn leave(&self) -> Result<(), StoreError> {
        let day_ago = self.environment.clock.now().plus(-DAY_SECONDS);
        self.environment
            .store
            .write(|tx| tx.forget_nodes(&self.id, day_ago))
    }
}

/// The nodes that do not hold a key.
pub(crate) fn lacking(nodes: &[NodeRecord], kid: KeyId) -> Vec<String> {
    nodes
        .iter()
        .filter(|node| !node.keys.contains(&kid))
        .map(|node| node.id.clone())
        .collect()
}

/// How long a node counts as serving after it has said so.
pub(crate) const NODE_SECONDS: i64 = 30;
const DAY_SECONDS: i64 = 24 * 60 * 60;
