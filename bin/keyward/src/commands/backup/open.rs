use std::fs::File;

use keyward_audit::Anchor;
use keyward_backup::Identities;

use super::arguments::OpenArgs;
use crate::exit::Failure;
use crate::private_path::{self, Readers};

/// What is needed to open a backup, read and understood.
pub(super) struct Opening {
    pub(super) identities: Identities,
    pub(super) anchor: Option<Anchor>,
}

impl Opening {
    pub(super) fn of(args: &OpenArgs) -> Result<Self, Failure> {
        let text = private_path::read_secret(&args.identity_file, Readers::Owner)
            .map_err(|error| Failure::configuration(format!("--identity-file: {error}")))?;
        let identities = Identities::parse(text.expose())
            .map_err(|error| Failure::configuration(format!("--identity-file: {error}")))?;
        let anchor = args.anchor.as_deref().map(str::parse).transpose();
        Ok(Self {
            identities,
            anchor: anchor.map_err(Failure::configuration)?,
        })
    }
}

/// The backup, from its beginning.
pub(super) fn file(args: &OpenArgs) -> Result<File, Failure> {
    File::open(&args.file).map_err(|error| {
        Failure::unavailable(format!("cannot read {}: {error}", args.file.display()))
    })
}
