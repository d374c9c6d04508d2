//! Are the keys there, are they good, and who else can read them?

use std::fs;
use std::path::{Path, PathBuf};

use crate::keys::{self, KeyError, KeyKind, KeyOrigin};
use crate::private_path;
use crate::settings::{Mode, Settings};

use super::check::{Check, Rule, Severity};

pub(super) fn checks(settings: &Settings) -> Vec<Check> {
    let fields = keys::existing_fields(settings).map(|found| {
        found.map(|(ring, origin)| (ring.ids().count(), ring.active().to_string(), origin))
    });
    let macs = keys::existing_macs(settings).map(|found| {
        found.map(|(ring, origin)| (ring.ids().count(), ring.active().to_string(), origin))
    });
    vec![
        key(settings, FIELD_ENCRYPTION_KEY, KeyKind::Field, fields),
        key(settings, SECRET_KEY, KeyKind::Secret, macs),
        file_modes(settings),
        data_dir(settings),
    ]
}

/// How many keys there are, the id of the newest, and where they came from.
type Keys = (usize, String, KeyOrigin);

fn key(
    settings: &Settings,
    rule: Rule,
    kind: KeyKind,
    found: Result<Option<Keys>, KeyError>,
) -> Check {
    let name = kind.name();
    match found {
        Ok(Some((1, id, origin))) => rule.pass(format_args!("the key {id} from {origin}")),
        Ok(Some((count, id, origin))) => rule.pass(format_args!(
            "{count} keys from {origin}, the newest is {id}"
        )),
        Ok(None) if settings.mode == Mode::Production => rule.fail(
            format_args!("{name} is not set"),
            format_args!(
                "run `keyward keys generate`, keep what it prints in a safe place, and set \
                 {name}, or {name}_FILE to a file with mode 0600{}",
                left_from_development(settings, kind)
            ),
        ),
        Ok(None) => match existing_database(settings) {
            Some(database) => rule.fail(
                format_args!(
                    "{} exists, and the key it was written under is missing",
                    database.display()
                ),
                format_args!(
                    "restore {} from your backup, set {name}, or move the database away",
                    kind.path(settings).display()
                ),
            ),
            None => rule.skip("not there yet; development generates it at the first start"),
        },
        Err(error) => rule.fail(
            &error,
            format_args!("correct {name}, or the file that {name}_FILE names"),
        ),
    }
}

fn left_from_development(settings: &Settings, kind: KeyKind) -> String {
    let path = kind.path(settings);
    if path.exists() {
        format!(
            "; to go on with the data of development, set it to {}",
            path.display()
        )
    } else {
        String::new()
    }
}

fn existing_database(settings: &Settings) -> Option<PathBuf> {
    let url = settings.database_url().ok()?;
    url.sqlite_path()
        .filter(|path| path.exists())
        .map(Path::to_owned)
}

/// Of every file that holds a secret setting. `DATABASE_URL_FILE` may be shared within a group, as
/// its password is worth less than a key and can be changed, so it warns only.
fn file_modes(settings: &Settings) -> Check {
    let key_file = |kind: KeyKind| match kind.source(settings) {
        Some(source) => source.file().map(Path::to_owned),
        None if settings.mode == Mode::Development => Some(kind.path(settings)),
        None => None,
    };
    let keys: Vec<_> = [KeyKind::Field, KeyKind::Secret]
        .into_iter()
        .filter_map(key_file)
        .collect();
    let url = settings
        .database_url
        .as_ref()
        .and_then(|source| source.file())
        .map(Path::to_owned);

    // A file that is not there is told by the check of its setting.
    let seen = |path: &PathBuf| fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    let (keys, url): (Vec<_>, Vec<_>) = (
        keys.into_iter().filter(seen).collect(),
        url.into_iter().filter(seen).collect(),
    );
    if keys.is_empty() && url.is_empty() {
        return FILE_MODES.skip("no secret is in a file");
    }
    if let Some((evidence, fix)) = exposed(&keys) {
        return FILE_MODES.fail(evidence, fix);
    }
    if let Some((evidence, fix)) = exposed(&url) {
        return FILE_MODES.warn(evidence, fix);
    }
    let paths: Vec<_> = keys
        .iter()
        .chain(&url)
        .map(|path| path.display().to_string())
        .collect();
    FILE_MODES.pass(format_args!(
        "only the owner can access {}",
        paths.join(" and ")
    ))
}

/// Evidence and fix for those of `paths` that others have access to.
fn exposed(paths: &[PathBuf]) -> Option<(String, String)> {
    let exposed: Vec<(&PathBuf, u32)> = paths
        .iter()
        .filter_map(|path| {
            let metadata = fs::metadata(path).ok()?;
            let exposed = private_path::is_exposed_key(path, &metadata);
            exposed.then(|| (path, private_path::permission_bits(&metadata)))
        })
        .collect();
    if exposed.is_empty() {
        return None;
    }
    let with_modes: Vec<_> = exposed
        .iter()
        .map(|(path, mode)| format!("{} (mode {mode:04o})", path.display()))
        .collect();
    let names: Vec<_> = exposed
        .iter()
        .map(|(path, _)| path.display().to_string())
        .collect();
    Some((
        format!("other users can access {}", with_modes.join(" and ")),
        format!("chmod 600 {}", names.join(" ")),
    ))
}

fn data_dir(settings: &Settings) -> Check {
    let path = &settings.data_dir;
    let shown = path.display();
    match fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            DATA_DIR.skip(format_args!("{shown} does not exist"))
        }
        Err(error) => DATA_DIR.fail(
            format_args!("{shown} cannot be looked at: {error}"),
            "run as the user that owns it, or choose another with DATA_DIR",
        ),
        Ok(metadata) if !metadata.is_dir() => DATA_DIR.fail(
            format_args!("{shown} is not a directory"),
            "move it away, or choose another with DATA_DIR",
        ),
        Ok(metadata) if private_path::is_exposed(&metadata) => DATA_DIR.fail(
            format_args!(
                "other users can access {shown} (mode {:04o})",
                private_path::permission_bits(&metadata)
            ),
            format_args!("chmod 700 {shown}"),
        ),
        Ok(_) => DATA_DIR.pass(format_args!("only the owner can access {shown}")),
    }
}

pub(super) const RULES: [Rule; 4] = [FIELD_ENCRYPTION_KEY, SECRET_KEY, FILE_MODES, DATA_DIR];

const FIELD_ENCRYPTION_KEY: Rule = Rule {
    id: "keys.field-encryption-key",
    title: "The key that encrypts credentials is set and is no example",
    severity: Severity::Blocking,
    asvs: "v5.0.0-13.3.1",
};

const SECRET_KEY: Rule = Rule {
    id: "keys.secret-key",
    title: "The key that authenticates API keys is set, long enough and no default",
    severity: Severity::Blocking,
    asvs: "v5.0.0-13.2.3",
};

const FILE_MODES: Rule = Rule {
    id: "keys.file-modes",
    title: "Only their owner can access files with secrets",
    severity: Severity::Blocking,
    asvs: "v5.0.0-13.3.2",
};

const DATA_DIR: Rule = Rule {
    id: "storage.data-dir-mode",
    title: "Only its owner can access the data directory",
    severity: Severity::Blocking,
    asvs: "v5.0.0-13.2.2",
};
