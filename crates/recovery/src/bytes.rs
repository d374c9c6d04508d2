//! Numbers and texts one after the other, big-endian.

/// Takes values from the front of bytes; `None` where they end too early.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(crate) fn short(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn long(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// A text behind its length.
    pub(crate) fn text(&mut self) -> Option<&'a str> {
        let length = self.short()?;
        str::from_utf8(self.take(length.into())?).ok()
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }

    /// `Some` when nothing is left.
    pub(crate) fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_in_their_order_until_the_bytes_end() {
        let mut reader = Reader::new(b"\x01\x00\x02hi\x00\x03");
        assert_eq!(reader.byte(), Some(1));
        assert_eq!(reader.text(), Some("hi"));
        assert_eq!(reader.long(), None);
        assert_eq!(reader.short(), Some(3));
        assert_eq!(reader.byte(), None);
        assert_eq!(reader.end(), Some(()));
    }

    #[test]
    fn a_text_does_not_reach_behind_the_end() {
        assert_eq!(Reader::new(b"\x00\x03hi").text(), None);
    }

    #[test]
    fn what_is_left_is_no_end() {
        assert_eq!(Reader::new(b"x").end(), None);
        assert_eq!(Reader::new(b"x").rest(), b"x");
    }
}
