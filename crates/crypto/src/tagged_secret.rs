use zeroize::Zeroizing;

use crate::base62;
use crate::public_id::PublicId;

/// A bearer secret that names itself: `<prefix><id><secret><checksum>`.
///
/// Whatever is built on it keeps the id and a MAC of the secret. The prefix tells secret scanners
/// what they found, and the checksum tells a mistyped secret from an unknown one.
pub(crate) struct TaggedSecret {
    prefix: &'static str,
    id: PublicId,
    text: Zeroizing<String>,
}

impl TaggedSecret {
    /// Draws a new one with 256 random bits.
    ///
    /// # Panics
    ///
    /// If the operating system has no randomness, see [`random_bytes`](crate::random_bytes).
    #[expect(
        clippy::expect_used,
        reason = "a test makes thousands of keys and reads each"
    )]
    pub(crate) fn generate(prefix: &'static str) -> Self {
        // All space at once: a string that grows leaves its old bytes behind.
        let mut text = Zeroizing::new(String::with_capacity(prefix.len() + TAIL_LENGTH));
        text.push_str(prefix);
        base62::push_random(&mut text, PublicId::LENGTH + SECRET_LENGTH);
        let checksum = crc32fast::hash(text.as_bytes());
        text.extend(base62::digits(checksum));
        let id = Fields::split(prefix, &text).map(|fields| fields.id);
        Self {
            prefix,
            id: id.expect("what was just put together comes apart"),
            text,
        }
    }

    /// Reads one; `None` if it starts otherwise, has another shape or does not fit its checksum.
    pub(crate) fn parse(prefix: &'static str, text: &str) -> Option<Self> {
        let fields = Fields::split(prefix, text)?;
        let checksum = base62::digits(crc32fast::hash(fields.checked.as_bytes()));
        if !fields.checksum.chars().eq(checksum) {
            return None;
        }
        Some(Self {
            prefix,
            id: fields.id,
            text: Zeroizing::new(text.to_owned()),
        })
    }

    pub(crate) fn id(&self) -> &PublicId {
        &self.id
    }

    /// The whole text.
    pub(crate) fn expose(&self) -> &str {
        &self.text
    }

    /// The part that nobody else knows.
    #[expect(
        clippy::indexing_slicing,
        reason = "both constructors check the length"
    )]
    pub(crate) fn secret(&self) -> &[u8] {
        let start = self.prefix.len() + PublicId::LENGTH;
        &self.text.as_bytes()[start..start + SECRET_LENGTH]
    }
}

/// A text of the right shape. The checksum is not yet compared.
struct Fields<'a> {
    id: PublicId,
    /// Everything before the checksum.
    checked: &'a str,
    checksum: &'a str,
}

impl<'a> Fields<'a> {
    fn split(prefix: &str, text: &'a str) -> Option<Self> {
        let tail = text.strip_prefix(prefix)?;
        if tail.len() != TAIL_LENGTH || !base62::is_base62(tail) {
            return None;
        }
        let (id, _) = tail.split_at_checked(PublicId::LENGTH)?;
        let (checked, checksum) = text.split_at_checked(text.len() - CHECKSUM_LENGTH)?;
        Some(Self {
            id: PublicId::parse(id)?,
            checked,
            checksum,
        })
    }
}

/// 43 of 62 characters hold 256 bits.
const SECRET_LENGTH: usize = 43;
const CHECKSUM_LENGTH: usize = 6;
const TAIL_LENGTH: usize = PublicId::LENGTH + SECRET_LENGTH + CHECKSUM_LENGTH;

#[cfg(test)]
mod tests {
    use super::*;

    /// A text with the checksum that fits it.
    fn checked(id: &str, secret: &str) -> String {
        let text = format!("kw_{id}{secret}");
        let checksum: String = base62::digits(crc32fast::hash(text.as_bytes()))
            .iter()
            .collect();
        text + &checksum
    }

    #[test]
    fn a_checksum_alone_makes_no_secret() {
        let (id, secret) = ("0".repeat(PublicId::LENGTH), "s".repeat(SECRET_LENGTH));
        let read = TaggedSecret::parse("kw_", &checked(&id, &secret)).unwrap();
        assert_eq!(read.secret(), secret.as_bytes());
        for (id, secret) in [
            (id.as_str(), &secret[1..]),
            (&id, &format!("{secret}s")),
            (&id[1..], &secret),
            (&id, &secret.replacen('s', "-", 1)),
            (&id, &format!("{}\u{e9}", &secret[2..])),
        ] {
            let text = checked(id, secret);
            assert!(TaggedSecret::parse("kw_", &text).is_none(), "{text}");
        }
    }
}
