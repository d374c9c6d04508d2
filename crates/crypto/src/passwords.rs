use std::hint::black_box;

use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
use zeroize::Zeroizing;

use crate::password::Password;
use crate::password_hash::PasswordHash;
use crate::random::random_bytes;

/// Hashes and checks passwords. Slow on purpose: call it outside transactions, and never in more
/// threads than there is memory for (19 MiB each).
///
/// ```
/// use keyward_crypto::{Password, PasswordHash, Passwords, Verdict};
///
/// let passwords = Passwords::new();
/// let hash = passwords.hash(&Password::new_secret("correct horse battery".to_owned().into())?);
/// let stored = hash.as_stored().to_owned();
///
/// let hash = PasswordHash::from_stored(stored);
/// let typed = Password::attempt("correct horse battery".to_owned().into())?;
/// assert!(matches!(passwords.verify(&typed, Some(&hash)), Verdict::Right));
/// // Where nobody has the name, the same work for the same answer.
/// assert!(matches!(passwords.verify(&typed, None), Verdict::Wrong));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
        let lowest = Params::new(
            Params::MIN_M_COST,
            Params::MIN_T_COST,
            Params::MIN_P_COST,
            None,
        );
        Self::with(lowest.unwrap_or(Params::DEFAULT))
    }

    /// Hashes a password under a new salt.
    ///
    /// # Panics
    ///
    /// If there is no memory or no randomness left.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "fails only for lack of memory; see # Panics"
    )]
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
        Self {
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
        }
    }

    fn work_for_nothing(&self, password: &Password) {
        let mut output = Zeroizing::new([0; Params::DEFAULT_OUTPUT_LEN]);
        let done = self
            .argon2
            .hash_password_into(password.bytes(), DECOY_SALT, &mut *output);
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

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    const BCRYPT_PYTHON: &str = "$2b$04$EGdrhbKUv8Oc9vGiXX0HQOxSg445d458Muh7DAHskb6QbtCvdxcie";
    const BCRYPT_NODE: &str = "$2a$04$n4Uy0eSnMfvnESYL.bLwuuj0U/ETSsoTpRT9GVk5bektyVVa5xnIi";
    const BCRYPT_PASSWORD: &str = "correctbatteryhorsestapler";

    #[test]
    fn a_hashed_password_is_right_and_another_is_wrong() {
        let passwords = Passwords::danger_fast();
        let hash = passwords.hash(&typed("correct horse battery"));
        let stored = PasswordHash::from_stored(hash.as_stored().to_owned());

        let verify = |password| passwords.verify(&typed(password), Some(&stored));
        assert_eq!(verify("correct horse battery"), Verdict::Right);
        assert_eq!(verify("correct horse batterx"), Verdict::Wrong);
        assert_eq!(verify("correct horse battery "), Verdict::Wrong);
        assert_eq!(verify(""), Verdict::Wrong);
    }

    #[test]
    fn production_hashes_have_the_parameters_of_owasp() {
        let hash = Passwords::new().hash(&typed("correct horse battery"));
        assert!(
            hash.as_stored()
                .starts_with("$argon2id$v=19$m=19456,t=2,p=1$")
        );
    }

    #[test]
    fn every_byte_of_a_long_password_counts() {
        let passwords = Passwords::danger_fast();
        let long = "x".repeat(1023);
        let hash = passwords.hash(&typed(&format!("{long}a")));
        let other = typed(&format!("{long}b"));
        assert_eq!(passwords.verify(&other, Some(&hash)), Verdict::Wrong);
    }

    #[test]
    fn the_same_password_is_hashed_differently_each_time() {
        let passwords = Passwords::danger_fast();
        let password = typed("correct horse battery");
        assert!(passwords.hash(&password) != passwords.hash(&password));
    }

    #[test]
    fn a_hash_with_weaker_parameters_is_old() {
        let password = typed("correct horse battery");
        let weak = Passwords::danger_fast().hash(&password);
        assert_eq!(
            Passwords::new().verify(&password, Some(&weak)),
            Verdict::RightButOld
        );

        let strong = Passwords::new().hash(&password);
        assert_eq!(
            Passwords::danger_fast().verify(&password, Some(&strong)),
            Verdict::Right
        );
    }

    #[test]
    fn an_imported_bcrypt_hash_is_right_but_old() {
        let passwords = Passwords::danger_fast();
        let php = BCRYPT_PYTHON.replacen("$2b$", "$2y$", 1);
        for hash in [BCRYPT_PYTHON, BCRYPT_NODE, &php] {
            let hash = PasswordHash::from_stored(hash.to_owned());
            let verify = |password| passwords.verify(&typed(password), Some(&hash));
            assert_eq!(verify(BCRYPT_PASSWORD), Verdict::RightButOld);
            assert_eq!(verify("correctbatteryhorsestaplex"), Verdict::Wrong);
        }
    }

    #[test]
    fn other_kinds_of_argon2_are_right_but_old() {
        // From the test suite of the argon2 crate.
        let hashes = [
            "$argon2d$v=16$m=32,t=2,p=3,data=Dw8PDw8P$AAAAAAAAAAA$KnH4gniiaFnDvlA1xev3yovC4cnrrI6tnHOYtmja90o",
            "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8",
        ];
        for hash in hashes {
            let hash = PasswordHash::from_stored(hash.to_owned());
            let verdict = Passwords::danger_fast().verify(&typed("password"), Some(&hash));
            assert_eq!(verdict, Verdict::RightButOld, "{}", hash.as_stored());
        }
    }

    #[test]
    fn a_known_argon2id_hash_is_right() {
        let hash =
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        let hash = PasswordHash::from_stored(hash.to_owned());
        let passwords = Passwords::danger_fast();
        assert_eq!(
            passwords.verify(&typed("password"), Some(&hash)),
            Verdict::Right
        );
        assert_eq!(
            passwords.verify(&typed("sassword"), Some(&hash)),
            Verdict::Wrong
        );
    }

    #[test]
    fn what_is_no_hash_fits_no_password() {
        let salt_and_hash = "c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        let stored = [
            String::new(),
            "correct horse battery".to_owned(),
            "$".to_owned(),
            "$argon2id$".to_owned(),
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ".to_owned(),
            "$argon2id$v=19$m=256,t=2,p=1".to_owned(),
            format!("$argon2id$v=20$m=256,t=2,p=1${salt_and_hash}"),
            format!("$argon2x$v=19$m=256,t=2,p=1${salt_and_hash}"),
            format!("$argon2id$v=19$m=7,t=2,p=1${salt_and_hash}"),
            format!("$argon2id$v=19$m=256,t=0,p=1${salt_and_hash}"),
            format!("$argon2id$v=19$m=256,t=2,p=\u{e9}${salt_and_hash}"),
            "$2b$".to_owned(),
            "$2x$04$EGdrhbKUv8Oc9vGiXX0HQOxSg445d458Muh7DAHskb6QbtCvdxcie".to_owned(),
            format!("{BCRYPT_PYTHON}x"),
            BCRYPT_PYTHON[..59].to_owned(),
            BCRYPT_PYTHON.replacen("$04$", "$03$", 1),
            BCRYPT_PYTHON.replacen("$04$", "$ab$", 1),
            // 60 bytes with a character that spans where the crate splits.
            "$2b$0\u{e9}EGdrhbKUv8Oc9vGiXX0HQOxSg445d458Muh7DAHskb6QbtCvdxcie".to_owned(),
            format!("$2b$04${}", "\u{20ac}".repeat(18))
                .split_at(58)
                .0
                .to_owned(),
        ];
        for text in stored {
            let hash = PasswordHash::from_stored(text.clone());
            for password in ["correct horse battery", BCRYPT_PASSWORD, "password", ""] {
                let verdict = Passwords::danger_fast().verify(&typed(password), Some(&hash));
                assert_eq!(verdict, Verdict::Wrong, "{text:?}");
            }
        }
    }

    #[test]
    fn a_hash_that_would_exhaust_the_server_is_not_computed() {
        let salt_and_hash = "c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        let stored = [
            format!("$argon2id$v=19$m=262145,t=1,p=1${salt_and_hash}"),
            format!("$argon2id$v=19$m=4294967295,t=1,p=1${salt_and_hash}"),
            format!("$argon2id$v=19$m=256,t=21,p=1${salt_and_hash}"),
            format!("$argon2id$v=19$m=256,t=4294967295,p=1${salt_and_hash}"),
            format!("$argon2id$v=19$m=256,t=2,p=17${salt_and_hash}"),
            BCRYPT_PYTHON.replacen("$04$", "$16$", 1),
            BCRYPT_PYTHON.replacen("$04$", "$31$", 1),
        ];
        for text in stored {
            let hash = PasswordHash::from_stored(text.clone());
            assert!(hash.read().is_none(), "{text}");
            let verdict = Passwords::danger_fast().verify(&typed("password"), Some(&hash));
            assert_eq!(verdict, Verdict::Wrong, "{text}");
        }
    }

    #[test]
    fn a_costly_hash_within_the_limits_is_read() {
        let salt_and_hash = "c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        let stored = [
            format!("$argon2id$v=19$m=262144,t=20,p=16${salt_and_hash}"),
            BCRYPT_PYTHON.replacen("$04$", "$15$", 1),
        ];
        for text in stored {
            assert!(
                PasswordHash::from_stored(text.clone()).read().is_some(),
                "{text}"
            );
        }
    }

    #[test]
    fn nobody_costs_work_too() {
        let passwords = Passwords::new();
        let wrong = typed("wrong horse battery");
        let unreadable = PasswordHash::from_stored("imported".to_owned());
        for nobody in [None, Some(&unreadable)] {
            let times = (0..5).map(|_| {
                let start = Instant::now();
                assert_eq!(passwords.verify(&wrong, nobody), Verdict::Wrong);
                start.elapsed()
            });
            // Nothing fills 19 MiB twice in less than this, and a busy machine only takes longer.
            // Without the work it is a few microseconds.
            let fastest = times.min().unwrap();
            assert!(fastest > Duration::from_millis(1), "{fastest:?}");
        }
    }

    #[test]
    fn debug_shows_nothing_of_a_hash() {
        let hash = Passwords::danger_fast().hash(&typed("correct horse battery"));
        assert_eq!(format!("{hash:?}"), "PasswordHash(..)");
    }

    fn typed(password: &str) -> Password {
        Password::attempt(password.into()).unwrap()
    }
}
