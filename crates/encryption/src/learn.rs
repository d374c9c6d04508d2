use keyward_core::Store;
use keyward_crypto::{KeyRing, MacRing};

use crate::{EncryptionKeys, KeepError, ServingNode, keep, verify};

impl<S: Store<Tx: EncryptionKeys>> ServingNode<S> {
    /// Holds the keys of `read` and the secrets of `read_macs` from now on, and says whether they are others than before.
    ///
    /// What the other nodes know of this one changes in the same transaction in which its keys are
    /// found to be enough. A key that is activated at the same moment is one that it holds, or the
    /// activation is refused, or what was read is.
    ///
    /// # Errors
    ///
    /// [`KeepError::Refused`] when a key is missing that values may need. Nothing that could be
    /// opened before cannot be now.
    pub fn learn(&self, read: &KeyRing, read_macs: &MacRing) -> Result<bool, KeepError> {
        let environment = &self.environment;
        let (fields, macs) = (&environment.fields, &environment.macs);
        if read.ids().eq(fields.ids()) && read_macs.ids().eq(macs.ids()) {
            return Ok(false);
        }
        // New keys are there before anybody is told, and old ones until everybody was.
        fields.learn_too(read);
        macs.learn_too(read_macs);
        environment.store.write(|tx| {
            verify(&tx.lock_encryption_keys()?, read, read_macs)?;
            keep(tx, read, read_macs, environment.clock.now())?;
            tx.note_node(&self.record(read, read_macs))?;
            Ok::<_, KeepError>(())
        })?;
        fields.learn(read);
        macs.learn(read_macs);
        environment.advice.keys_changed();
        Ok(true)
    }
}
