use keyward_auth::Environment;
use keyward_core::{Id, Store, StoreError};
use keyward_crypto::{KeyId, KeyRing, MacRing};

use crate::{EncryptionKeys, KeepError, NodeRecord, RotationState, follow_states, verify};

/// This process among those that serve one storage: says which keys it holds, and follows which
/// one is active.
///
/// ```
/// use keyward_encryption::{RotationState, ServingNode, keep};
/// # use std::sync::Arc;
/// # use keyward_auth::Environment;
/// # use keyward_core::Store as _;
/// # use keyward_crypto::{FieldKey, KeyRing, MacRing};
/// # use keyward_store_testing::MemoryStore;
/// # let key = FieldKey::generate();
/// # let store = Arc::new(MemoryStore::new());
/// # let macs = MacRing::parse(MacRing::generate_secret().expose())?;
/// # let environment = Environment::new(store, KeyRing::new(vec![key])?, macs);
/// # let Environment { store, fields, macs, clock, .. } = &environment;
/// # store.write(|tx| keep(tx, fields, macs, clock.now()))?;
///
/// // `environment` is as on the page of this crate, and its keys are kept.
/// let node = ServingNode::new(environment.clone(), "127.0.0.1:8080");
/// node.join()?;
/// // Every second or so: which key is active, and is there anything to re-encrypt?
/// assert_eq!(node.follow()?, RotationState::Idle);
/// // Every few seconds `join` again; on the way out:
/// node.leave()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
            tx.note_node(&self.record(fields, macs))?;
            Ok(())
        })
    }

    pub(crate) fn record(&self, fields: &KeyRing, macs: &MacRing) -> NodeRecord {
        NodeRecord {
            id: self.id.clone(),
            keys: fields.ids().chain(macs.ids()).collect(),
            signs_with: self.environment.macs.active(),
            // Nodes find each other by their machines, which may hold on to different times.
            seen_at: self.environment.clock.shown(),
        }
    }

    /// Seals and signs with the keys that are active by now, and says whether there are values to
    /// re-encrypt. The other nodes are told at once when this one signs with another secret.
    pub fn follow(&self) -> Result<RotationState, KeepError> {
        let Environment {
            store,
            fields,
            macs,
            ..
        } = &self.environment;
        let (keys, rotation) =
            store.read(|tx| Ok::<_, StoreError>((tx.encryption_keys()?, tx.rotation()?.state)))?;
        let signed_with = macs.active();
        for kid in follow_states(&keys, fields, macs) {
            tracing::error!(
                %kid,
                "a key is in use that this node does not hold; add it to the settings"
            );
        }
        if macs.active() != signed_with {
            self.join()?;
        }
        Ok(rotation)
    }

    /// Leaves the nodes that serve.
    pub fn leave(&self) -> Result<(), StoreError> {
        let day_ago = self.environment.clock.shown().plus(-DAY_SECONDS);
        self.environment
            .store
            .write(|tx| tx.forget_nodes(&self.id, day_ago))
    }
}

/// The nodes that serve: those that have said so in the last 30 seconds of the machine's clock.
pub(crate) fn serving<S, Tx: EncryptionKeys>(
    tx: &mut Tx,
    environment: &Environment<S>,
) -> Result<Vec<NodeRecord>, StoreError> {
    tx.nodes_since(environment.clock.shown().plus(-NODE_SECONDS))
}

/// The nodes that sign with a secret.
pub(crate) fn signing_with(nodes: &[NodeRecord], kid: KeyId) -> Vec<String> {
    nodes
        .iter()
        .filter(|node| node.signs_with == kid)
        .map(|node| node.id.clone())
        .collect()
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
const NODE_SECONDS: i64 = 30;
const DAY_SECONDS: i64 = 24 * 60 * 60;
