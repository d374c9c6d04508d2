use std::hint::black_box;

use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
use zeroize::Zeroizing;

use crate::password::Password;
use crate::password_hash::PasswordHash;
use crate::random::random_bytes;

/// Hashes and checks passwords. Slow on purpose: call it outside transactions, and never in more
/// threads than there is memory for (19 MiB each).
#[derive(Clone, Debug)]
pub struct Passwords {
    argon2: Argon2<'static>,
}

impl Passwords {
    /// Argon2id at the cost that production uses: 19 MiB, two passes, one lane, the first choice
    /// of OWASP's password storage cheat sheet.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Params::DEFAULT)
    }

    /// The lowest cost that Argon2 allows, so that tests run fast. Protects nothing.
    #[must_use]
    pub fn danger_fast() -> Self {
        let lowest = Params::new(Params::MIN_M_COST, Params::MIN_T_COST, Params::MIN_P_COST, None);
        Self::with(lowest.unwrap_or(Params::DEFAULT))
    }

    /// Hashes a password under a new salt.
    ///
    /// # Panics
    ///
    /// If there is no memory or no randomness left.
    #[must_use]
    #[expect(clippy::expect_used, reason = "fails only for lack of memory; see # Panics")]
    pub fn hash(&self, password: &Password) -> PasswordHash {
        let salt = random_bytes::<16>();
        let hash = self
            .argon2
            .hash_password_with_salt(password.bytes(), &salt)
            .expect("there is memory for one hash");
        PasswordHash::from_stored(hash.to_string())
    }

    /// Whether `password` is the one that was hashed.
    ///
    /// Without a hash, or with one that nobody can read, it does the work of checking a wrong
    /// password, so that the time taken does not tell which accounts exist.
    #[must_use]
    pub fn verify(&self, password: &Password, hash: Option<&PasswordHash>) -> Verdict {
        match hash.and_then(PasswordHash::read) {
            Some(stored) if !stored.matches(password) => Verdict::Wrong,
            Some(stored) if stored.is_weaker_than(self.argon2.params()) => Verdict::RightButOld,
            Some(_) => Verdict::Right,
            None => {
                self.work_for_nothing(password);
                Verdict::Wrong
            }
        }
    }

    fn with(params: Params) -> Self {
        Self { argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params) }
    }

    fn work_for_nothing(&self, password: &Password) {
        let mut output = Zeroizing::new([0; Params::DEFAULT_OUTPUT_LEN]);
        let done = self.argon2.hash_password_into(password.bytes(), DECOY_SALT, &mut *output);
        // Work without a use could be left out by the compiler.
        let _ = black_box((done, output));
    }
}

impl Default for Passwords {
    fn default() -> Self {
        Self::new()
    }
}

/// What checking a password came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not the password, or there is none.
    Wrong,
    /// The password.
    Right,
    /// The password, under a hash that is weaker than today's: hash it again and store that.
    RightButOld,
}

const DECOY_SALT: &[u8] = b"keyward decoy 16";
