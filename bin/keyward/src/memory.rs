//! Keeps what is in memory, where keys and secrets are, to this process.

use std::io;

/// From here on a crash writes no core dump, and no other process of the same user can attach to
/// this one, or read its memory or its environment in `/proc`. Root can.
#[cfg(target_os = "linux")]
pub(crate) fn keep_private() -> io::Result<()> {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}

#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "it can fail on Linux")]
pub(crate) fn keep_private() -> io::Result<()> {
    Ok(())
}
