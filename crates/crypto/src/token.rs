//! The one place that calls the `fernet` crate.
//!
//! Its functions without a time must not be used: they read the system clock, refuse values that
//! were written while the clock was ahead, and compute with a timestamp that nobody vouches for.

use data_encoding::BASE64URL;
use fernet::Fernet;
use ring::hmac;
use zeroize::Zeroizing;

/// The key of Fernet tokens.
pub(crate) struct TokenKey(Zeroizing<[u8; 32]>);

impl TokenKey {
    pub(crate) fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// Encrypts under a random IV, with `now` (Unix seconds) as the token's time.
    pub(crate) fn encrypt(&self, plaintext: &[u8], now: u64) -> String {
        self.fernet().encrypt_at_time(plaintext, now)
    }

    /// Decrypts a token of any age.
    pub(crate) fn decrypt(&self, token: &str) -> Result<Zeroizing<Vec<u8>>, TokenError> {
        // The crate takes any number of `=` and so several texts for one token.
        if !is_padded(token) {
            return Err(TokenError::Malformed);
        }
        self.fernet()
            .decrypt_at_time(token, None, ANY_TIME)
            .map(Zeroizing::new)
            .map_err(|_| self.reason(token))
    }

    /// Whether this key made the token. Says nothing about its age.
    pub(crate) fn made(&self, token: &Token) -> bool {
        // The first half signs, the second encrypts.
        let (signing, _) = self.0.split_at(16);
        let (message, mac) = token.signed();
        hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, signing), message, mac).is_ok()
    }

    /// Why the crate, which does not say, refused `token`.
    fn reason(&self, token: &str) -> TokenError {
        match Token::decode(token) {
            Some(token) if !self.made(&token) => TokenError::Tampered,
            // Not a token at all, or one by this key with broken padding.
            _ => TokenError::Malformed,
        }
    }

    #[expect(clippy::expect_used, reason = "the crate takes every 32 bytes")]
    fn fernet(&self) -> Fernet {
        let text = Zeroizing::new(BASE64URL.encode(&*self.0));
        Fernet::new(&text).expect("32 bytes of URL-safe base64 are a Fernet key")
    }
}

/// A token of the right shape, not yet authenticated.
pub(crate) struct Token {
    timestamp: u64,
    bytes: Vec<u8>,
}

impl Token {
    /// Takes base64, version and lengths apart, as the Fernet specification has them.
    pub(crate) fn decode(text: &str) -> Option<Self> {
        let bytes = BASE64URL.decode(text.as_bytes()).ok()?;
        let (&version, rest) = bytes.split_first()?;
        let (timestamp, rest) = rest.split_first_chunk()?;
        let (_iv, rest) = rest.split_first_chunk::<BLOCK_BYTES>()?;
        let (ciphertext, _mac) = rest.split_last_chunk::<MAC_BYTES>()?;
        let well_formed = version == VERSION
            && !ciphertext.is_empty()
            && ciphertext.len().is_multiple_of(BLOCK_BYTES);
        well_formed.then_some(Self {
            timestamp: u64::from_be_bytes(*timestamp),
            bytes,
        })
    }

    /// When the token says it was made. Means nothing before [`TokenKey::made`].
    pub(crate) fn timestamp(&self) -> u64 {
        self.timestamp
    }

    /// What the MAC is over, and the MAC.
    fn signed(&self) -> (&[u8], &[u8]) {
        self.bytes
            .split_at(self.bytes.len().saturating_sub(MAC_BYTES))
    }
}

/// Why a token does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenError {
    Malformed,
    Tampered,
}

fn is_padded(text: &str) -> bool {
    let padding = text.len() - text.trim_end_matches('=').len();
    text.len().is_multiple_of(4) && padding <= 2
}

/// With this as the present no timestamp lies too far ahead, not even the last one. The crate adds
/// the 60 seconds of its tolerance, and must not overflow.
const ANY_TIME: u64 = u64::MAX - 60;

const VERSION: u8 = 0x80;
const BLOCK_BYTES: usize = 16;
const MAC_BYTES: usize = 32;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_token_has_one_text() {
        let key = key();
        let token = key.encrypt(b"0123456789abcdef", 1);
        let bare = token.trim_end_matches('=');
        assert_eq!(
            token.len() - bare.len(),
            1,
            "pick a plaintext that needs one `=`"
        );

        for text in [
            bare.to_owned(),
            format!("{bare}=="),
            format!("{token}===="),
            format!("{token} "),
        ] {
            assert_eq!(
                key.decrypt(&text).unwrap_err(),
                TokenError::Malformed,
                "{text}"
            );
            assert!(Token::decode(&text).is_none(), "{text}");
        }
    }

    #[test]
    fn broken_padding_under_a_genuine_mac_is_malformed() {
        // The specification's invalid vector "payload padding error", which has a right MAC.
        let key = TokenKey::new(Zeroizing::new([
            115, 15, 244, 199, 175, 61, 70, 146, 62, 142, 212, 81, 238, 129, 60, 135, 247, 144,
            176, 162, 38, 188, 150, 169, 45, 228, 155, 94, 156, 5, 225, 238,
        ]));
        let token = "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0ODz4LEpdELGQAad7aNEHbf-JkLPIpuiYRLQ3RtXatOYREu2FWke6CnJNYIbkuKNqOhw==";
        assert!(key.made(&Token::decode(token).unwrap()));
        assert_eq!(key.decrypt(token).unwrap_err(), TokenError::Malformed);
    }

    #[test]
    fn version_and_lengths_are_each_looked_at() {
        let token = |version: u8, ciphertext: usize| {
            let rest = vec![0; 8 + BLOCK_BYTES + ciphertext + MAC_BYTES];
            let bytes = [&[version][..], &rest].concat();
            Token::decode(&BASE64URL.encode(&bytes)).is_some()
        };
        assert!(token(VERSION, BLOCK_BYTES) && token(VERSION, 3 * BLOCK_BYTES));
        for length in [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES + 1] {
            assert!(!token(VERSION, length), "{length}");
        }
        for version in [0, VERSION - 1, VERSION + 1, 255] {
            assert!(!token(version, BLOCK_BYTES), "{version}");
        }
    }

    #[test]
    fn the_timestamp_is_read_as_it_was_written() {
        for now in [0, 1_800_000_000, u64::MAX] {
            let token = key().encrypt(b"", now);
            assert_eq!(Token::decode(&token).unwrap().timestamp(), now);
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            prop_assert!(Token::decode(&text).is_none());
            prop_assert_eq!(key().decrypt(&text).unwrap_err(), TokenError::Malformed);
        }

        #[test]
        fn any_bytes_as_a_token_are_refused_alike(mut bytes: Vec<u8>, versioned: bool) {
            if versioned {
                bytes.insert(0, VERSION);
            }
            let text = BASE64URL.encode(&bytes);
            let expected = match Token::decode(&text) {
                Some(_) => TokenError::Tampered,
                None => TokenError::Malformed,
            };
            prop_assert_eq!(key().decrypt(&text).unwrap_err(), expected);
        }

        #[test]
        fn what_is_encrypted_decrypts(plaintext: Vec<u8>, now: u64) {
            let token = key().encrypt(&plaintext, now);
            prop_assert!(key().made(&Token::decode(&token).unwrap()));
            prop_assert_eq!(&*key().decrypt(&token).unwrap(), &plaintext);
        }
    }

    fn key() -> TokenKey {
        TokenKey::new(Zeroizing::new([7; 32]))
    }
}
