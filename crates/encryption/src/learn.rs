use keyward_core::Store;
use keyward_crypto::KeyRing;

use crate::{EncryptionKeys, KeepError, ServingNode, keep, verify};

impl<S: Store<Tx: EncryptionKeys>> ServingNode<S> {
    /// Holds the keys of `read` from now on, and says whether they are others than before.
    ///
    /// What the other nodes know of this one changes in the same transaction in which its keys are
    /// found to be enough. A key that is activated at the same moment is one that it holds, or the
    /// activation is refused, or `read` is.
    ///
    /// # Errors
    ///
    /// [`KeepError::Refused`] when a key is missing that values may need. Nothing that could be
    /// opened before cannot be now.
    pub fn learn(&self, read: &KeyRing) -> Result<bool, KeepError> {
        let environment = &self.environment;
        let fields = &environment.fields;
        if read.ids().eq(fields.ids()) {
            return Ok(false);
        }
        // New keys are there before anybody is told, and old ones until everybody was.
        fields.learn_too(read);
        environment.store.write(|tx| {
            verify(&tx.lock_encryption_keys()?, read, &environment.macs)?;
            keep(tx, read, &environment.macs, environment.clock.now())?;
            tx.note_node(&self.record(read))?;
            Ok::<_, KeepError>(())
        })?;
        fields.learn(read);
        Ok(true)
    }
}
