//! What the address of the database says about it.

use std::fs;
use std::path::{Path, PathBuf};

use keyward_store_diesel::{DatabaseUrl, DatabaseUrlError};

use crate::settings::{DatabaseUrlProblem, Settings};

use super::check::{Check, Rule, Severity};

pub(super) fn checks(settings: &Settings) -> Vec<Check> {
    let url = settings.database_url();
    vec![address(&url), encryption(&url), place(&url)]
}

type Url = Result<DatabaseUrl, DatabaseUrlProblem>;

fn address(url: &Url) -> Check {
    match url {
        Ok(url) => ADDRESS.pass(url.label()),
        Err(error) if concerns_encryption(error) => {
            ADDRESS.pass("DATABASE_URL names a PostgreSQL server")
        }
        Err(error @ DatabaseUrlProblem::Missing) => ADDRESS.fail(
            error,
            "set DATABASE_URL to sqlite:///absolute/path or \
             postgres://user:password@host/database?sslmode=verify-full, or name a file that \
             holds it with DATABASE_URL_FILE",
        ),
        Err(error) => ADDRESS.fail(error, "correct DATABASE_URL"),
    }
}

fn encryption(url: &Url) -> Check {
    match url {
        Ok(url) if url.sqlite_path().is_some() => ENCRYPTION.skip("SQLite is not on a network"),
        Ok(url) => match url.warning() {
            Some(warning) => ENCRYPTION.warn(warning, "set sslmode=verify-full in DATABASE_URL"),
            None => ENCRYPTION.pass("the server is on this machine, or TLS checks who answers"),
        },
        Err(error) if concerns_encryption(error) => ENCRYPTION.fail(
            error,
            "set sslmode=verify-full in DATABASE_URL, and run a build with TLS",
        ),
        Err(_) => ENCRYPTION.skip("DATABASE_URL cannot be used"),
    }
}

fn concerns_encryption(error: &DatabaseUrlProblem) -> bool {
    use DatabaseUrlError::{BuildWithoutTls, PlainText};
    matches!(
        error,
        DatabaseUrlProblem::Refused(PlainText(_) | BuildWithoutTls)
    )
}

fn place(url: &Url) -> Check {
    let Some(path) = url.as_ref().ok().and_then(DatabaseUrl::sqlite_path) else {
        return PLACE.skip("the database is not a file of ours");
    };
    let path = resolved(path);
    let shown = path.display();
    let fix = "move the database to a disk that lasts, and point DATABASE_URL there";
    if let Some(shared) = TEMPORARY
        .iter()
        .find(|directory| path.starts_with(directory))
    {
        return PLACE.warn(
            format_args!("{shown} is in {shared}, which is emptied and shared with all users"),
            fix,
        );
    }
    match file_system(&path) {
        Some(kind) if MEMORY.contains(&kind.as_str()) => PLACE.warn(
            format_args!("{shown} is in memory ({kind}) and gone after a restart"),
            fix,
        ),
        Some(kind) if NETWORK.contains(&kind.as_str()) => PLACE.warn(
            format_args!(
                "{shown} is on a network file system ({kind}), where locks cannot be relied on"
            ),
            "move the database to a local disk, or use PostgreSQL",
        ),
        _ => PLACE.pass(shown),
    }
}

/// The path without links, as far as it exists.
fn resolved(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for existing in path.ancestors() {
        if let (Ok(real), Ok(rest)) = (fs::canonicalize(existing), path.strip_prefix(existing)) {
            // Joining an empty rest would put a slash behind a file.
            return if rest.as_os_str().is_empty() {
                real
            } else {
                real.join(rest)
            };
        }
    }
    path
}

/// The type of the file system that `path` is on, where the kernel tells (Linux).
fn file_system(path: &Path) -> Option<String> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    // Later mounts hide earlier ones at the same point, and `max_by_key` takes the last of equals.
    mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ').skip(1);
            Some((unescaped(words.next()?), words.next()?))
        })
        .filter(|(point, _)| path.starts_with(point))
        .max_by_key(|(point, _)| point.len())
        .map(|(_, kind)| kind.to_owned())
}

/// Undoes the escapes of proc(5) for what can stand in a mount point.
fn unescaped(point: &str) -> String {
    point
        .replace(r"\040", " ")
        .replace(r"\011", "\t")
        .replace(r"\012", "\n")
        .replace(r"\134", r"\")
}

const TEMPORARY: [&str; 3] = ["/tmp", "/var/tmp", "/dev/shm"];

const MEMORY: [&str; 2] = ["tmpfs", "ramfs"];

const NETWORK: [&str; 6] = ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs"];

pub(super) const RULES: [Rule; 3] = [ADDRESS, ENCRYPTION, PLACE];

const ADDRESS: Rule = Rule {
    id: "database.url",
    title: "The database is named and of a kind that this build can use",
    severity: Severity::Blocking,
    asvs: "v5.0.0-13.1.1",
};

const ENCRYPTION: Rule = Rule {
    id: "database.tls",
    title: "The connection to the database is encrypted and checks who answers",
    severity: Severity::Blocking,
    asvs: "v5.0.0-12.3.1",
};

const PLACE: Rule = Rule {
    id: "database.place",
    title: "The database file is on a disk that lasts",
    severity: Severity::Warning,
    asvs: "v5.0.0-13.2.2",
};
