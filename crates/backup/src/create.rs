use std::io::{self, Write};
use std::ops::ControlFlow;

use keyward_audit::{Action, Actor, Anchor, AuditEvents, Event, Subject};
use keyward_auth::Environment;
use keyward_core::{Store, StoreError};
use keyward_encryption::{EncryptionKeys, Kept, Safekeeping};

use crate::{ArchiveWriter, Manifest, Recipients, Snapshot, Table};

/// Writes backups, while everything runs.
pub struct CreateBackup<S>(Environment<S>);

/// What was written.
#[derive(Clone, Debug)]
pub struct Created {
    /// What it holds.
    pub manifest: Manifest,
    /// Tables of the database that are not of Keyward and not in it.
    pub strangers: Vec<String>,
}

impl<S: Store<Tx: Snapshot + EncryptionKeys + Safekeeping + AuditEvents>> CreateBackup<S> {
    /// Wires the service.
    pub fn new(environment: Environment<S>) -> Self {
        Self(environment)
    }

    /// Writes everything that is stored at one moment to `out`, for `recipients`, and gives `out`
    /// back. That it was made is an event of the audit log, which is in it.
    ///
    /// `progress` is told from time to time how many rows of how many are written.
    pub fn create<W: Write>(
        &self,
        out: W,
        recipients: &Recipients,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(Created, W), CreateError> {
        let Environment {
            store,
            macs,
            audit,
            clock,
            ..
        } = &self.0;
        let event = Event::new(
            Actor::host(),
            BACKUP_CREATE,
            Subject::new("backup", clock.now()),
        )
        .with("recipients", recipients.names().join(" "));
        store.write(|tx| audit.record(tx, &event))?;
        store.read(|tx| {
            let contents = tx.contents()?;
            let keys = tx.encryption_keys()?;
            let anchor = Anchor::of_end(tx, macs)?.map(|anchor| anchor.to_string());
            let manifest = Manifest::new(&contents, &keys, anchor, clock.now());
            let mut writer = ArchiveWriter::begin(out, recipients, &manifest)?;
            let (mut done, total) = (0, manifest.total_rows());
            for table in &contents.tables {
                write_table(tx, table, &mut writer, &mut |rows| {
                    progress(done + rows, total);
                })?;
                done += table.rows;
            }
            let created = Created {
                manifest,
                strangers: contents.strangers,
            };
            Ok((created, writer.finish()?))
        })
    }

    /// Notes that there is a backup, once it is where it stays. Until then people are reminded.
    pub fn is_kept(&self) -> Result<(), StoreError> {
        let now = self.0.clock.now();
        self.0.store.write(|tx| {
            let keys = tx.encryption_keys()?;
            let needed = keys.iter().filter(|key| key.is_needed());
            let needed: Vec<_> = needed.map(|key| key.kid).collect();
            tx.note_safekeeping(Kept::Backup, now, &needed)
        })
    }
}

fn write_table<W: Write>(
    tx: &mut impl Snapshot,
    table: &Table,
    writer: &mut ArchiveWriter<W>,
    progress: &mut dyn FnMut(u64),
) -> Result<(), CreateError> {
    writer.table(&table.name, &table.columns)?;
    let (mut rows, mut failure) = (0, None);
    tx.each_row(table, &mut |row| {
        rows += 1;
        if rows % PROGRESS_EVERY == 0 {
            progress(rows);
        }
        match writer.row(row) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failure = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    match failure {
        Some(error) => Err(error.into()),
        None if rows != table.rows => Err(CreateError::Moved),
        None => Ok(()),
    }
}

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// The file cannot be written.
    #[error("the backup cannot be written")]
    Write(#[from] io::Error),
    /// A table had other rows than were counted in the same snapshot.
    #[error("the database does not show one moment: a table changed while it was read")]
    Moved,
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const BACKUP_CREATE: Action = Action("backup.create");
const PROGRESS_EVERY: u64 = 1_000;
