use crate::base62;

/// The public part of a [`TaggedSecret`](crate::tagged_secret::TaggedSecret): 16 letters and
/// digits of ASCII.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PublicId([u8; Self::LENGTH]);

impl PublicId {
    pub(crate) const LENGTH: usize = 16;

    pub(crate) fn parse(text: &str) -> Option<Self> {
        if !base62::is_base62(text) {
            return None;
        }
        text.as_bytes().try_into().ok().map(Self)
    }

    pub(crate) fn as_str(&self) -> &str {
        // Never empty: only ASCII gets in.
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back() {
        let id = PublicId::parse("0123456789ABCxyz").unwrap();
        assert_eq!(id.as_str(), "0123456789ABCxyz");
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
            assert!(PublicId::parse(text).is_none(), "{text:?}");
        }
    }
}
