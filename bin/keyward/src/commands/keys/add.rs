use keyward_auth::Host;
use keyward_crypto::KeyId;
use serde_json::json;

use super::refusal::no_change;
use crate::cli::Output;
use crate::exit::{Exit, Failure};
use crate::keys::{KeyFiles, KeyKind, add_to_file};
use crate::peers::among_peers;
use crate::settings::Settings;
use crate::terminal;
use crate::wiring::Installation;

/// Generates a key, puts it in front of the key file, and makes it known to the database.
pub(super) fn add(settings: &Settings, kind: KeyKind, output: Output) -> Result<Exit, Failure> {
    // The keys that are there have to be the right ones before one is added to them.
    let before = ids(&Installation::open(settings)?, kind);
    let files = KeyFiles::of(settings);
    let Some(path) = files.path(kind) else {
        return Err(Failure::refused(format!(
            "{name} holds the keys itself and is no file. Generate a key with `keyward keys \
             generate`, put it in front of {name} on every node, separated by a comma, and start \
             them again",
            name = kind.name()
        )));
    };
    add_to_file(path, kind).map_err(|error| {
        Failure::unavailable(format!(
            "cannot write {}: {error}. It is as it was",
            path.display()
        ))
    })?;
    let added = among_peers(settings, |installation| {
        let after = ids(installation, kind);
        let added = after.into_iter().find(|id| !before.contains(id));
        let added = added.ok_or_else(|| {
            Failure::unavailable(format!("{} was changed by somebody else", path.display()))
        })?;
        let encryption = installation.encryption();
        encryption
            .note_added(&Host, added)
            .map_err(|error| no_change(&error))?;
        Ok(added)
    })?;
    terminal::print(&match output {
        Output::Json => {
            json!({ "kid": added.as_str(), "state": "added", "file": path }).to_string() + "\n"
        }
        Output::Text => format!(
            "{added} stands in front of {}; it is not in use yet.\n\
             Copy the file to every other node, and make a new recovery kit (`keyward backup key`). \
             Then run `keyward keys activate {added}`\n",
            path.display()
        ),
    })?;
    Ok(Exit::Done)
}

fn ids(installation: &Installation, kind: KeyKind) -> Vec<KeyId> {
    let environment = installation.environment();
    match kind {
        KeyKind::Field => environment.fields.ids().collect(),
        KeyKind::Secret => environment.macs.ids().collect(),
    }
}
