use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use keyward_core::{Store, StoreError};
use keyward_store_testing::MemoryTx;

use crate::world::World;

/// A store on which somebody is faster.
pub(crate) struct Meddled {
    world: Arc<World>,
    writes: AtomicUsize,
    before: usize,
    work: Mutex<Option<Work>>,
}

type Work = Box<dyn FnOnce(&World) + Send>;

impl Meddled {
    /// Somebody else does `work` before so many writes were done and one more begins.
    pub(crate) fn before_write(
        before: usize,
        world: &Arc<World>,
        work: impl FnOnce(&World) + Send + 'static,
    ) -> Self {
        Self {
            world: world.clone(),
            writes: AtomicUsize::new(0),
            before,
            work: Mutex::new(Some(Box::new(work))),
        }
    }
}

impl Store for Meddled {
    type Tx = MemoryTx;

    fn health(&self) -> Result<(), StoreError> {
        self.world.store.health()
    }

    fn read<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&mut MemoryTx) -> Result<T, E>,
    ) -> Result<T, E> {
        self.world.store.read(work)
    }

    fn write<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&mut MemoryTx) -> Result<T, E>,
    ) -> Result<T, E> {
        if self.writes.fetch_add(1, Ordering::SeqCst) == self.before {
            let meddle = self.work.lock().unwrap().take().unwrap();
            meddle(&self.world);
        }
        self.world.store.write(work)
    }
}
