use std::fmt;

use zeroize::Zeroizing;

use crate::field_key::FieldKey;
use crate::key_id::KeyId;
use crate::key_ring::{self, KeyRingError};
use crate::newest_first::NewestFirst;
use crate::token::{Token, TokenError, TokenKey};

/// Plain Fernet: what Python's `cryptography.fernet.MultiFernet` writes and reads.
///
/// For importing from, and for sharing a column with, systems that use it. A token names neither
/// its key nor its place, so every key is tried and a value can be moved to another row unnoticed;
/// [`KeyRing`](crate::KeyRing) has neither flaw. Published example keys are taken here, since the
/// data to import may be encrypted under one.
///
/// ```
/// use keyward_crypto::{FieldKey, PlainFernet};
///
/// let fernet = PlainFernet::new(vec![FieldKey::generate()])?;
/// let token = fernet.encrypt(b"for a service in Python", 1_800_000_000);
/// assert_eq!(&**fernet.decrypt(&token)?, b"for a service in Python");
/// assert!(fernet.decrypt("gAAAAA").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct PlainFernet(NewestFirst<PlainKey>);

impl PlainFernet {
    /// Encrypts under the first of `keys` and decrypts under any.
    pub fn new(keys: Vec<FieldKey>) -> Result<Self, KeyRingError> {
        key_ring::refuse_duplicates(&keys)?;
        let keys = keys.into_iter().map(|key| PlainKey::new(&key));
        NewestFirst::new(keys).map(Self).ok_or(KeyRingError::Empty)
    }

    /// Reads keys separated by commas, newest first.
    pub fn parse(list: &str) -> Result<Self, KeyRingError> {
        Self::new(key_ring::parse_keys(list, FieldKey::danger_parse_any)?)
    }

    /// Encrypts under the first key. `now` is in Unix seconds.
    ///
    /// # Panics
    ///
    /// If the operating system has no randomness.
    #[must_use]
    pub fn encrypt(&self, plaintext: &[u8], now: u64) -> String {
        self.0.newest().key.encrypt(plaintext, now)
    }

    /// Decrypts a token of any age.
    pub fn decrypt(&self, token: &str) -> Result<Zeroizing<Vec<u8>>, PlainFernetError> {
        let (key, _) = self.authenticate(token)?;
        Ok(key.decrypt(token)?)
    }

    /// Decrypts a token that is at most `ttl_seconds` old at `now` (Unix seconds).
    ///
    /// As the specification has it, a token more than 60 seconds ahead of `now` is refused too.
    /// The timestamp is looked at only once the token is known to be genuine.
    pub fn decrypt_with_ttl(
        &self,
        token: &str,
        ttl_seconds: u64,
        now: u64,
    ) -> Result<Zeroizing<Vec<u8>>, PlainFernetError> {
        let (key, timestamp) = self.authenticate(token)?;
        if timestamp.saturating_add(ttl_seconds) < now {
            return Err(PlainFernetError::Expired);
        }
        if timestamp > now.saturating_add(CLOCK_SKEW_SECONDS) {
            return Err(PlainFernetError::FromTheFuture);
        }
        Ok(key.decrypt(token)?)
    }

    /// Encrypts the content of a token anew under the first key; its timestamp stays.
    ///
    /// This is `MultiFernet.rotate`.
    ///
    /// # Panics
    ///
    /// If the operating system has no randomness.
    pub fn rotate(&self, token: &str) -> Result<String, PlainFernetError> {
        let (key, timestamp) = self.authenticate(token)?;
        Ok(self.encrypt(&key.decrypt(token)?, timestamp))
    }

    /// When a genuine token was made, in Unix seconds.
    pub fn timestamp(&self, token: &str) -> Result<u64, PlainFernetError> {
        let (_, timestamp) = self.authenticate(token)?;
        Ok(timestamp)
    }

    /// The key that made `token`, and the token's timestamp.
    fn authenticate(&self, token: &str) -> Result<(&TokenKey, u64), PlainFernetError> {
        let token = Token::decode(token).ok_or(PlainFernetError::Malformed)?;
        let PlainKey { key, .. } = self
            .0
            .iter()
            .find(|plain| plain.key.made(&token))
            .ok_or(PlainFernetError::Tampered)?;
        Ok((key, token.timestamp()))
    }
}

impl fmt::Debug for PlainFernet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainFernet")?;
        f.debug_list()
            .entries(self.0.iter().map(|plain| plain.id))
            .finish()
    }
}

/// Why a plain token was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlainFernetError {
    /// The text is no Fernet token, or its content is not padded as it should be.
    #[error("not a Fernet token")]
    Malformed,
    /// None of the keys made the token, or it was changed since.
    #[error("not encrypted under any of these keys, or changed since")]
    Tampered,
    /// The token is genuine and too old.
    #[error("the token has expired")]
    Expired,
    /// The token is genuine and dated more than 60 seconds ahead.
    #[error("the token is dated in the future")]
    FromTheFuture,
}

impl From<TokenError> for PlainFernetError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Malformed => Self::Malformed,
            TokenError::Tampered => Self::Tampered,
        }
    }
}

struct PlainKey {
    id: KeyId,
    key: TokenKey,
}

impl PlainKey {
    fn new(key: &FieldKey) -> Self {
        Self {
            id: *key.id(),
            key: TokenKey::new(key.bytes().clone()),
        }
    }
}

const CLOCK_SKEW_SECONDS: u64 = 60;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: u64 = 1_800_000_000;
    const OLD: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const NEW: &str = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";

    #[test]
    fn the_first_key_encrypts_and_every_key_decrypts() {
        let token = fernet(OLD).encrypt(b"hello", NOW);
        let both = PlainFernet::parse(&format!("{NEW}, {OLD}\n")).unwrap();

        assert_eq!(&**both.decrypt(&token).unwrap(), b"hello");
        assert_eq!(
            fernet(NEW).decrypt(&token).unwrap_err(),
            PlainFernetError::Tampered
        );
        assert!(fernet(NEW).decrypt(&both.encrypt(b"hello", NOW)).is_ok());
    }

    #[test]
    fn rotation_changes_the_key_and_keeps_the_time() {
        let token = fernet(OLD).encrypt(b"hello", 1234);
        let both = PlainFernet::parse(&format!("{NEW},{OLD}")).unwrap();

        let rotated = both.rotate(&token).unwrap();

        assert_eq!(&**fernet(NEW).decrypt(&rotated).unwrap(), b"hello");
        assert_eq!(fernet(NEW).timestamp(&rotated), Ok(1234));
        assert_eq!(
            fernet(NEW).rotate(&token).unwrap_err(),
            PlainFernetError::Tampered
        );
    }

    #[test]
    fn a_token_lives_as_long_as_it_may() {
        let fernet = fernet(NEW);
        let verdict = |made, ttl, now| {
            let token = fernet.encrypt(b"hello", made);
            fernet.decrypt_with_ttl(&token, ttl, now).map(|_| ())
        };
        assert_eq!(verdict(NOW, 60, NOW), Ok(()));
        assert_eq!(verdict(NOW, 60, NOW + 60), Ok(()));
        assert_eq!(verdict(NOW, 60, NOW + 61), Err(PlainFernetError::Expired));
        assert_eq!(verdict(NOW + 60, 60, NOW), Ok(()));
        assert_eq!(
            verdict(NOW + 61, 60, NOW),
            Err(PlainFernetError::FromTheFuture)
        );
        assert_eq!(verdict(0, 0, u64::MAX), Err(PlainFernetError::Expired));
        assert_eq!(
            verdict(u64::MAX, u64::MAX, 0),
            Err(PlainFernetError::FromTheFuture)
        );
        assert_eq!(verdict(u64::MAX, 1, u64::MAX), Ok(()));
    }

    #[test]
    fn without_a_ttl_no_age_is_refused() {
        let fernet = fernet(NEW);
        for made in [0, NOW, u64::MAX] {
            assert!(
                fernet.decrypt(&fernet.encrypt(b"hello", made)).is_ok(),
                "{made}"
            );
        }
    }

    #[test]
    fn a_forged_timestamp_is_not_believed() {
        let token = fernet(OLD).encrypt(b"hello", u64::MAX);
        let fernet = fernet(NEW);
        assert_eq!(fernet.timestamp(&token), Err(PlainFernetError::Tampered));
        let error = fernet.decrypt_with_ttl(&token, u64::MAX, NOW).unwrap_err();
        assert_eq!(error, PlainFernetError::Tampered);
    }

    #[test]
    fn published_keys_are_taken() {
        assert!(PlainFernet::parse("cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=").is_ok());
    }

    #[test]
    fn bad_lists_are_refused() {
        assert_eq!(PlainFernet::parse(" ").unwrap_err(), KeyRingError::Empty);
        assert_eq!(PlainFernet::new(vec![]).unwrap_err(), KeyRingError::Empty);
        let twice = PlainFernet::parse(&format!("{NEW},{OLD},{NEW}")).unwrap_err();
        assert!(matches!(twice, KeyRingError::Duplicate { .. }), "{twice}");
        let second = PlainFernet::parse(&format!("{NEW},x")).unwrap_err();
        assert!(
            matches!(second, KeyRingError::Key { position: 2, .. }),
            "{second}"
        );
    }

    #[test]
    fn debug_shows_key_ids_only() {
        let shown = format!("{:?}", fernet(NEW));
        assert!(shown.starts_with("PlainFernet[KeyId("), "{shown}");
        assert!(!shown.contains("ICEi"), "{shown}");
    }

    proptest! {
        #[test]
        fn no_time_makes_it_panic(made: u64, ttl: u64, now: u64) {
            let fernet = fernet(NEW);
            let token = fernet.encrypt(b"hello", made);
            let alive = u128::from(made) + u128::from(ttl) >= u128::from(now)
                && u128::from(made) <= u128::from(now) + 60;
            prop_assert_eq!(fernet.decrypt_with_ttl(&token, ttl, now).is_ok(), alive);
            prop_assert_eq!(fernet.timestamp(&token), Ok(made));
        }
    }

    fn fernet(keys: &str) -> PlainFernet {
        PlainFernet::parse(keys).unwrap()
    }
}
