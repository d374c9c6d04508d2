/// Opens units of work on some storage.
///
/// This is the one port that every storage adapter implements. What can be done *inside* a unit
/// of work is said by the repository traits of the domain crates, which the adapter implements
/// for [`Store::Tx`]. A service names the ones it needs, so a storage that backs only API keys
/// implements only the API-key repositories.
///
/// Ports are synchronous. Callers on an async runtime cross over once, at the edge.
///
/// Units of work do not nest: opening one inside another takes a second connection, and on SQLite
/// a write inside a write waits for itself.
///
/// ```
/// use std::sync::{Mutex, MutexGuard, PoisonError};
///
/// use keyward_core::{Store, StoreError};
///
/// /// What a service needs of a store.
/// trait Notes {
///     fn add(&mut self, note: &str) -> Result<(), StoreError>;
///     fn count(&mut self) -> Result<usize, StoreError>;
/// }
///
/// #[derive(Default)]
/// struct Memory(Mutex<Vec<String>>);
/// struct MemoryTx(Vec<String>);
///
/// impl Notes for MemoryTx {
///     fn add(&mut self, note: &str) -> Result<(), StoreError> {
///         self.0.push(note.to_owned());
///         Ok(())
///     }
///
///     fn count(&mut self) -> Result<usize, StoreError> {
///         Ok(self.0.len())
///     }
/// }
///
/// impl Memory {
///     fn lock(&self) -> MutexGuard<'_, Vec<String>> {
///         self.0.lock().unwrap_or_else(PoisonError::into_inner)
///     }
/// }
///
/// impl Store for Memory {
///     type Tx = MemoryTx;
///
///     fn read<T, E: From<StoreError>>(
///         &self,
///         work: impl FnOnce(&mut MemoryTx) -> Result<T, E>,
///     ) -> Result<T, E> {
///         let mut tx = MemoryTx(self.lock().clone());
///         work(&mut tx)
///     }
///
///     fn write<T, E: From<StoreError>>(
///         &self,
///         work: impl FnOnce(&mut MemoryTx) -> Result<T, E>,
///     ) -> Result<T, E> {
///         let mut committed = self.lock();
///         let mut tx = MemoryTx(committed.clone());
///         let done = work(&mut tx)?;
///         *committed = tx.0;
///         Ok(done)
///     }
///
///     fn health(&self) -> Result<(), StoreError> {
///         Ok(())
///     }
/// }
///
/// /// Asks for what it needs, whatever the store is.
/// fn add_two(store: &impl Store<Tx: Notes>, second: &str) -> Result<(), StoreError> {
///     store.write(|tx| {
///         tx.add("first")?;
///         if second.is_empty() {
///             return Err(StoreError::Backend("an empty note".into()));
///         }
///         tx.add(second)
///     })
/// }
///
/// let store = Memory::default();
/// assert!(add_two(&store, "").is_err());
/// assert_eq!(store.read(|tx| tx.count())?, 0);
/// add_two(&store, "second")?;
/// assert_eq!(store.read(|tx| tx.count())?, 2);
/// # Ok::<(), StoreError>(())
/// ```
pub trait Store: Send + Sync + 'static {
    /// One open unit of work.
    type Tx;

    /// Runs `work` on one consistent snapshot. `work` may not write.
    fn read<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&mut Self::Tx) -> Result<T, E>,
    ) -> Result<T, E>;

    /// Runs `work` in one transaction: `Ok` commits, `Err` or a panic rolls everything back.
    ///
    /// When it returns `Ok`, what was written survives the loss of the process and of the machine.
    /// Keep slow work out of `work` (password hashing, network calls): it holds a connection,
    /// and on SQLite the write lock.
    fn write<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&mut Self::Tx) -> Result<T, E>,
    ) -> Result<T, E>;

    /// Whether the storage answers and takes changes; for readiness probes.
    fn health(&self) -> Result<(), StoreError>;

    /// Runs `work` that asks a single question, without the price of a transaction.
    ///
    /// For the hot path. Two statements in one `lookup` may see different states, so whatever
    /// needs more than one belongs into [`read`](Self::read), which is what this does by default.
    fn lookup<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&mut Self::Tx) -> Result<T, E>,
    ) -> Result<T, E> {
        self.read(work)
    }
}

impl<S: Store> Store for std::sync::Arc<S> {
    type Tx = S::Tx;

    fn read<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&mut Self::Tx) -> Result<T, E>,
    ) -> Result<T, E> {
        (**self).read(work)
    }

    fn write<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&mut Self::Tx) -> Result<T, E>,
    ) -> Result<T, E> {
        (**self).write(work)
    }

    fn health(&self) -> Result<(), StoreError> {
        (**self).health()
    }

    fn lookup<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&mut Self::Tx) -> Result<T, E>,
    ) -> Result<T, E> {
        (**self).lookup(work)
    }
}

/// What a storage adapter reports when it cannot do its work.
///
/// Outcomes that a service expects ("no such user", "name taken") are return values of the
/// repository methods, never errors. The message of a cause is for the log of the operator; it
/// never goes to a client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The storage cannot be reached, is full or busy, or gave no connection in time. Trying again
    /// later may help.
    #[error("the storage is unavailable")]
    Unavailable(#[source] Source),
    /// A stored value breaks an invariant of the domain.
    #[error("stored {what} is invalid")]
    Corrupt {
        /// Which value, for example `"api_keys.user_id"`.
        what: &'static str,
        /// What is wrong with it.
        #[source]
        source: Source,
    },
    /// Anything else that the backend reports.
    #[error("the storage failed")]
    Backend(#[source] Source),
}

impl StoreError {
    /// A stored value that cannot be what the domain wrote.
    pub fn corrupt(what: &'static str, source: impl Into<Source>) -> Self {
        Self::Corrupt {
            what,
            source: source.into(),
        }
    }
}

/// The message of an error with those of its causes, for the log of an operator.
#[must_use]
pub fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Some repeat the message of their cause in their own.
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// A boxed cause.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_an_error_has_every_cause_once() {
        let inner = StoreError::Backend("no such table".into());
        let outer = StoreError::Unavailable(inner.into());
        assert_eq!(
            with_causes(&outer),
            "the storage is unavailable: the storage failed: no such table"
        );
        let same = StoreError::Backend(StoreError::Backend("x y".into()).into());
        assert_eq!(with_causes(&same), "the storage failed: x y");
    }
}
