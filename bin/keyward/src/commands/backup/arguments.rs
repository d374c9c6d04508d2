use std::path::PathBuf;

use clap::{Args, Subcommand, value_parser};
use keyward_recovery::Split;

use crate::exit::Failure;

/// Recipients are no secrets. Identities and keys are: they come from files and standard input.
#[derive(Debug, Subcommand)]
pub(crate) enum BackupCommand {
    /// Make what opens backups: an identity in a new file. Prints its recipient, for whom backups
    /// are made. Keep the file away from the machine that makes them.
    #[command(after_help = "Example:\n  keyward backup identity backup-identity.txt")]
    Identity {
        /// The file to write, mode 0600.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Write everything that is stored into a file, while everything runs.
    #[command(
        after_help = "Examples:\n  keyward backup create --recipient age1… /backups/keyward-2027-01-31.backup\n  keyward backup create --recipients-file recipients.txt today.backup"
    )]
    Create(CreateArgs),
    /// Prove a backup: restore it into a temporary database, open what is sealed, and check the
    /// audit log. Ends with 1 when something is wrong.
    #[command(
        after_help = "Example:\n  keyward backup verify --identity-file backup-identity.txt today.backup"
    )]
    Verify(OpenArgs),
    /// Verify a backup, and put it into the database. Sessions, codes and tickets of before end.
    #[command(
        after_help = "Example:\n  keyward backup restore --identity-file backup-identity.txt today.backup"
    )]
    Restore(RestoreArgs),
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

/// What to write, and for whom.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// The file to write. It must not be there yet.
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,

    /// Who can open it, as `keyward backup identity` prints it. Can be given several times.
    #[arg(
        long = "recipient",
        value_name = "AGE1",
        required_unless_present = "recipients_file"
    )]
    pub(super) recipients: Vec<String>,

    /// A file with recipients, one a line.
    #[arg(long, value_name = "FILE")]
    pub(super) recipients_file: Option<PathBuf>,
}

/// Which backup, and what opens it.
#[derive(Debug, Args)]
pub(crate) struct OpenArgs {
    /// The backup.
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,

    /// The file with the identity that opens it. Only its owner may be able to read it.
    #[arg(long, value_name = "FILE")]
    pub(super) identity_file: PathBuf,

    /// What `keyward audit anchor` printed before the backup was made: detects a backup of something
    /// else, or of an audit log that was cut off.
    #[arg(long, value_name = "TEXT")]
    pub(super) anchor: Option<String>,
}

/// Which backup, and whether it may replace what is there.
#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    #[command(flatten)]
    pub(super) open: OpenArgs,

    /// Replace a database that has users. It is lost; back it up first. What was revoked, disabled
    /// or used up in it stays so.
    #[arg(long)]
    pub(super) replace: bool,
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
