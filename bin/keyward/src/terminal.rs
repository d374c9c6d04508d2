//! What is written for the person or the script at the other end.

use std::io::{self, ErrorKind, IsTerminal, Write};

use crate::exit::Failure;

/// Whether `stream` shows colours, and its reader wants them (<https://no-color.org>).
pub(crate) fn colours(stream: &impl IsTerminal) -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    stream.is_terminal() && !refused
}

/// Writes a command's result to standard output.
///
/// A reader that left early (`keyward … | head -1`) is no failure.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    match write(text) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::unavailable(
            format_args!("cannot write the output: {error}"),
        )),
        _ => Ok(()),
    }
}

/// Writes what cannot be shown again. A reader that left early has lost it, so that is a failure,
/// too; `then` says what to do about it.
pub(crate) fn print_once(text: &str, then: &str) -> Result<(), Failure> {
    write(text).map_err(|error| {
        Failure::unavailable(format_args!(
            "cannot write to standard output what is shown only once: {error}. {then}"
        ))
    })
}

/// Writes what somebody should know beside the result.
pub(crate) fn warn(text: &str) {
    eprintln!("keyward: warning: {text}");
}

/// Writes how a command has ended, beside the result.
pub(crate) fn note(text: &str) {
    eprintln!("keyward: {text}");
}

fn write(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}
