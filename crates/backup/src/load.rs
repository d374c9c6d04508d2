use std::io::Read;

use keyward_core::{StoreError, Timestamp};
use keyward_crypto::{KeyRing, MacRing};
use keyward_encryption::{
    EncryptionKeys, KeepError, KeyCheckError, SealedColumn, SealedValues, SignedRows, keep,
    learn_audit_keys, verify,
};

use crate::archive::Content;
use crate::{ArchiveError, ArchiveReader, Item, Rebuild, RebuildError};

/// Why a backup was not loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// It cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// It does not fit the store.
    #[error(transparent)]
    Rebuild(#[from] RebuildError),
    /// The configured keys are not those that it needs.
    #[error(transparent)]
    Keys(KeyCheckError),
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Puts a whole backup in the place of everything that is stored, brings it up to date, and makes
/// sure that the keys are those that it needs. Those that were active seal and sign from here on.
/// Says what was read.
pub(crate) fn load<Tx: Rebuild + EncryptionKeys + SealedValues + SignedRows, R: Read>(
    tx: &mut Tx,
    archive: &mut ArchiveReader<R>,
    (fields, macs, now): (&KeyRing, &MacRing, Timestamp),
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Content, LoadError> {
    let manifest = archive.manifest().clone();
    let mut expected = tx.rebuild(&manifest.migrations)?;
    expected.sort_unstable();
    if !expected.iter().eq(manifest.rows.keys()) {
        return Err(ArchiveError::Damaged.into());
    }
    let (mut done, total) = (0, manifest.total_rows());
    let mut batch = Batch::default();
    loop {
        let item = archive.next()?;
        let is_row = matches!(item, Item::Row(_));
        if !is_row || batch.is_full() {
            done += batch.load(tx)?;
            progress(done, total);
        }
        match item {
            Item::Table { name, columns } => batch = Batch::of(name, columns),
            Item::Row(row) => batch.push(row),
            Item::End => break,
        }
    }
    tx.migrate_on()?;
    require_keys(tx, fields, macs)?;
    keep(tx, fields, macs, now).map_err(|error| match error {
        KeepError::Refused(error) => LoadError::Keys(error),
        KeepError::Store(error) => LoadError::Store(error),
    })?;
    learn_audit_keys(tx, fields, macs)?;
    Ok(archive.content())
}

fn require_keys<Tx: EncryptionKeys + SealedValues>(
    tx: &mut Tx,
    fields: &KeyRing,
    macs: &MacRing,
) -> Result<(), LoadError> {
    let keys = tx.encryption_keys()?;
    let Err(error) = verify(&keys, fields, macs) else {
        return Ok(());
    };
    let missing = error.missing_field_keys();
    if missing.is_empty() {
        return Err(LoadError::Keys(error));
    }
    let mut values: u64 = 0;
    for column in SealedColumn::ALL {
        for (kid, rows) in tx.sealed_counts(column)? {
            if kid.is_some_and(|kid| missing.contains(&kid)) {
                values = values.saturating_add(rows);
            }
        }
    }
    Err(LoadError::Keys(error.with_values(values)))
}

/// Rows of one table that wait to be loaded together.
#[derive(Default)]
struct Batch {
    table: String,
    columns: Vec<String>,
    rows: Vec<String>,
    bytes: usize,
}

impl Batch {
    fn of(table: String, columns: Vec<String>) -> Self {
        Self {
            table,
            columns,
            ..Self::default()
        }
    }

    fn is_full(&self) -> bool {
        self.rows.len() >= MAX_ROWS || self.bytes >= MAX_BYTES
    }

    fn push(&mut self, row: String) {
        self.bytes += row.len();
        self.rows.push(row);
    }

    /// Loads them, and says how many they were.
    fn load(&mut self, tx: &mut impl Rebuild) -> Result<u64, RebuildError> {
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        if !rows.is_empty() {
            tx.load(&self.table, &self.columns, &rows)?;
        }
        Ok(u64::try_from(rows.len()).unwrap_or(u64::MAX))
    }
}

const MAX_ROWS: usize = 500;
const MAX_BYTES: usize = 1024 * 1024;
