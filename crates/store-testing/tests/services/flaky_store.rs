use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use keyward_core::{Store, StoreError};
use keyward_store_testing::{MemoryStore, MemoryTx};

/// A store that cannot be reached while it is down.
pub(crate) struct FlakyStore {
    inner: Arc<MemoryStore>,
    down: AtomicBool,
}

impl FlakyStore {
    pub(crate) fn new(inner: Arc<MemoryStore>) -> Self {
        let down = AtomicBool::new(false);
        Self { inner, down }
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.down.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("pulled the plug".into()));
        }
        Ok(())
    }
}

impl Store for FlakyStore {
    type Tx = MemoryTx;

    fn read<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&mut MemoryTx) -> Result<T, E>,
    ) -> Result<T, E> {
        self.check()?;
        self.inner.read(work)
    }

    fn write<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&mut MemoryTx) -> Result<T, E>,
    ) -> Result<T, E> {
        self.check()?;
        self.inner.write(work)
    }

    fn health(&self) -> Result<(), StoreError> {
        self.check()?;
        self.inner.health()
    }
}
