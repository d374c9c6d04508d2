use std::fmt;

use crate::base62;

/// The public part of an [`ApiKey`](crate::ApiKey): what it is looked up by, listed and revoked as.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiKeyId([u8; Self::LENGTH]);

impl ApiKeyId {
    /// How many characters every id has.
    pub const LENGTH: usize = 16;

    /// Reads an id; anything but 16 letters and digits of ASCII is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if !base62::is_base62(text) {
            return None;
        }
        text.as_bytes().try_into().ok().map(Self)
    }

    /// The 16 characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Never empty: only ASCII gets in.
        str::from_utf8(&self.0).unwrap_or_default()
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
    }

    #[test]
    fn anything_else_is_not_an_id() {
        let refused = [
            "",
            "0123456789ABCxy",
            "0123456789ABCxyz0",
            "0123456789ABCxy_",
            "0123456789ABCx\u{e9}",
        ];
        for text in refused {
            assert_eq!(ApiKeyId::parse(text), None, "{text:?}");
        }
    }
}
