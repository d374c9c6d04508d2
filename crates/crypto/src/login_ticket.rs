use std::fmt;

use crate::api_key::MalformedKey;
use crate::mac::Mac;
use crate::mac_purpose::MacPurpose;
use crate::secret_key::MacRing;
use crate::tagged_secret::TaggedSecret;
use crate::ticket_id::TicketId;

/// What a right password is exchanged for when a second factor is asked for:
/// `kt_<id><secret><checksum>`.
///
/// Keep [`id`](Self::id) and [`mac`](Self::mac) instead. The text is overwritten when dropped,
/// `Debug` shows the id only, and there is no `Display`, `Clone` or `PartialEq`.
pub struct LoginTicket(TaggedSecret);

impl LoginTicket {
    /// Draws a new ticket with 256 random bits.
    ///
    /// # Panics
    ///
    /// If the operating system has no randomness, see [`random_bytes`](crate::random_bytes).
    #[must_use]
    pub fn generate() -> Self {
        Self(TaggedSecret::generate(PREFIX))
    }

    /// Reads a ticket from a request.
    ///
    /// The checksum tells a mistyped ticket from an unknown one before any store is asked.
    pub fn parse(text: &str) -> Result<Self, MalformedKey> {
        TaggedSecret::parse(PREFIX, text)
            .map(Self)
            .ok_or(MalformedKey)
    }

    /// The public id.
    #[must_use]
    pub fn id(&self) -> TicketId {
        TicketId(*self.0.id())
    }

    /// The ticket itself, for the one response that hands it out.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// What to store, and to compare with later by [`matches`](Self::matches).
    #[must_use]
    pub fn mac(&self, ring: &MacRing) -> Mac {
        ring.mac(MacPurpose::LoginTicket, &self.mac_parts())
    }

    /// Whether `mac` was made of this ticket.
    #[must_use]
    pub fn matches(&self, ring: &MacRing, mac: &Mac) -> bool {
        ring.verify(MacPurpose::LoginTicket, &self.mac_parts(), mac)
    }

    fn mac_parts(&self) -> [&[u8]; 2] {
        [self.0.id().as_str().as_bytes(), self.0.secret()]
    }
}

impl fmt::Debug for LoginTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LoginTicket({PREFIX}{}..)", self.id())
    }
}

/// Secret scanners look for it. Changing it voids the tickets of the moment.
const PREFIX: &str = "kt_";
