use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

/// A UUID that cannot be mistaken for the id of something else.
///
/// ```
/// use keyward_core::Id;
///
/// struct User;
/// struct Invoice;
/// fn pay(_: Id<Invoice>) {}
///
/// let invoice: Id<Invoice> = Id::generate();
/// pay(invoice);
/// assert_eq!(Id::parse(&invoice.to_string()), Ok(invoice));
/// // `pay(user)` would not compile.
/// let user: Id<User> = Id::generate();
/// assert_ne!(user.as_bytes(), invoice.as_bytes());
/// ```
pub struct Id<Of: ?Sized> {
    uuid: uuid::Uuid,
    of: PhantomData<fn() -> Box<Of>>,
}

impl<Of: ?Sized> Id<Of> {
    /// A new id (UUID version 7, RFC 9562 §5.7): unguessable, and in one process each is greater
    /// than the one before, so that lists in the order of ids are in the order of creation.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is where ids come from")]
    pub fn generate() -> Self {
        uuid::Uuid::now_v7().into()
    }

    /// Reads an id back from its text form, 36 characters with hyphens. Other spellings of a UUID
    /// are refused, so that one id has one text.
    pub fn parse(text: &str) -> Result<Self, MalformedId> {
        let uuid = uuid::Uuid::parse_str(text).map_err(|_| MalformedId)?;
        let mut buffer = uuid::Uuid::encode_buffer();
        let canonical: &str = uuid.hyphenated().encode_lower(&mut buffer);
        (canonical == text).then(|| uuid.into()).ok_or(MalformedId)
    }

    /// The same id under another type, for example a user seen as the subject of an event.
    #[must_use]
    pub fn cast<Other: ?Sized>(self) -> Id<Other> {
        self.uuid.into()
    }

    /// The 16 bytes of the UUID.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.uuid.as_bytes()
    }
}

/// The text is not the canonical form of a UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id: expected a UUID of 36 lower-case characters")]
pub struct MalformedId;

impl<Of: ?Sized> From<uuid::Uuid> for Id<Of> {
    fn from(uuid: uuid::Uuid) -> Self {
        Self {
            uuid,
            of: PhantomData,
        }
    }
}

impl<Of: ?Sized> Clone for Id<Of> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Of: ?Sized> Copy for Id<Of> {}

impl<Of: ?Sized> PartialEq for Id<Of> {
    fn eq(&self, other: &Self) -> bool {
        self.uuid == other.uuid
    }
}

impl<Of: ?Sized> Eq for Id<Of> {}

impl<Of: ?Sized> PartialOrd for Id<Of> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<Of: ?Sized> Ord for Id<Of> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.uuid.cmp(&other.uuid)
    }
}

impl<Of: ?Sized> Hash for Id<Of> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.uuid.hash(state);
    }
}

impl<Of: ?Sized> fmt::Debug for Id<Of> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.uuid, f)
    }
}

impl<Of: ?Sized> fmt::Display for Id<Of> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.uuid, f)
    }
}

impl<Of: ?Sized> serde::Serialize for Id<Of> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut buffer = uuid::Uuid::encode_buffer();
        serializer.serialize_str(self.uuid.hyphenated().encode_lower(&mut buffer))
    }
}

impl<'de, Of: ?Sized> serde::Deserialize<'de> for Id<Of> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Thing;

    #[test]
    fn ids_of_one_process_are_in_the_order_of_their_creation() {
        let ids: Vec<Id<Thing>> = (0..1_000).map(|_| Id::generate()).collect();
        assert!(ids.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn an_id_has_one_spelling() {
        let id: Id<Thing> = Id::generate();
        let text = id.to_string();
        assert_eq!(Id::parse(&text), Ok(id));
        for other in [
            text.to_uppercase(),
            text.replace('-', ""),
            format!("{{{text}}}"),
            format!("urn:uuid:{text}"),
            format!(" {text}"),
        ] {
            assert_eq!(Id::<Thing>::parse(&other), Err(MalformedId), "{other}");
        }
    }
}
