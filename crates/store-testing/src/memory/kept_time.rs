use keyward_auth::KeptTime;
use keyward_core::{StoreError, Timestamp};

use super::MemoryTx;

impl KeptTime for MemoryTx {
    fn kept_time(&mut self) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.tables.kept_time)
    }

    fn keep_time(&mut self, at: Timestamp) -> Result<(), StoreError> {
        let kept = &mut self.tables_mut()?.kept_time;
        *kept = (*kept).max(Some(at));
        Ok(())
    }

    fn reset_time(&mut self, at: Timestamp) -> Result<(), StoreError> {
        self.tables_mut()?.kept_time = Some(at);
        Ok(())
    }
}
