//! Reads columns back into domain types.

use keyward_core::{Id, StoreError};
use keyward_crypto::Mac;

pub(crate) fn id<Of>(text: &str, what: &'static str) -> Result<Id<Of>, StoreError> {
    Id::parse(text).map_err(|error| StoreError::corrupt(what, error))
}

pub(crate) fn mac(text: &str, what: &'static str) -> Result<Mac, StoreError> {
    known(Mac::from_stored(text), what)
}

/// What a parser gave that says `None` to texts that nothing of ours writes.
pub(crate) fn known<T>(parsed: Option<T>, what: &'static str) -> Result<T, StoreError> {
    parsed.ok_or_else(|| StoreError::corrupt(what, "nothing of Keyward writes such a value"))
}
