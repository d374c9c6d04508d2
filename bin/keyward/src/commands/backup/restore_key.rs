use std::io::{IsTerminal as _, Read as _};
use std::path::Path;

use keyward_core::Timestamp;
use keyward_crypto::{KeyId, SecretText};
use keyward_recovery::{Page, RecoveryKit, combine, read};
use zeroize::Zeroizing;

use super::arguments::RestoreKeyArgs;
use crate::cli::Output;
use crate::exit::{Exit, Failure};
use crate::keys;
use crate::private_path::{self, Readers};
use crate::terminal;

/// `keyward backup restore-key`: prints the keys of a kit as `keyward keys generate` does, or writes
/// them into files.
pub(super) fn restore_key(args: &RestoreKeyArgs, output: Output) -> Result<Exit, Failure> {
    let kit = opened(pages(&args.files)?)?;
    let (field, secret) = (kit.field_encryption_key(), kit.secret_key());
    match &args.output_dir {
        Some(directory) => keys::write(directory, &field, &secret, output)?,
        None => keys::print(&field, &secret, output)?,
    }
    tell(&kit);
    Ok(Exit::Done)
}

fn pages(files: &[impl AsRef<Path>]) -> Result<Vec<Page>, Failure> {
    if files.is_empty() {
        return understood("standard input", &from_stdin()?);
    }
    let mut pages = Vec::new();
    for file in files {
        let file = file.as_ref();
        // On a stick or a scan it may have any mode.
        let text = private_path::read_secret(file, Readers::Any).map_err(Failure::refused)?;
        if file
            .metadata()
            .is_ok_and(|file| private_path::is_exposed(&file))
        {
            let file = file.display();
            terminal::warn(&format!(
                "other users can read {file}; delete it after this"
            ));
        }
        pages.extend(understood(&file.display().to_string(), &text)?);
    }
    Ok(pages)
}

fn understood(place: &str, text: &SecretText) -> Result<Vec<Page>, Failure> {
    read(text.expose()).map_err(|error| Failure::refused(format_args!("{place}: {error}")))
}

fn from_stdin() -> Result<SecretText, Failure> {
    if std::io::stdin().is_terminal() {
        eprintln!(
            "keyward: type the numbered lines of the kit, or of the shares, and then Ctrl-D:"
        );
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BYTES + 1));
    std::io::stdin()
        .take(MAX_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| {
            Failure::unavailable(format_args!("cannot read standard input: {error}"))
        })?;
    let text = str::from_utf8(&bytes).ok();
    text.filter(|text| text.len() <= MAX_BYTES)
        .map(SecretText::from)
        .ok_or_else(|| Failure::refused("standard input is not a short text in UTF-8"))
}

/// One kit, or the shares of one.
fn opened(pages: Vec<Page>) -> Result<RecoveryKit, Failure> {
    let (mut kits, mut shares) = (Vec::new(), Vec::new());
    for page in pages {
        match page {
            Page::Kit(kit) => kits.push(kit),
            Page::Share(share) => shares.push(share),
        }
    }
    match (kits.pop(), kits.is_empty(), shares.is_empty()) {
        (Some(kit), true, true) => Ok(kit),
        (None, ..) => combine(&shares).map_err(Failure::refused),
        _ => Err(Failure::refused(
            "there is more than one kit in it; give one kit, or the shares of one",
        )),
    }
}

/// On standard error, beside the result.
fn tell(kit: &RecoveryKit) {
    let ids = kit.field_ids().iter().chain(kit.secret_ids());
    let ids: Vec<_> = ids.map(KeyId::as_str).collect();
    let made_at = Timestamp(i64::try_from(kit.made_at()).unwrap_or(i64::MAX));
    eprintln!(
        "keyward: the recovery kit {} of {made_at} holds the keys {}",
        kit.id(),
        ids.join(" and ")
    );
}

/// Sixteen shares with what is around their lines have 50 KiB.
const MAX_BYTES: usize = 256 * 1024;
