//! `keyward keys`: the life of encryption keys, administered on the host.

mod add;
mod progress;
mod refusal;
mod show;

use std::time::Duration;

use keyward_auth::Host;
use keyward_core::StoreError;
use keyward_crypto::KeyId;
use keyward_encryption::{Leftovers, ManageEncryption, Pass, Reencrypt, Step};
use keyward_store_diesel::DieselStore;

use self::progress::Progress;
use self::refusal::no_change;
use crate::cli::{KeysCommand, Output, RotateArgs};
use crate::exit::{Exit, Failure};
use crate::keys::{self, KeyKind};
use crate::peers::among_peers;
use crate::settings::Settings;
use crate::terminal;
use crate::wiring::{Installation, broken};

/// Does one of the commands, as the operator of the host.
pub(crate) fn keys(
    settings: impl FnOnce() -> Result<Settings, Failure>,
    command: &KeysCommand,
    output: Output,
) -> Result<Exit, Failure> {
    match command {
        // Needs no settings, which on a new machine are not there yet.
        KeysCommand::Generate => keys::print_new(output).map(|()| Exit::Done),
        KeysCommand::Add { secret } => {
            let kind = if *secret {
                KeyKind::Secret
            } else {
                KeyKind::Field
            };
            add::add(&settings()?, kind, output)
        }
        KeysCommand::Status => {
            let installation = Installation::open_to_read(&settings()?)?;
            show::status(&installation.encryption(), output)
        }
        KeysCommand::Activate { kid } => {
            let activate =
                |installation: &Installation| activate(&installation.encryption(), kid, output);
            among_peers(&settings()?, activate)
        }
        KeysCommand::Rotate(args) => among_peers(&settings()?, |installation| {
            rotate(installation, args, output)
        }),
        KeysCommand::Retire { kid, end_unused } => {
            let leftovers = if *end_unused {
                Leftovers::End
            } else {
                Leftovers::Keep
            };
            among_peers(&settings()?, |installation| {
                retire(&installation.encryption(), kid, leftovers, output)
            })
        }
    }
}

fn activate(
    encryption: &ManageEncryption<DieselStore>,
    kid: &str,
    output: Output,
) -> Result<Exit, Failure> {
    let kid = key_id(kid)?;
    encryption
        .activate(&Host, kid)
        .map_err(|error| no_change(&error))?;
    let text = format!(
        "{kid} is in use from now on; `keyward keys rotate` moves what older keys have sealed or \
         signed\n"
    );
    show::done(output, "active", kid, &text)
}

fn retire(
    encryption: &ManageEncryption<DieselStore>,
    kid: &str,
    leftovers: Leftovers,
    output: Output,
) -> Result<Exit, Failure> {
    let kid = key_id(kid)?;
    encryption
        .retire(&Host, kid, leftovers)
        .map_err(|error| no_change(&error))?;
    let text = format!(
        "{kid} is retired: nothing needs it. Remove it from the settings of every node; keep it \
         with the backups that were made until now, which need it\n"
    );
    show::done(output, "retired", kid, &text)
}

/// Starts re-encryption and does it, or watches how a server does it.
fn rotate(installation: &Installation, args: &RotateArgs, output: Output) -> Result<Exit, Failure> {
    let encryption = installation.encryption();
    if args.pause {
        let status = encryption.pause(&Host).map_err(|error| no_change(&error))?;
        return show::rotation(&status, output);
    }
    let started = encryption.start(&Host).map_err(|error| no_change(&error))?;
    let mut progress = Progress::new(started.total, started.done, output);
    let worker = installation.reencrypt(&format!("command {}", std::process::id()));
    let unreadable = work(&encryption, &worker, args.rate, &mut progress)?;
    progress.finish();
    let status = encryption.status().map_err(|error| broken(&error))?;
    show::rotation(&status, output)?;
    if unreadable == 0 {
        return Ok(Exit::Done);
    }
    terminal::warn(&format!(
        "{unreadable} values cannot be opened and keep their key; the log names each, and \
         `keyward keys status` their keys"
    ));
    Ok(Exit::Warnings)
}

/// Until it is done or paused; returns how many values cannot be opened.
fn work(
    encryption: &ManageEncryption<DieselStore>,
    worker: &Reencrypt<DieselStore>,
    rate: u32,
    progress: &mut Progress,
) -> Result<u64, Failure> {
    let mut pass = Pass::default();
    let mut failures = 0;
    loop {
        let step = match worker.step(&mut pass) {
            // The database is busy, or starts anew. Nothing is lost by asking again.
            Err(StoreError::Unavailable(_)) if failures < PATIENCE => {
                failures += 1;
                std::thread::sleep(WAIT);
                continue;
            }
            step => step.map_err(|error| broken(&error))?,
        };
        failures = 0;
        match step {
            Step::Moved(values) => progress.moved_at_most(values, rate),
            Step::Done { unreadable } => return Ok(unreadable),
            Step::Elsewhere => {
                // A server works on it. Counting takes a while, so this does not ask often.
                std::thread::sleep(WAIT);
                let status = encryption.status().map_err(|error| broken(&error))?;
                progress.is_at(status.done);
            }
            _ => return Ok(0),
        }
    }
}

fn key_id(text: &str) -> Result<KeyId, Failure> {
    KeyId::parse(text.trim()).ok_or_else(|| {
        Failure::refused(
            "a key is named by its id of 16 hexadecimal digits; `keyward keys status` shows them",
        )
    })
}

const WAIT: Duration = Duration::from_secs(1);
/// In seconds, about.
const PATIENCE: u32 = 30;
