use std::fmt;

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Params, Version};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::password::Password;

/// A password hash as it is stored: a PHC string of Argon2, or bcrypt's form from an import.
///
/// bcrypt looks at the first 72 bytes of a password only. That ends with the first login, after
/// which the hash is replaced.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Wraps a hash that a store has read back. A text that is no hash fits no password.
    #[must_use]
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// Whether it is a hash of bcrypt that a password can be checked against, as imports bring them.
    #[must_use]
    pub fn is_bcrypt(&self) -> bool {
        matches!(self.read(), Some(ReadHash::Bcrypt(_)))
    }

    /// The hash, for storage.
    #[must_use]
    pub fn as_stored(&self) -> &str {
        &self.0
    }

    /// `None` when it is no hash, or too costly a one.
    pub(crate) fn read(&self) -> Option<ReadHash<'_>> {
        ReadHash::new(&self.0)
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

/// A stored hash that can be checked in reasonable time and memory.
pub(crate) enum ReadHash<'a> {
    Argon2 {
        argon2: Argon2<'static>,
        hash: Box<phc::PasswordHash>,
    },
    Bcrypt(&'a str),
}

impl<'a> ReadHash<'a> {
    fn new(text: &'a str) -> Option<Self> {
        if BCRYPT_PREFIXES
            .iter()
            .any(|prefix| text.starts_with(prefix))
        {
            let cost = text.parse::<bcrypt::HashParts>().ok()?.get_cost();
            return BCRYPT_COSTS.contains(&cost).then_some(Self::Bcrypt(text));
        }
        let hash = phc::PasswordHash::new(text).ok()?;
        let algorithm = Algorithm::try_from(hash.algorithm.as_str()).ok()?;
        let version = hash
            .version
            .map_or(Ok(Version::V0x10), Version::try_from)
            .ok()?;
        let params = Params::try_from(&hash).ok()?;
        // Who can write to the database must not be able to take the server's memory as well.
        let affordable = params.m_cost() <= MAX_MEMORY_KIB
            && params.t_cost() <= MAX_PASSES
            && params.p_cost() <= MAX_LANES;
        let complete = hash.salt.is_some() && hash.hash.is_some();
        (affordable && complete).then(|| Self::Argon2 {
            argon2: Argon2::new(algorithm, version, params),
            hash: Box::new(hash),
        })
    }

    pub(crate) fn matches(&self, password: &Password) -> bool {
        match self {
            Self::Bcrypt(text) => bcrypt::verify(password.bytes(), text).unwrap_or(false),
            Self::Argon2 { argon2, hash } => {
                let (Some(salt), Some(expected)) = (&hash.salt, &hash.hash) else {
                    return false;
                };
                let mut output = Zeroizing::new(vec![0; expected.len()]);
                argon2
                    .hash_password_into(password.bytes(), salt, &mut output)
                    .is_ok()
                    && output.ct_eq(expected.as_bytes()).into()
            }
        }
    }

    pub(crate) fn is_weaker_than(&self, today: &Params) -> bool {
        match self {
            Self::Bcrypt(_) => true,
            Self::Argon2 { argon2, hash } => {
                let then = argon2.params();
                hash.algorithm.as_str() != Algorithm::Argon2id.as_str()
                    || hash.version != Some(Version::V0x13.into())
                    || hash
                        .hash
                        .is_none_or(|hash| hash.len() < Params::DEFAULT_OUTPUT_LEN)
                    || then.m_cost() < today.m_cost()
                    || then.t_cost() < today.t_cost()
                    || then.p_cost() < today.p_cost()
            }
        }
    }
}

/// `$2x$` marks hashes of a broken implementation.
const BCRYPT_PREFIXES: [&str; 3] = ["$2a$", "$2b$", "$2y$"];

/// Up to about two seconds.
const BCRYPT_COSTS: std::ops::RangeInclusive<u32> = 4..=15;

const MAX_MEMORY_KIB: u32 = 256 * 1024;
const MAX_PASSES: u32 = 20;
const MAX_LANES: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    const BCRYPT: &str = "$2b$04$EGdrhbKUv8Oc9vGiXX0HQOxSg445d458Muh7DAHskb6QbtCvdxcie";

    #[test]
    fn weaker_is_what_falls_short_in_anything() {
        let today = Params::new(64, 3, 2, None).unwrap();
        let weaker = |text: &str| {
            let hash = PasswordHash::from_stored(text.to_owned());
            let read = hash.read().unwrap_or_else(|| panic!("{text}"));
            read.is_weaker_than(&today)
        };
        let (salt, output) = ("c29tZXNhbHQ", "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA");
        for as_strong in [
            format!("$argon2id$v=19$m=64,t=3,p=2${salt}${output}"),
            format!("$argon2id$v=19$m=65,t=4,p=3${salt}${output}"),
            format!(
                "$argon2id$v=19$m=64,t=3,p=2${salt}$AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAh"
            ),
        ] {
            assert!(!weaker(&as_strong), "{as_strong}");
        }
        for short in [
            BCRYPT.to_owned(),
            format!("$argon2i$v=19$m=64,t=3,p=2${salt}${output}"),
            format!("$argon2id$v=16$m=64,t=3,p=2${salt}${output}"),
            format!("$argon2id$m=64,t=3,p=2${salt}${output}"),
            format!("$argon2id$v=19$m=63,t=4,p=3${salt}${output}"),
            format!("$argon2id$v=19$m=65,t=2,p=3${salt}${output}"),
            format!("$argon2id$v=19$m=65,t=4,p=1${salt}${output}"),
            format!(
                "$argon2id$v=19$m=65,t=4,p=3${salt}$AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHw"
            ),
        ] {
            assert!(weaker(&short), "{short}");
        }
    }

    #[test]
    fn only_what_a_password_can_be_checked_against_is_of_bcrypt() {
        let is_bcrypt = |text: &str| PasswordHash::from_stored(text.to_owned()).is_bcrypt();
        assert!(is_bcrypt(BCRYPT));
        for other in [
            "",
            "$2b$04$tooshort",
            &BCRYPT.replace("$2b$", "$2x$"),
            &BCRYPT.replace("$04$", "$16$"),
            "$argon2id$v=19$m=64,t=3,p=2$c29tZXNhbHQ$AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA",
        ] {
            assert!(!is_bcrypt(other), "{other}");
        }
    }
}
