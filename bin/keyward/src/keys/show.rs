//! Keys on their way to the settings.

use std::path::{Path, PathBuf};

use keyward_crypto::SecretText;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::cli::Output;
use crate::exit::Failure;
use crate::private_path;
use crate::settings::Name;
use crate::terminal;

use super::kind::KeyKind;

/// Prints keys in the form in which they are set.
pub(crate) fn print(
    field: &SecretText,
    secret: &SecretText,
    output: Output,
) -> Result<(), Failure> {
    let keys = Keys {
        field_encryption_key: field.expose(),
        secret_key: secret.expose(),
    };
    let text = match output {
        Output::Text if secret.expose().contains(char::is_control) => {
            return Err(Failure::refused(
                "SECRET_KEY has more than one line, which cannot be printed as a setting; write the \
                 keys into files with --output-dir, or print them with --json",
            ));
        }
        Output::Text => format!(
            "{}={}\n{}={}\n",
            Name::FieldEncryptionKey,
            keys.field_encryption_key,
            Name::SecretKey,
            keys.secret_key
        ),
        Output::Json => pretty(&keys)?,
    };
    terminal::print(&Zeroizing::new(text))
}

/// Writes keys into new files of `directory`, named and formed as development keeps them, and prints
/// the settings that name those.
pub(crate) fn write(
    directory: &Path,
    field: &SecretText,
    secret: &SecretText,
    output: Output,
) -> Result<(), Failure> {
    let directory = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
    let file = |kind: KeyKind| directory.join(kind.file_name());
    let files = Files {
        field_encryption_key_file: file(KeyKind::Field),
        secret_key_file: file(KeyKind::Secret),
    };
    let both = [
        (&files.field_encryption_key_file, field),
        (&files.secret_key_file, secret),
    ];
    // Before one of two is there.
    if let Some((file, _)) = both
        .iter()
        .find(|(file, _)| file.symlink_metadata().is_ok())
    {
        return Err(exists(file));
    }
    for (file, key) in both {
        match private_path::create(file, &[key.expose(), "\n"]) {
            Ok(true) => {}
            Ok(false) => return Err(exists(file)),
            Err(error) => {
                let file = file.display();
                return Err(Failure::unavailable(format_args!(
                    "cannot write {file}: {error}"
                )));
            }
        }
    }
    terminal::print(&match output {
        Output::Text => format!(
            "{}_FILE={}\n{}_FILE={}\n",
            Name::FieldEncryptionKey,
            files.field_encryption_key_file.display(),
            Name::SecretKey,
            files.secret_key_file.display()
        ),
        Output::Json => pretty(&files)?,
    })
}

fn exists(file: &Path) -> Failure {
    Failure::refused(format_args!(
        "{} exists, and no key is overwritten; move it away, or choose another directory",
        file.display()
    ))
}

fn pretty(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string_pretty(value)
        .map(|json| json + "\n")
        .map_err(Failure::unavailable)
}

#[derive(Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
struct Keys<'a> {
    field_encryption_key: &'a str,
    secret_key: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
struct Files {
    field_encryption_key_file: PathBuf,
    secret_key_file: PathBuf,
}
