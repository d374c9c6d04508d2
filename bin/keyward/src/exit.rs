use std::fmt;
use std::process::ExitCode;

/// How a command ended, as the shell sees it.
///
/// Scripts rely on these numbers. 69 and 78 are those of `sysexits.h`; usage errors end with 2 too,
/// by clap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, nothing to report.
    Done,
    /// Done, but with warnings, or the thing that was checked is not in order.
    Warnings,
    /// Not done, because it cannot be done as things are. The message says what to do first.
    Refused,
    /// `doctor` found what makes production unsafe.
    Blocked,
    /// Something needed does not answer: the database, a file, the output.
    Unavailable,
    /// The settings are wrong. Starting again without changing them is of no use.
    Configuration,
}

impl Exit {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Warnings | Self::Refused => 1,
            Self::Blocked => 2,
            Self::Unavailable => 69,
            Self::Configuration => 78,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// A command that could not do its work: what the operator reads, and the exit code.
///
/// The text is one paragraph that says what to do. It never holds a secret.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    text: String,
}

impl Failure {
    /// The settings are wrong: exit code 78.
    pub(crate) fn configuration(text: impl fmt::Display) -> Self {
        Self {
            exit: Exit::Configuration,
            text: text.to_string(),
        }
    }

    /// Something needed does not answer: exit code 69.
    pub(crate) fn unavailable(text: impl fmt::Display) -> Self {
        Self {
            exit: Exit::Unavailable,
            text: text.to_string(),
        }
    }

    /// What was asked for cannot be done as things are: exit code 1.
    pub(crate) fn refused(text: impl fmt::Display) -> Self {
        Self {
            exit: Exit::Refused,
            text: text.to_string(),
        }
    }

    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
