use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use keyward_audit::{ReadAudit, Record, Seq};
use keyward_core::{StoreError, Timestamp};
use keyward_store_diesel::DieselStore;

use super::form;
use crate::commands::new_file::NewFile;
use crate::exit::{Exit, Failure};
use crate::settings::Settings;
use crate::terminal;
use crate::wiring::{Installation, broken};

/// Which events, in which form, and where to.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Begin with the event of this number.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i64).range(1..))]
    from: Option<Seq>,

    /// End with the event of this number.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i64).range(1..))]
    to: Option<Seq>,

    /// Only events of this time and later, as in 2027-01-31T00:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = Timestamp::parse)]
    since: Option<Timestamp>,

    /// Only events before this time.
    #[arg(long, value_name = "TIME", value_parser = Timestamp::parse)]
    until: Option<Timestamp>,

    /// The form: an object in each line, or a table for spreadsheets.
    #[arg(long, value_enum, default_value = "jsonl")]
    format: Form,

    /// Write to this new file instead of standard output. It appears complete, or not at all.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    Jsonl,
    Csv,
}

impl Form {
    fn heading(self) -> &'static str {
        match self {
            Self::Jsonl => "",
            Self::Csv => form::CSV_HEADING,
        }
    }

    fn line(self, record: &Record) -> String {
        match self {
            Self::Jsonl => form::json(record),
            Self::Csv => form::csv(record),
        }
    }
}

/// `keyward audit export`: events, oldest first, page by page.
pub(crate) fn audit_export(settings: &Settings, args: &ExportArgs) -> Result<Exit, Failure> {
    let installation = Installation::open_to_read(settings)?;
    let audit = installation.read_audit();
    match &args.output {
        None => to_stdout(&audit, args),
        Some(path) => {
            let file = NewFile::begin(path)?;
            let mut writer = file.writer();
            let count = export(&audit, args, &mut writer).map_err(|error| match error {
                ExportError::Store(error) => broken(&error),
                ExportError::Write(error) => file.unwritable(&error),
            })?;
            file.finish(writer)?;
            file.keep()?;
            terminal::note(&format!("wrote {count} events to {}", path.display()));
            Ok(())
        }
    }
    .map(|()| Exit::Done)
}

fn to_stdout(audit: &ReadAudit<DieselStore>, args: &ExportArgs) -> Result<(), Failure> {
    let mut writer = io::BufWriter::new(io::stdout().lock());
    let written = export(audit, args, &mut writer);
    let flushed = written.and_then(|_| writer.flush().map_err(ExportError::Write));
    match flushed {
        // Whoever reads has seen enough.
        Err(ExportError::Write(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(ExportError::Write(error)) => Err(Failure::unavailable(format!(
            "cannot write the output: {error}"
        ))),
        Err(ExportError::Store(error)) => Err(broken(&error)),
        Ok(()) => Ok(()),
    }
}

enum ExportError {
    Store(StoreError),
    Write(io::Error),
}

/// Writes the events that are asked for, and says how many there are.
fn export(
    audit: &ReadAudit<DieselStore>,
    args: &ExportArgs,
    writer: &mut impl Write,
) -> Result<u64, ExportError> {
    let mut after = args.from.map_or(0, |from| from - 1);
    let mut count = 0;
    writer
        .write_all(args.format.heading().as_bytes())
        .map_err(ExportError::Write)?;
    loop {
        let page = audit.oldest(after, PAGE).map_err(ExportError::Store)?;
        let Some(last) = page.last() else {
            return Ok(count);
        };
        after = last.fields.seq;
        for record in page.iter().filter(|record| args.wants(record)) {
            let line = args.format.line(record);
            writer
                .write_all(line.as_bytes())
                .map_err(ExportError::Write)?;
            count += 1;
        }
        if args.to.is_some_and(|to| after >= to) {
            return Ok(count);
        }
    }
}

impl ExportArgs {
    fn wants(&self, record: &Record) -> bool {
        let fields = &record.fields;
        self.to.is_none_or(|to| fields.seq <= to)
            && self.since.is_none_or(|since| fields.at >= since)
            && self.until.is_none_or(|until| fields.at < until)
    }
}

const PAGE: i64 = 1_000;
