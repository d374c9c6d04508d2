use std::fmt;

use crate::key_id::KeyId;

/// Ciphertext as it is stored, and nothing else: `v1.<kid>.<token>`, see `docs/formats.md`.
///
/// There is no way to make one from plain text but [`KeyRing::seal`](crate::KeyRing::seal), so a
/// column of this type never holds any. What a store reads back may be any text; it is judged when
/// it is opened.
///
/// ```
/// use keyward_crypto::{Context, EncryptedString, FieldKey, KeyRing};
///
/// let keys = KeyRing::new(vec![FieldKey::generate()])?;
/// let place = Context::new("webhooks", "token", "7", "");
/// let column = keys.seal("whsec-1", &place, 1_800_000_000).as_stored().to_owned();
/// assert!(column.starts_with(&format!("v1.{}.", keys.active())));
/// let read = EncryptedString::from_stored(column);
/// assert_eq!(keys.open(&read, &place)?.expose(), "whsec-1");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[cfg_attr(
    feature = "diesel",
    derive(diesel::expression::AsExpression, diesel::deserialize::FromSqlRow)
)]
#[cfg_attr(feature = "diesel", diesel(sql_type = diesel::sql_types::Text))]
#[derive(Clone, PartialEq, Eq)]
pub struct EncryptedString(String);

impl EncryptedString {
    /// Wraps what a store has read back.
    #[must_use]
    pub fn from_stored(ciphertext: String) -> Self {
        Self(ciphertext)
    }

    /// The ciphertext, for storage.
    #[must_use]
    pub fn as_stored(&self) -> &str {
        &self.0
    }

    /// The key that this was sealed under, unless the text is malformed.
    #[must_use]
    pub fn key_id(&self) -> Option<KeyId> {
        self.split().map(|(id, _)| id)
    }

    pub(crate) fn join(id: &KeyId, token: &str) -> Self {
        Self([VERSION, id.as_str(), ".", token].concat())
    }

    /// The key id and the token.
    pub(crate) fn split(&self) -> Option<(KeyId, &str)> {
        let (id, token) = self.0.strip_prefix(VERSION)?.split_once('.')?;
        Some((KeyId::parse(id)?, token))
    }
}

impl fmt::Debug for EncryptedString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key_id() {
            Some(id) => write!(f, "EncryptedString({VERSION}{id}..)"),
            // It may be plain text that somebody wrote into the column by hand.
            None => f.write_str("EncryptedString(..)"),
        }
    }
}

#[cfg(feature = "diesel")]
mod column {
    use diesel::backend::Backend;
    use diesel::deserialize::{self, FromSql};
    use diesel::serialize::{self, Output, ToSql};
    use diesel::sql_types::Text;

    use super::EncryptedString;

    impl<DB> ToSql<Text, DB> for EncryptedString
    where
        DB: Backend,
        str: ToSql<Text, DB>,
    {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
            self.0.as_str().to_sql(out)
        }
    }

    impl<DB> FromSql<Text, DB> for EncryptedString
    where
        DB: Backend,
        String: FromSql<Text, DB>,
    {
        fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
            String::from_sql(bytes).map(Self)
        }
    }
}

/// Comes before the key id. Other ciphers get another number.
const VERSION: &str = "v1.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_id_is_read_without_the_key() {
        let sealed = EncryptedString::from_stored("v1.0123456789abcdef.gAAAAA==".to_owned());
        assert_eq!(sealed.key_id(), KeyId::parse("0123456789abcdef"));
    }

    #[test]
    fn other_text_has_no_key_id() {
        let refused = [
            "",
            "v1.",
            "v1.0123456789abcdef",
            "v1.0123456789ABCDEF.gAAAAA==",
            "v1..gAAAAA==",
            "v2.0123456789abcdef.gAAAAA==",
            " v1.0123456789abcdef.gAAAAA==",
            "gAAAAABl",
            "plain text",
        ];
        for text in refused {
            assert_eq!(
                EncryptedString::from_stored(text.to_owned()).key_id(),
                None,
                "{text:?}"
            );
        }
    }

    #[test]
    fn debug_shows_the_key_id_and_never_the_content() {
        let sealed = EncryptedString::from_stored("v1.0123456789abcdef.marker".to_owned());
        assert_eq!(
            format!("{sealed:?}"),
            "EncryptedString(v1.0123456789abcdef..)"
        );
        let plain = EncryptedString::from_stored("marker".to_owned());
        assert_eq!(format!("{plain:?}"), "EncryptedString(..)");
    }
}
