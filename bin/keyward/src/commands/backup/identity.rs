use std::path::Path;

use keyward_backup::NewIdentity;
use keyward_crypto::SecretText;
use serde_json::json;

use crate::cli::Output;
use crate::exit::{Exit, Failure};
use crate::keys::{Kept, keep};
use crate::terminal;

/// `keyward backup identity`: writes a new identity, and prints the recipient that belongs to it.
pub(super) fn identity(file: &Path, output: Output) -> Result<Exit, Failure> {
    let new = NewIdentity::generate();
    let content = SecretText::new(new.file().expose().trim_end().to_owned());
    match keep(file, &content) {
        Ok(Kept::Mine) => {}
        Ok(Kept::Theirs) => {
            return Err(Failure::refused(format!(
                "{} exists, and may be what opens your backups; choose another file",
                file.display()
            )));
        }
        Err(error) => {
            return Err(Failure::unavailable(format!(
                "cannot write {}: {error}",
                file.display()
            )));
        }
    }
    let recipient = new.recipient();
    terminal::print(&match output {
        Output::Json => json!({ "recipient": recipient, "file": file }).to_string() + "\n",
        Output::Text => format!("{recipient}\n"),
    })?;
    if output == Output::Text {
        eprintln!(
            "keyward: {} opens what is backed up for this recipient; keep copies of it away from \
             this machine, because without it no backup can be restored",
            file.display()
        );
    }
    Ok(Exit::Done)
}
