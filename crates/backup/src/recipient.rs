use std::str::FromStr as _;

/// Who can open a backup. Nothing of this is secret: a machine that makes backups need not be able
/// to read them.
///
/// ```
/// use keyward_backup::{MalformedRecipient, NewIdentity, Recipients};
///
/// let (ada, grace) = (NewIdentity::generate(), NewIdentity::generate());
/// let both = format!("# either of them\n{}\n{}\n", ada.recipient(), grace.recipient());
/// assert_eq!(Recipients::parse(&both)?.names().len(), 2);
/// assert!(Recipients::parse("# nobody").is_err());
/// # Ok::<(), MalformedRecipient>(())
/// ```
#[derive(Clone)]
pub struct Recipients {
    keys: Vec<age::x25519::Recipient>,
}

impl Recipients {
    /// Reads recipients (`age1…`), one a line. Empty lines and those that begin with `#` are
    /// skipped, as in the files of `age`.
    pub fn parse(text: &str) -> Result<Self, MalformedRecipient> {
        let mut keys = Vec::new();
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let key = age::x25519::Recipient::from_str(line);
            keys.push(key.map_err(|_| MalformedRecipient::Unknown)?);
        }
        if keys.is_empty() {
            return Err(MalformedRecipient::None);
        }
        Ok(Self { keys })
    }

    /// Their texts.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.keys.iter().map(ToString::to_string).collect()
    }

    pub(crate) fn as_age(&self) -> impl Iterator<Item = &dyn age::Recipient> {
        self.keys.iter().map(|key| key as &dyn age::Recipient)
    }
}

/// The text names nobody for whom a backup could be encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MalformedRecipient {
    /// There is none.
    #[error("no recipient is given; `keyward backup identity FILE` makes one")]
    None,
    /// A line is no recipient. It is not repeated: it can be an identity, which is a secret.
    #[error(
        "a recipient is `age1` and 58 letters and digits, one a line; `keyward backup identity FILE` \
         makes one and prints it"
    )]
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NewIdentity;

    #[test]
    fn recipients_are_read_line_by_line() {
        let (one, other) = (NewIdentity::generate(), NewIdentity::generate());
        let text = format!(
            "# the office\n{}\n\n  {}  \r\n",
            one.recipient(),
            other.recipient()
        );
        let names = Recipients::parse(&text).unwrap().names();
        assert_eq!(names, [one.recipient(), other.recipient()]);
    }

    #[test]
    fn an_identity_in_place_of_a_recipient_is_refused_and_not_repeated() {
        let identity = NewIdentity::generate();
        let error = Recipients::parse(identity.file().expose()).err().unwrap();
        assert_eq!(error, MalformedRecipient::Unknown);
        assert!(!error.to_string().contains("AGE-SECRET"), "{error}");
        assert_eq!(
            Recipients::parse("# nobody\n").err(),
            Some(MalformedRecipient::None)
        );
    }
}
