use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read, Write};

use age::stream::{StreamReader, StreamWriter};
use age::{DecryptError, Decryptor, Encryptor};
use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use ring::digest::{Context, SHA256, SHA256_OUTPUT_LEN};

use crate::line::{Line, TableLine, format_of, is_row};
use crate::{Identities, Manifest, Recipients};

/// Writes a backup: JSON lines, compressed, encrypted. See docs/formats.md.
///
/// Without [`finish`](Self::finish) the file is a torso, and reading it fails.
pub struct ArchiveWriter<W: Write> {
    out: GzEncoder<StreamWriter<W>>,
    table: Option<(String, u64)>,
    rows: BTreeMap<String, u64>,
}

impl<W: Write> ArchiveWriter<W> {
    /// Begins a backup that these recipients can open.
    pub fn begin(out: W, recipients: &Recipients, manifest: &Manifest) -> io::Result<Self> {
        let encryptor =
            Encryptor::with_recipients(recipients.as_age()).map_err(io::Error::other)?;
        let encrypted = encryptor.wrap_output(out)?;
        let mut writer = Self {
            out: GzEncoder::new(encrypted, Compression::default()),
            table: None,
            rows: BTreeMap::new(),
        };
        writer.line(&Line::Manifest(manifest.clone()))?;
        Ok(writer)
    }

    /// Begins a table.
    pub fn table(&mut self, name: &str, columns: &[String]) -> io::Result<()> {
        self.end_table()?;
        self.table = Some((name.to_owned(), 0));
        self.line(&Line::Table(TableLine {
            name: name.to_owned(),
            columns: columns.to_vec(),
        }))
    }

    /// Writes a row of the table, a JSON array on one line.
    pub fn row(&mut self, row: &str) -> io::Result<()> {
        if let Some((_, rows)) = &mut self.table {
            *rows += 1;
        }
        self.out.write_all(row.as_bytes())?;
        self.out.write_all(b"\n")
    }

    /// Ends the backup.
    pub fn finish(mut self) -> io::Result<W> {
        self.end_table()?;
        let rows = std::mem::take(&mut self.rows);
        self.line(&Line::End(rows))?;
        self.out.finish()?.finish()
    }

    fn end_table(&mut self) -> io::Result<()> {
        let Some((name, rows)) = self.table.take() else {
            return Ok(());
        };
        self.rows.insert(name, rows);
        self.line(&Line::Rows(rows))
    }

    fn line(&mut self, line: &Line) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, line)?;
        self.out.write_all(b"\n")
    }
}

/// Reads a backup from its beginning to its end, once.
///
/// What it has given before the [`Item::End`] is not to be trusted yet: that the end is there, and
/// that nothing was changed, is known only then.
///
/// ```
/// use keyward_backup::{
///     ArchiveError, ArchiveReader, ArchiveWriter, Identities, Item, Manifest, NewIdentity,
///     Recipients,
/// };
///
/// let identity = NewIdentity::generate();
/// let recipients = Recipients::parse(identity.recipient())?;
/// # let manifest = Manifest {
/// #     format: Manifest::FORMAT,
/// #     keyward: "0.1.0".to_owned(),
/// #     created_at: keyward_core::Timestamp(1_800_000_000),
/// #     database: "sqlite".to_owned(),
/// #     migrations: Vec::new(),
/// #     rows: [("notes".to_owned(), 1)].into(),
/// #     field_keys: Vec::new(),
/// #     secret_keys: Vec::new(),
/// #     audit_anchor: None,
/// # };
/// // `manifest` says that there is one table `notes` with one row.
/// let mut writer = ArchiveWriter::begin(Vec::new(), &recipients, &manifest)?;
/// writer.table("notes", &["id".to_owned(), "text".to_owned()])?;
/// writer.row(r#"[1,"remember"]"#)?;
/// let file = writer.finish()?;
///
/// let identities = Identities::parse(identity.file().expose())?;
/// let mut reader = ArchiveReader::open(&*file, &identities)?;
/// assert!(matches!(reader.next()?, Item::Table { name, .. } if name == "notes"));
/// assert!(matches!(reader.next()?, Item::Row(row) if row == r#"[1,"remember"]"#));
/// assert!(matches!(reader.next()?, Item::End));
///
/// let stranger = Identities::parse(NewIdentity::generate().file().expose())?;
/// let refused = ArchiveReader::open(&*file, &stranger);
/// assert!(matches!(refused, Err(ArchiveError::OtherRecipient)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ArchiveReader<R: Read> {
    lines: BufReader<Decompressed<R>>,
    manifest: Manifest,
    table: Option<OpenTable>,
    rows: BTreeMap<String, u64>,
    content: Context,
}

/// What a backup holds, in so few bytes that two backups with the same one are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Content([u8; SHA256_OUTPUT_LEN]);

type Decompressed<R> = GzDecoder<BufReader<StreamReader<BufReader<R>>>>;

struct OpenTable {
    name: String,
    columns: usize,
    rows: u64,
}

/// One thing of a backup.
#[derive(Debug)]
pub enum Item {
    /// The rows of this table come next.
    Table {
        /// Its name.
        name: String,
        /// Its columns.
        columns: Vec<String>,
    },
    /// A row of the table, in the form of [`Snapshot::each_row`](crate::Snapshot::each_row).
    Row(String),
    /// The backup is complete and was not changed.
    End,
}

impl<R: Read> ArchiveReader<R> {
    /// Opens a backup with one of these identities, and reads its manifest.
    pub fn open(input: R, identities: &Identities) -> Result<Self, ArchiveError> {
        let decrypted =
            Decryptor::new_buffered(BufReader::new(input))?.decrypt(identities.as_age())?;
        let mut lines = BufReader::new(GzDecoder::new(BufReader::new(decrypted)));
        let mut content = Context::new(&SHA256);
        let first = read_line(&mut lines, &mut content)?;
        match format_of(&first) {
            Some(Manifest::FORMAT) => {}
            Some(format) => return Err(ArchiveError::OtherFormat(format)),
            None => return Err(ArchiveError::Damaged),
        }
        let Ok(Line::Manifest(manifest)) = serde_json::from_str(&first) else {
            return Err(ArchiveError::Damaged);
        };
        Ok(Self {
            lines,
            manifest,
            table: None,
            rows: BTreeMap::new(),
            content,
        })
    }

    /// What was read up to here.
    pub(crate) fn content(&self) -> Content {
        let mut content = [0; SHA256_OUTPUT_LEN];
        content.copy_from_slice(self.content.clone().finish().as_ref());
        Content(content)
    }

    /// The manifest.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The next table or row, or the end.
    #[expect(
        clippy::should_implement_trait,
        reason = "errors end it, and so does `End`"
    )]
    pub fn next(&mut self) -> Result<Item, ArchiveError> {
        loop {
            let line = read_line(&mut self.lines, &mut self.content)?;
            if line.starts_with('[') {
                return self.row(line);
            }
            match serde_json::from_str(&line) {
                Ok(Line::Table(table)) => return self.begin(table),
                Ok(Line::Rows(rows)) => self.end_table(rows)?,
                Ok(Line::End(rows)) => return self.end(&rows),
                _ => return Err(ArchiveError::Damaged),
            }
        }
    }

    fn begin(&mut self, table: TableLine) -> Result<Item, ArchiveError> {
        let is_expected = self.manifest.rows.contains_key(&table.name)
            && !self.rows.contains_key(&table.name)
            && self.table.is_none();
        if !is_expected {
            return Err(ArchiveError::Damaged);
        }
        self.table = Some(OpenTable {
            name: table.name.clone(),
            columns: table.columns.len(),
            rows: 0,
        });
        Ok(Item::Table {
            name: table.name,
            columns: table.columns,
        })
    }

    fn row(&mut self, line: String) -> Result<Item, ArchiveError> {
        let table = self.table.as_mut().ok_or(ArchiveError::Damaged)?;
        if !is_row(&line, table.columns) {
            return Err(ArchiveError::Damaged);
        }
        table.rows += 1;
        Ok(Item::Row(line))
    }

    fn end_table(&mut self, rows: u64) -> Result<(), ArchiveError> {
        let table = self.table.take().ok_or(ArchiveError::Damaged)?;
        let promised = self.manifest.rows.get(&table.name).copied();
        if table.rows != rows || promised != Some(rows) {
            return Err(ArchiveError::Damaged);
        }
        self.rows.insert(table.name, rows);
        Ok(())
    }

    /// Nothing may follow, and all that is between here and the end of the file must be genuine.
    fn end(&mut self, rows: &BTreeMap<String, u64>) -> Result<Item, ArchiveError> {
        let is_complete = self.table.is_none() && *rows == self.rows && *rows == self.manifest.rows;
        let mut rest = [0; 1];
        let behind_lines = self.lines.read(&mut rest)?;
        let behind_member = self.lines.get_mut().get_mut().read(&mut rest)?;
        if is_complete && behind_lines == 0 && behind_member == 0 {
            Ok(Item::End)
        } else {
            Err(ArchiveError::Damaged)
        }
    }
}

fn read_line<R: io::BufRead>(lines: &mut R, content: &mut Context) -> Result<String, ArchiveError> {
    let mut line = Vec::new();
    lines.take(MAX_LINE).read_until(b'\n', &mut line)?;
    content.update(&line);
    if line.pop() != Some(b'\n') {
        return Err(ArchiveError::Damaged);
    }
    String::from_utf8(line).map_err(|_| ArchiveError::Damaged)
}

/// Why a backup cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// It does not begin like one.
    #[error("this is no backup, or its beginning is damaged; use another copy")]
    NotABackup,
    /// None of the identities opens it.
    #[error(
        "none of the given identities opens this backup, or its beginning is damaged; give the \
         identity that belongs to the recipient it was made for"
    )]
    OtherRecipient,
    /// Something was changed, cut off or added.
    #[error("the backup is damaged: it was changed or cut off after it was made; use another copy")]
    Damaged,
    /// Another version of the format.
    #[error(
        "the backup has the format {0}, which this version of Keyward cannot read; use a newer one"
    )]
    OtherFormat(u32),
    /// The file cannot be read.
    #[error("the backup cannot be read")]
    Io(#[source] io::Error),
}

impl From<DecryptError> for ArchiveError {
    fn from(error: DecryptError) -> Self {
        match error {
            DecryptError::Io(error) if error.raw_os_error().is_some() => Self::Io(error),
            DecryptError::NoMatchingKeys | DecryptError::DecryptionFailed => Self::OtherRecipient,
            _ => Self::NotABackup,
        }
    }
}

impl From<io::Error> for ArchiveError {
    /// What the operating system reports is no damage of the backup; the layers above it report
    /// theirs without its error numbers.
    fn from(error: io::Error) -> Self {
        if error.raw_os_error().is_some() {
            Self::Io(error)
        } else {
            Self::Damaged
        }
    }
}

/// In bytes. No row is nearly as long; more is read by nobody who does not want to be out of memory.
const MAX_LINE: u64 = 16 * 1024 * 1024;
