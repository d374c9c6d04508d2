use keyward_audit::AuditEvents;
use keyward_auth::ApiKeys;
use keyward_core::{StoreError, Timestamp};
use keyward_crypto::{EncryptedString, KeyId};

use crate::{KeyRecord, KeyState, NodeRecord, RotationRecord, SealedColumn, SealedRow, SignedRows};

/// The keys of a storage, the nodes that hold them, and how far re-encryption is, inside a unit of
/// work.
pub trait EncryptionKeys {
    /// All keys that were ever used, in the order of their ids.
    fn encryption_keys(&mut self) -> Result<Vec<KeyRecord>, StoreError>;

    /// [`encryption_keys`](Self::encryption_keys), and nobody else changes one or adds one until
    /// the unit of work ends.
    ///
    /// Who decides by what is there, and then changes it, must use this one: of two first starts
    /// with different keys, the second has to see what the first has kept.
    fn lock_encryption_keys(&mut self) -> Result<Vec<KeyRecord>, StoreError>;

    /// Keeps a key, unless there is one of its id, and says whether it was kept.
    fn add_encryption_key(&mut self, key: &KeyRecord) -> Result<bool, StoreError>;

    /// Changes the state of a key. At most one encryption key and one secret can be active: change
    /// that one first.
    fn set_key_state(&mut self, kid: &KeyId, state: KeyState) -> Result<(), StoreError>;

    /// How far re-encryption is.
    fn rotation(&mut self) -> Result<RotationRecord, StoreError>;

    /// Writes it. The worker that has claimed it loses it.
    fn set_rotation(&mut self, rotation: &RotationRecord) -> Result<(), StoreError>;

    /// Lets `worker` do the next batch: `false` when re-encryption does not run, or when another
    /// one has it until later than `now`.
    ///
    /// Keeps nodes from doing the same work twice. That two do is harmless, see
    /// [`SealedValues::reseal`].
    fn claim_rotation(
        &mut self,
        worker: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Notes a node, or that it is still there.
    fn note_node(&mut self, node: &NodeRecord) -> Result<(), StoreError>;

    /// Forgets a node that stops, and those that were not seen since `before`.
    fn forget_nodes(&mut self, id: &str, before: Timestamp) -> Result<(), StoreError>;

    /// The nodes that were seen at `since` or later.
    fn nodes_since(&mut self, since: Timestamp) -> Result<Vec<NodeRecord>, StoreError>;
}

/// Every stored value that is sealed, whatever it belongs to, inside a unit of work.
///
/// A store refuses to write a value whose key is [`KeyState::Retired`], in each of the columns, also
/// when the key is retired at the same moment. It is [`StoreError::Unavailable`]: a node that has
/// not heard yet which key is active will have a moment later.
pub trait SealedValues {
    /// How many values of a column are under which key, in the order of the keys; `None` for those
    /// that name none.
    fn sealed_counts(
        &mut self,
        column: SealedColumn,
    ) -> Result<Vec<(Option<KeyId>, u64)>, StoreError>;

    /// Up to `limit` values of a column that are not under `kid`, behind `after` in the order of
    /// their rows.
    fn sealed_not_under(
        &mut self,
        column: SealedColumn,
        kid: &KeyId,
        after: Option<&SealedRow>,
        limit: i64,
    ) -> Result<Vec<SealedRow>, StoreError>;

    /// Any value of a column that is under `kid`.
    fn sealed_sample(
        &mut self,
        column: SealedColumn,
        kid: &KeyId,
    ) -> Result<Option<SealedRow>, StoreError>;

    /// Writes `new` over a value that is still what was read, and says whether it did.
    ///
    /// Compare and write must be one statement. Does not wait for somebody else who is changing
    /// the value: `false` as well.
    fn reseal(&mut self, row: &SealedRow, new: &EncryptedString) -> Result<bool, StoreError>;

    /// Holds everybody back who writes a sealed value, until the unit of work ends. Those that have
    /// written one end first.
    fn hold_sealed_values(&mut self) -> Result<(), StoreError>;
}

/// All repositories that this crate's services use together.
///
/// Never implement it: it follows from the others.
pub trait EncryptionTx: EncryptionKeys + SealedValues + SignedRows + ApiKeys + AuditEvents {}

impl<Tx: EncryptionKeys + SealedValues + SignedRows + ApiKeys + AuditEvents> EncryptionTx for Tx {}
