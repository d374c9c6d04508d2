//! Takes secrets out of the environment of the process.
//!
//! What a process was started with stays in its memory as it was, and in `/proc/PID/environ`,
//! whatever is done to the variables later. So the process starts itself anew, once, without them,
//! and hands them over in a file that is in memory only.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::fs::{MemfdFlags, memfd_create};
use zeroize::Zeroizing;

use crate::settings::secret_variables;

/// Starts the process anew without secrets in its environment, if there are any. Returns where that
/// was not needed; an error is why it could not be done.
pub(crate) fn leave_environment() -> io::Result<()> {
    let mut secrets = Vec::new();
    for variable in secret_variables() {
        if let Some(value) = std::env::var_os(variable).filter(|value| !value.is_empty()) {
            secrets.push((variable, value));
        }
    }
    if secrets.is_empty() {
        return Ok(());
    }
    let file = packed(&secrets)?;
    let mut arguments = std::env::args_os();
    let mut again = Command::new(std::env::current_exe()?);
    again
        .arg0(arguments.next().unwrap_or_else(|| "keyward".into()))
        .args(arguments)
        .env(VARIABLE, file.as_raw_fd().to_string());
    for (variable, _) in &secrets {
        again.env_remove(variable);
    }
    // Keeps the process and its number; what follows happens only when it fails.
    Err(again.exec())
}

/// The variables with secrets that were handed over. The file is emptied.
pub(crate) fn taken() -> io::Result<Vec<(OsString, OsString)>> {
    let Some(number) = std::env::var_os(VARIABLE) else {
        return Ok(Vec::new());
    };
    let number: u32 = number
        .to_str()
        .and_then(|number| number.parse().ok())
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let path = format!("/proc/self/fd/{number}");
    let mut packed = Zeroizing::new(Vec::new());
    File::open(&path)?
        .take(MAX_BYTES)
        .read_to_end(&mut packed)?;
    OpenOptions::new().write(true).open(&path)?.set_len(0)?;
    let mut parts = packed.split(|byte| *byte == 0);
    let mut found = Vec::new();
    while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
        let owned = |part: &[u8]| OsString::from_vec(part.to_owned());
        found.push((owned(name), owned(value)));
    }
    Ok(found)
}

/// Names and values, each with a zero byte at its end, as environments have them.
fn packed(secrets: &[(&str, OsString)]) -> io::Result<OwnedFd> {
    // Stays open for the process that comes after.
    let descriptor = memfd_create("keyward-settings", MemfdFlags::empty())?;
    let mut file = File::from(descriptor);
    for (variable, value) in secrets {
        for part in [variable.as_bytes(), value.as_bytes()] {
            file.write_all(part)?;
            file.write_all(&[0])?;
        }
    }
    Ok(file.into())
}

/// Says by which number the file is open.
pub(crate) const VARIABLE: &str = "KEYWARD_HANDED_OVER";
const MAX_BYTES: u64 = 1 << 20;
