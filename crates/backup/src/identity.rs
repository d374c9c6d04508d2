use std::fmt;
use std::str::FromStr as _;

use age::secrecy::ExposeSecret as _;
use keyward_crypto::SecretText;
use zeroize::Zeroizing;

/// What opens backups. Wiped when dropped.
pub struct Identities {
    keys: Vec<age::x25519::Identity>,
}

impl Identities {
    /// Reads the content of an identity file: `AGE-SECRET-KEY-1…`, one a line. Empty lines and
    /// those that begin with `#` are skipped.
    pub fn parse(text: &str) -> Result<Self, MalformedIdentity> {
        let mut keys = Vec::new();
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let key = age::x25519::Identity::from_str(line);
            keys.push(key.map_err(|_| MalformedIdentity)?);
        }
        if keys.is_empty() {
            return Err(MalformedIdentity);
        }
        Ok(Self { keys })
    }

    pub(crate) fn as_age(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.keys.iter().map(|key| key as &dyn age::Identity)
    }
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identities(..)")
    }
}

/// The text holds no identity, or something else beside it. Nothing of it is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an identity: expected lines that begin with AGE-SECRET-KEY-1, as `keyward backup identity` \
     and `age-keygen` write them"
)]
pub struct MalformedIdentity;

/// A new identity, with the recipient that belongs to it.
///
/// ```
/// use keyward_backup::{Identities, NewIdentity, Recipients};
///
/// let identity = NewIdentity::generate();
/// // For the machine that makes backups:
/// let recipients = Recipients::parse(identity.recipient())?;
/// assert_eq!(recipients.names(), [identity.recipient()]);
/// // For whoever may read them, in another place:
/// assert!(Identities::parse(identity.file().expose()).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct NewIdentity {
    identity: age::x25519::Identity,
    recipient: String,
}

impl NewIdentity {
    /// Draws one.
    #[must_use]
    pub fn generate() -> Self {
        let identity = age::x25519::Identity::generate();
        let recipient = identity.to_public().to_string();
        Self {
            identity,
            recipient,
        }
    }

    /// For whom backups are encrypted that it opens. Not secret.
    #[must_use]
    pub fn recipient(&self) -> &str {
        &self.recipient
    }

    /// The content of its file, as `age-keygen` would write it.
    #[must_use]
    pub fn file(&self) -> SecretText {
        let secret = self.identity.to_string();
        let text = Zeroizing::new(format!(
            "# public key: {}\n{}\n",
            self.recipient,
            secret.expose_secret()
        ));
        SecretText::new(text.as_str().to_owned())
    }
}

impl fmt::Debug for NewIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewIdentity({})", self.recipient)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_debug_nor_an_error_shows_an_identity() {
        let new = NewIdentity::generate();
        let read = Identities::parse(new.file().expose()).unwrap();
        assert!(!format!("{new:?}{read:?}").contains("SECRET"));
        let error = Identities::parse(&format!("{}x", new.file().expose().trim())).unwrap_err();
        assert!(!error.to_string().contains(new.file().expose().trim()));
        assert!(Identities::parse("# nothing\n").is_err());
        assert!(Identities::parse(new.recipient()).is_err());
    }
}
