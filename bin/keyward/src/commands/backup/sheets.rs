//! The pages of a kit, and where they go.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use keyward_crypto::SecretText;
use keyward_recovery::{RecoveryKit, Share};
use zeroize::Zeroizing;

use crate::exit::Failure;
use crate::private_path;

/// One page.
pub(super) struct Sheet {
    text: SecretText,
    file: Option<PathBuf>,
}

pub(super) fn of_kit(kit: &RecoveryKit, file: Option<&Path>) -> Sheet {
    Sheet {
        text: kit.page(),
        file: file.map(Path::to_owned),
    }
}

pub(super) fn of_shares(shares: &[Share], directory: Option<&Path>) -> Vec<Sheet> {
    let sheet = |share: &Share| Sheet {
        text: share.page(),
        file: directory.map(|directory| directory.join(file_name(share))),
    };
    shares.iter().map(sheet).collect()
}

fn file_name(share: &Share) -> String {
    format!(
        "keyward-kit-{}-share-{}-of-{}.txt",
        share.kit(),
        share.number(),
        share.split().shares()
    )
}

/// Before the kit leaves in part.
pub(super) fn refuse_existing(sheets: &[Sheet]) -> Result<(), Failure> {
    let mut files = sheets.iter().filter_map(Sheet::file);
    match files.find(|file| file.symlink_metadata().is_ok()) {
        Some(file) => Err(exists(file)),
        None => Ok(()),
    }
}

/// The files that were written, or all pages one after the other: apart on a terminal, each on a
/// sheet of its own on a printer.
pub(super) fn joined(sheets: &[Sheet]) -> Zeroizing<String> {
    let between = if std::io::stdout().is_terminal() {
        BETWEEN
    } else {
        "\x0c"
    };
    let room = sheets.iter().map(|sheet| sheet.text.len() + between.len());
    let mut text = Zeroizing::new(String::with_capacity(room.sum()));
    for (position, sheet) in sheets.iter().enumerate() {
        if let Some(file) = sheet.file() {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}", file.display());
            continue;
        }
        if position > 0 {
            text.push_str(between);
        }
        text.push_str(sheet.text());
    }
    text
}

impl Sheet {
    pub(super) fn text(&self) -> &str {
        self.text.expose()
    }

    pub(super) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Into its file, if it has one.
    pub(super) fn write(&self) -> Result<(), Failure> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        match private_path::create(file, &[self.text()]) {
            Ok(true) => Ok(()),
            Ok(false) => Err(exists(file)),
            Err(error) => Err(Failure::unavailable(format_args!(
                "cannot write {}: {error}. The kit does not count as kept: remove what was written \
                 of it, and make another one",
                file.display()
            ))),
        }
    }
}

fn exists(file: &Path) -> Failure {
    Failure::refused(format_args!(
        "{} exists, and nothing is overwritten; choose another name, or move it away",
        file.display()
    ))
}

const BETWEEN: &str =
    "\n\n-------------------------------------------------------------------------------\n\n";
