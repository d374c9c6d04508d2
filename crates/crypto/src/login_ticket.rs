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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::{ApiKey, ApiKeyKind};

    fn ring() -> MacRing {
        MacRing::parse(MacRing::generate_secret().expose()).unwrap()
    }

    #[test]
    fn a_generated_ticket_reads_back() {
        let ticket = LoginTicket::generate();
        let read = LoginTicket::parse(ticket.expose()).unwrap();
        assert_eq!(read.expose(), ticket.expose());
        assert_eq!(read.id(), ticket.id());
        let start = format!("kt_{}", ticket.id());
        assert!(ticket.expose().starts_with(&start));
        assert_eq!(ticket.expose().len(), start.len() + 43 + 6);
    }

    #[test]
    fn ten_thousand_tickets_have_different_ids_and_secrets() {
        let tickets: Vec<_> = (0..10_000).map(|_| LoginTicket::generate()).collect();
        let ids: HashSet<_> = tickets.iter().map(LoginTicket::id).collect();
        let secrets: HashSet<_> = tickets.iter().map(|ticket| ticket.0.secret()).collect();
        assert_eq!((ids.len(), secrets.len()), (10_000, 10_000));
    }

    #[test]
    fn no_changed_character_goes_unnoticed() {
        let ticket = LoginTicket::generate();
        for (position, original) in ticket.expose().char_indices() {
            for other in "09AZaz_- \u{e9}".chars().filter(|other| *other != original) {
                let mut text = ticket.expose().to_owned();
                text.replace_range(position..=position, other.encode_utf8(&mut [0; 4]));
                assert_eq!(
                    LoginTicket::parse(&text).unwrap_err(),
                    MalformedKey,
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn other_text_is_no_ticket() {
        let ticket = LoginTicket::generate();
        let text = ticket.expose();
        let refused = [
            String::new(),
            "kt_".to_owned(),
            format!("{text}0"),
            format!(" {text}"),
            format!("{text}\n"),
            text[..text.len() - 1].to_owned(),
            text[1..].to_owned(),
        ];
        for text in refused {
            assert_eq!(
                LoginTicket::parse(&text).unwrap_err(),
                MalformedKey,
                "{text}"
            );
        }
    }

    #[test]
    fn a_ticket_is_no_key_and_a_key_no_ticket() {
        for kind in ApiKeyKind::ALL {
            let key = ApiKey::generate(kind);
            assert!(LoginTicket::parse(key.expose()).is_err());
            // Not even with the other's start.
            let tail = &key.expose()[key.expose().len().saturating_sub(65)..];
            assert!(LoginTicket::parse(&format!("kt_{tail}")).is_err());
        }
        assert!(ApiKey::parse(LoginTicket::generate().expose()).is_err());
    }

    #[test]
    fn a_ticket_matches_its_own_mac_only() {
        let ring = ring();
        let ticket = LoginTicket::generate();
        let mac = ticket.mac(&ring);

        let read = LoginTicket::parse(ticket.expose()).unwrap();
        assert!(read.matches(&ring, &mac));
        assert!(!LoginTicket::generate().matches(&ring, &mac));
        assert!(!ticket.matches(&self::ring(), &mac));
    }

    #[test]
    fn id_and_secret_are_both_in_the_mac_and_the_purpose_counts() {
        let ring = ring();
        let ticket = LoginTicket::generate();
        let mac = ticket.mac(&ring);
        let id = ticket.id();
        let fits =
            |purpose, id: &str, secret: &[u8]| ring.verify(purpose, &[id.as_bytes(), secret], &mac);

        for purpose in MacPurpose::ALL {
            let expected = purpose == MacPurpose::LoginTicket;
            assert_eq!(fits(purpose, id.as_str(), ticket.0.secret()), expected);
        }
        let purpose = MacPurpose::LoginTicket;
        assert!(!fits(purpose, "0000000000000000", ticket.0.secret()));
        assert!(!fits(purpose, id.as_str(), &[b'0'; 43]));
    }

    #[test]
    fn debug_shows_the_id_only() {
        let ticket = LoginTicket::generate();
        let expected = format!("LoginTicket(kt_{}..)", ticket.id());
        assert_eq!(format!("{ticket:?}"), expected);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,80}|kt_.{0,70}|kt_[0-9A-Za-z]{65}") {
            // One in four billion of the right shape has the right checksum.
            prop_assert!(LoginTicket::parse(&text).is_err());
        }
    }
}
