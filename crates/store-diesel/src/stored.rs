//! Reads columns back into domain types.

use keyward_core::{Id, StoreError};
use keyward_crypto::{Mac, Signed};

pub(crate) fn id<Of>(text: &str, what: &'static str) -> Result<Id<Of>, StoreError> {
    Id::parse(text).map_err(|error| StoreError::corrupt(what, error))
}

/// A text that is no MAC makes the row a forged one, not the list an error.
pub(crate) fn mac(text: &str) -> Mac {
    Mac::from_stored(text).unwrap_or_else(Mac::unreadable)
}

/// The MAC of a row while the row is read. One column that means nothing makes the whole row a
/// forged one.
pub(crate) struct RowMac(Mac);

impl RowMac {
    pub(crate) fn of(text: &str) -> Self {
        Self(mac(text))
    }

    /// What a parser gave, or `otherwise` for a text that nothing of ours writes.
    pub(crate) fn covers<T>(&mut self, parsed: Option<T>, otherwise: T) -> T {
        parsed.unwrap_or_else(|| {
            self.0 = Mac::unreadable();
            otherwise
        })
    }

    pub(crate) fn over<T>(self, row: T) -> Signed<T> {
        Signed::from_stored(row, self.0)
    }
}

/// What a parser gave that says `None` to texts that nothing of ours writes.
pub(crate) fn known<T>(parsed: Option<T>, what: &'static str) -> Result<T, StoreError> {
    parsed.ok_or_else(|| StoreError::corrupt(what, "nothing of Keyward writes such a value"))
}
