//! An audit log in a file of JSON lines. See the README.

mod line;

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use keyward_audit::{AuditEvents, Head, Record, Seq};
use keyward_core::{Store, StoreError};

/// The log in a file, and its end in another beside it, so that a log that was cut off does not look
/// like a whole one. One process may have them open.
pub struct FileStore {
    committed: Mutex<Arc<Content>>,
    writer: Mutex<Writer>,
}

#[derive(Clone, Default)]
struct Content {
    records: Vec<Record>,
    head: Option<Head>,
}

struct Writer {
    log: File,
    /// Where the last unit of work ends.
    length: u64,
    head: PathBuf,
}

/// A unit of work: what was there when it began, and what is appended when it succeeds.
pub struct FileTx {
    content: Arc<Content>,
    may_write: bool,
    added: Vec<Record>,
    head: Option<Head>,
}

impl FileStore {
    /// Opens the file, or makes it. Lines behind the end were never acknowledged: a crash came
    /// between them and it. They are dropped. Where the record of the end is gone, nothing is, and
    /// nothing more is recorded.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let end = path.with_extension("head");
        let log = text(path)?.unwrap_or_default();
        let head = match text(&end)? {
            Some(text) => line::head(&text)?,
            None if log.is_empty() => {
                fs::write(&end, line::of_head(None)).map_err(unavailable)?;
                None
            }
            None => Some(Head::unreadable()),
        };
        let (mut records, mut length) = (Vec::new(), 0);
        let is_lost = head.as_ref().is_some_and(|head| head.last.is_unreadable());
        let last = head.as_ref().map_or(0, |head| head.seq);
        for line in log.split_inclusive('\n') {
            // What a crash has cut off, or what came before the end was moved.
            let record = line.strip_suffix('\n').map(line::record).transpose()?;
            match record {
                Some(record) if is_lost || record.fields.seq <= last => records.push(record),
                _ => break,
            }
            length += line.len() as u64;
        }
        let mut options = OpenOptions::new();
        let log = options.append(true).create(true).open(path);
        let log = log.map_err(unavailable)?;
        log.set_len(length).map_err(unavailable)?;
        Ok(Self {
            committed: Mutex::new(Arc::new(Content { records, head })),
            writer: Mutex::new(Writer {
                log,
                length,
                head: end,
            }),
        })
    }

    fn begin(&self, may_write: bool) -> FileTx {
        let content = Arc::clone(&lock(&self.committed));
        FileTx {
            head: content.head.clone(),
            content,
            may_write,
            added: Vec::new(),
        }
    }
}

impl Store for FileStore {
    type Tx = FileTx;

    fn read<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&mut FileTx) -> Result<T, E>,
    ) -> Result<T, E> {
        work(&mut self.begin(false))
    }

    /// One at a time. What fails or panics in `work` leaves nothing: it is written afterwards.
    fn write<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&mut FileTx) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut writer = lock(&self.writer);
        let mut tx = self.begin(true);
        let done = work(&mut tx)?;
        let FileTx {
            content,
            added,
            head,
            ..
        } = tx;
        // Or it would be copied for nobody.
        drop(content);
        if let (false, Some(head)) = (added.is_empty(), &head) {
            writer.append(&added, head).map_err(E::from)?;
            let mut committed = lock(&self.committed);
            let content = Arc::make_mut(&mut committed);
            content.records.extend(added);
            content.head = Some(head.clone());
        }
        Ok(done)
    }

    fn health(&self) -> Result<(), StoreError> {
        lock(&self.writer).log.sync_data().map_err(unavailable)
    }
}

impl Writer {
    /// When it returns, everything is on the disk. When it fails, the log ends where it did.
    fn append(&mut self, added: &[Record], head: &Head) -> Result<(), StoreError> {
        let text: String = added.iter().map(line::of).collect();
        let written = self.log.write_all(text.as_bytes());
        let written = written.and_then(|()| self.log.sync_data());
        let moved = written.and_then(|()| self.move_end(head));
        if let Err(error) = moved {
            self.log.set_len(self.length).map_err(unavailable)?;
            return Err(unavailable(error));
        }
        self.length += text.len() as u64;
        Ok(())
    }

    /// The end is the old or the new one, whatever happens.
    fn move_end(&self, head: &Head) -> std::io::Result<()> {
        let new = self.head.with_extension("head.new");
        let mut file = File::create(&new)?;
        file.write_all(line::of_head(Some(head)).as_bytes())?;
        file.sync_data()?;
        fs::rename(&new, &self.head)?;
        let folder = self.head.parent().filter(|folder| *folder != Path::new(""));
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl AuditEvents for FileTx {
    /// Whoever may write is alone.
    fn lock_audit_head(&mut self) -> Result<Option<Head>, StoreError> {
        self.audit_head()
    }

    fn append_audit_events(&mut self, records: &[Record], head: &Head) -> Result<(), StoreError> {
        if !self.may_write {
            return Err(StoreError::Backend("this unit of work only reads".into()));
        }
        self.added.extend_from_slice(records);
        self.head = Some(head.clone());
        Ok(())
    }

    fn audit_head(&mut self) -> Result<Option<Head>, StoreError> {
        Ok(self.head.clone())
    }

    fn audit_events_after(&mut self, after: Seq, limit: i64) -> Result<Vec<Record>, StoreError> {
        let later = self.all().filter(|record| record.fields.seq > after);
        Ok(later.take(count(limit)).cloned().collect())
    }

    fn audit_events_before(
        &mut self,
        before: Option<Seq>,
        limit: i64,
    ) -> Result<Vec<Record>, StoreError> {
        let is_earlier = |record: &&Record| before.is_none_or(|seq| record.fields.seq < seq);
        let earlier = self.all().rev().filter(is_earlier);
        Ok(earlier.take(count(limit)).cloned().collect())
    }
}

impl FileTx {
    fn all(&self) -> impl DoubleEndedIterator<Item = &Record> {
        self.content.records.iter().chain(&self.added)
    }
}

fn text(path: &Path) -> Result<Option<String>, StoreError> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some).map_err(unavailable),
    }
}

fn count(limit: i64) -> usize {
    usize::try_from(limit).unwrap_or(0)
}

fn unavailable(error: std::io::Error) -> StoreError {
    StoreError::Unavailable(error.into())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A unit of work that panics has changed nothing.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
