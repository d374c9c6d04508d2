use std::fmt;

use crate::public_id::PublicId;

/// The public part of a [`LoginTicket`](crate::LoginTicket): what it is looked up by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TicketId(pub(crate) PublicId);

impl TicketId {
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

impl fmt::Display for TicketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for TicketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TicketId({})", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back() {
        let id = TicketId::parse("0123456789ABCxyz").unwrap();
        assert_eq!(TicketId::parse(id.as_str()), Some(id));
        assert_eq!(id.to_string(), "0123456789ABCxyz");
        assert_eq!(format!("{id:?}"), "TicketId(0123456789ABCxyz)");
        assert_eq!(TicketId::parse("0123456789ABCxy_"), None);
    }
}
