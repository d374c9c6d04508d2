use std::fmt;

use crate::public_id::PublicId;

/// The public part of an [`ApiKey`](crate::ApiKey): what it is looked up by, listed and revoked as.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiKeyId(pub(crate) PublicId);

impl ApiKeyId {
    /// How many characters every id has.
    pub const LENGTH: usize = PublicId::LENGTH;

    /// Reads an id; anything but 16 letters and digits of ASCII is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        PublicId::parse(text).map(Self)
    }

    /// The 16 characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for ApiKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for ApiKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKeyId({})", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back() {
        let id = ApiKeyId::parse("0123456789ABCxyz").unwrap();
        assert_eq!(ApiKeyId::parse(id.as_str()), Some(id));
        assert_eq!(id.to_string(), "0123456789ABCxyz");
        assert_eq!(format!("{id:?}"), "ApiKeyId(0123456789ABCxyz)");
        assert_eq!(ApiKeyId::parse("0123456789ABCxy_"), None);
    }
}
