use std::path::PathBuf;

use clap::{Args, Subcommand, value_parser};
use keyward_recovery::Split;

use crate::exit::Failure;

/// Keys are no arguments: they are printed, or read from files and standard input.
#[derive(Debug, Subcommand)]
pub(crate) enum BackupCommand {
    /// Print a recovery kit: the encryption keys as a page of paper, whole or in shares.
    #[command(
        after_help = "Examples:\n  keyward backup key | lp\n  keyward backup key --output kit.txt\n  keyward backup key --shares 5 --threshold 3 --output-dir shares"
    )]
    Key(KeyArgs),
    /// Get the encryption keys back from a recovery kit, or from enough of its shares.
    #[command(
        after_help = "Examples:\n  keyward backup restore-key kit.txt\n  keyward backup restore-key share-1.txt share-4.txt share-5.txt --output-dir keyward-data"
    )]
    RestoreKey(RestoreKeyArgs),
}

/// In which form the kit leaves, and where to.
#[derive(Debug, Args)]
pub(crate) struct KeyArgs {
    /// Write the page into this new file instead of printing it.
    #[arg(long, value_name = "FILE", conflicts_with = "shares")]
    pub(super) output: Option<PathBuf>,

    /// Split the kit into so many shares, 2 to 16.
    #[arg(long, value_name = "N", requires = "threshold", value_parser = value_parser!(u8).range(2..=16))]
    shares: Option<u8>,

    /// So many of the shares open the kit; fewer say nothing about the keys.
    #[arg(long, value_name = "K", requires = "shares", value_parser = value_parser!(u8).range(2..=16))]
    threshold: Option<u8>,

    /// Write each share into a new file in this directory instead of printing them.
    #[arg(long, value_name = "DIR", requires = "shares")]
    pub(super) output_dir: Option<PathBuf>,
}

impl KeyArgs {
    pub(super) fn split(&self) -> Result<Option<Split>, Failure> {
        let (Some(shares), Some(threshold)) = (self.shares, self.threshold) else {
            return Ok(None);
        };
        Split::new(shares, threshold)
            .map(Some)
            .map_err(|error| Failure::refused(format_args!("--threshold: {error}")))
    }
}

/// What to read, and where to write the keys.
#[derive(Debug, Args)]
pub(crate) struct RestoreKeyArgs {
    /// The kit, or one file for each share; standard input without any.
    #[arg(value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,

    /// Write the keys into files in this directory instead of printing them.
    #[arg(long, value_name = "DIR")]
    pub(super) output_dir: Option<PathBuf>,
}
