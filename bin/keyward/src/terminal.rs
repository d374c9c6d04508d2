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
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::unavailable(
            format_args!("cannot write the output: {error}"),
        )),
        _ => Ok(()),
    }
}
