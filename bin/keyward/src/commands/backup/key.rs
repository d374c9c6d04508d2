use std::path::Path;

use keyward_auth::Host;
use keyward_core::{Clock as _, SystemClock};
use keyward_crypto::KeyId;
use keyward_encryption::KitFacts;
use keyward_recovery::{RecoveryKit, Split};
use serde::Serialize;
use zeroize::Zeroizing;

use super::arguments::KeyArgs;
use super::sheets::{self, Sheet};
use crate::cli::Output;
use crate::exit::{Exit, Failure};
use crate::keys;
use crate::settings::Settings;
use crate::terminal;
use crate::wiring::{Installation, broken};

/// `keyward backup key`: prints every key, or writes it into files, and notes that this was done.
pub(super) fn key(settings: &Settings, args: &KeyArgs, output: Output) -> Result<Exit, Failure> {
    let split = args.split()?;
    let installation = Installation::open(settings)?;
    let kit = made(settings, &installation)?;
    let sheets = match split {
        Some(split) => sheets::of_shares(&kit.split(split), args.output_dir.as_deref()),
        None => vec![sheets::of_kit(&kit, args.output.as_deref())],
    };
    sheets::refuse_existing(&sheets)?;

    let facts = facts(&kit, split);
    let register = installation.kit_register();
    register
        .leaves(&Host, &facts)
        .map_err(|error| broken(&error))?;
    hand_over(&facts, &sheets, output)?;
    register.is_kept(&facts).map_err(|error| broken(&error))?;
    advise(&facts, &sheets);
    Ok(Exit::Done)
}

/// A kit of the keys that the installation was opened with.
fn made(settings: &Settings, installation: &Installation) -> Result<RecoveryKit, Failure> {
    let (fields, secrets) = keys::texts(settings)?;
    let kit =
        RecoveryKit::new(&fields, &secrets, SystemClock.now().unix()).map_err(Failure::refused)?;
    if ids(&kit) == installation.key_ids() {
        Ok(kit)
    } else {
        // Only the keys of before were compared with the database.
        Err(Failure::refused(
            "the keys were changed while this ran, and no kit was made; do it again",
        ))
    }
}

fn ids(kit: &RecoveryKit) -> Vec<KeyId> {
    [kit.field_ids(), kit.secret_ids()].concat()
}

fn facts(kit: &RecoveryKit, split: Option<Split>) -> KitFacts {
    KitFacts {
        kit: kit.id().to_string(),
        keys: ids(kit),
        split: split.map(|split| (split.shares(), split.threshold())),
    }
}

/// Once this has returned, somebody has the kit.
fn hand_over(facts: &KitFacts, sheets: &[Sheet], output: Output) -> Result<(), Failure> {
    for sheet in sheets {
        sheet.write()?;
    }
    let text = match output {
        Output::Json => as_json(facts, sheets)?,
        Output::Text => sheets::joined(sheets),
    };
    terminal::print_once(&text, "The kit does not count as kept: make another one")
}

fn as_json(facts: &KitFacts, sheets: &[Sheet]) -> Result<Zeroizing<String>, Failure> {
    let files: Option<Vec<_>> = sheets.iter().map(Sheet::file).collect();
    let pages = sheets.iter().map(Sheet::text).collect();
    let made = Made {
        kit: &facts.kit,
        keys: facts.keys.iter().map(KeyId::as_str).collect(),
        shares: facts.split.map(|(shares, _)| shares),
        threshold: facts.split.map(|(_, threshold)| threshold),
        pages: files.is_none().then_some(pages),
        files,
    };
    serde_json::to_string(&made)
        .map(|json| Zeroizing::new(json + "\n"))
        .map_err(Failure::unavailable)
}

/// What `--json` prints: the pages, or the files that they are in.
#[derive(Serialize)]
struct Made<'a> {
    kit: &'a str,
    keys: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shares: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pages: Option<Vec<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<Vec<&'a Path>>,
}

/// On standard error, beside the result.
fn advise(facts: &KitFacts, sheets: &[Sheet]) {
    let keys: Vec<_> = facts.keys.iter().map(KeyId::as_str).collect();
    let (kit, keys) = (&facts.kit, keys.join(" and "));
    eprintln!("keyward: the recovery kit {kit} holds the keys {keys}");
    match facts.split {
        Some((shares, threshold)) => eprintln!(
            "keyward: any {threshold} of its {shares} shares open it. Give each to another person \
             or place, apart from the database and its backups"
        ),
        None => eprintln!(
            "keyward: whoever has it and the database can read everything. Keep it offline, apart \
             from the database and its backups"
        ),
    }
    if sheets.iter().any(|sheet| sheet.file().is_some()) {
        eprintln!("keyward: once it is on paper, or on a medium of its own, delete it here");
    }
}
