use keyward_crypto::{MacPurpose, MacRing};

use crate::UserId;

/// What attempts are counted for: one authenticator, never a name that somebody typed.
///
/// ```
/// use keyward_auth::{LimitSubject, UserId};
/// use keyward_crypto::MacRing;
///
/// let user = UserId::generate();
/// assert_eq!(LimitSubject::totp(user).as_str(), format!("totp:{user}"));
/// // What was typed in place of a name is counted, and not kept.
/// let macs = MacRing::parse(MacRing::generate_secret().expose())?;
/// let typed = LimitSubject::password(&macs, None, "hunter2", "192.0.2.7");
/// assert!(!typed.as_str().contains("hunter2"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitSubject {
    key: String,
    account: Option<UserId>,
}

impl LimitSubject {
    /// The authenticator app of a person. Stays the same when another one is enrolled.
    #[must_use]
    pub fn totp(user: UserId) -> Self {
        Self {
            key: format!("totp:{user}"),
            account: Some(user),
        }
    }

    /// The recovery codes of a person, old and new ones.
    #[must_use]
    pub fn recovery(user: UserId) -> Self {
        Self {
            key: format!("recovery:{user}"),
            account: Some(user),
        }
    }

    /// The password of an account, from one network. `account` is the user's id, or for a name
    /// that nobody has the name, so that both are counted alike.
    #[must_use]
    pub fn password(macs: &MacRing, user: Option<UserId>, name: &str, source: &str) -> Self {
        let account = Self::id_or_name(user, name);
        let parts = [b"password", account.as_bytes(), source.as_bytes()];
        Self {
            key: Self::keyed(macs, &parts),
            account: user,
        }
    }

    /// The proofs of one agent that one receiver asks about. Another receiver has its own, so that
    /// nobody's guesses keep an agent from proving who it is to others.
    #[must_use]
    pub fn proof(verifier: UserId, prover: UserId) -> Self {
        Self {
            key: format!("proof/{verifier}/{prover}"),
            account: Some(verifier),
        }
    }

    /// The password of an account, from all networks together. `user` and `name` are as for
    /// [`password`](Self::password).
    #[must_use]
    pub fn everywhere(macs: &MacRing, user: Option<UserId>, name: &str) -> Self {
        let account = Self::id_or_name(user, name);
        Self {
            key: Self::keyed(macs, &[b"everywhere", account.as_bytes()]),
            account: user,
        }
    }

    /// All passwords that are tried from one network.
    #[must_use]
    pub fn source(macs: &MacRing, source: &str) -> Self {
        Self {
            key: Self::keyed(macs, &[b"source", source.as_bytes()]),
            account: None,
        }
    }

    /// An account keeps its count under any name, and a name that nobody has is counted as if it were one.
    fn id_or_name(user: Option<UserId>, name: &str) -> String {
        user.map_or_else(|| name.to_owned(), |id| id.to_string())
    }

    /// What was typed may be anything, even a password in the wrong field, so none of it is kept.
    fn keyed(macs: &MacRing, parts: &[&[u8]]) -> String {
        macs.mac(MacPurpose::LimitSubject, parts).as_stored()
    }

    /// The key of the row.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.key
    }

    /// Whose authenticator it is, if there is such a user.
    #[must_use]
    pub fn account(&self) -> Option<UserId> {
        self.account
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_of_a_factor_name_the_user_and_those_of_passwords_do_not() {
        let user = UserId::parse("01890a5d-7e8f-7c3d-a1b2-c3d4e5f60718").unwrap();
        let totp = LimitSubject::totp(user);
        assert_eq!(totp.as_str(), "totp:01890a5d-7e8f-7c3d-a1b2-c3d4e5f60718");
        let recovery = LimitSubject::recovery(user);
        assert_eq!(
            recovery.as_str(),
            "recovery:01890a5d-7e8f-7c3d-a1b2-c3d4e5f60718"
        );
        assert_eq!(totp.account(), Some(user));
        assert_eq!(recovery.account(), Some(user));

        let macs = MacRing::parse("Yk3v9QpZ7tLwXr2NfBhGmCs5DjUa8eKo4iTyVx6RlWz").unwrap();
        let known = LimitSubject::password(&macs, Some(user), "ada", "192.0.2.7");
        let unknown = LimitSubject::password(&macs, None, "ada", "192.0.2.7");
        let network = LimitSubject::source(&macs, "192.0.2.7");
        assert_eq!(known.account(), Some(user));
        assert_eq!(unknown.account(), None);
        assert_eq!(network.account(), None);
        let renamed = LimitSubject::password(&macs, Some(user), "eve", "192.0.2.7");
        assert_eq!(renamed, known, "an account keeps its count under any name");
        let keyed = [&known, &unknown, &network];
        for subject in keyed {
            assert!(
                !subject.as_str().contains(':'),
                "those with a colon are kept"
            );
            assert!(!subject.as_str().contains("ada"));
        }
        assert!(known != unknown && unknown != network && known != network);
        let proof = LimitSubject::proof(user, user);
        assert_eq!(proof.account(), Some(user));
        assert!(!proof.as_str().contains(':'), "those with a colon are kept");
        let elsewhere = LimitSubject::password(&macs, Some(user), "ada", "192.0.2.8");
        assert_ne!(elsewhere, known);
    }

    #[test]
    fn all_networks_together_are_one_subject_of_an_account() {
        let user = UserId::generate();
        let macs = MacRing::parse("Yk3v9QpZ7tLwXr2NfBhGmCs5DjUa8eKo4iTyVx6RlWz").unwrap();
        let known = LimitSubject::everywhere(&macs, Some(user), "ada");
        assert_eq!(known, LimitSubject::everywhere(&macs, Some(user), "eve"));
        assert_eq!(known.account(), Some(user), "unlocking finds it");
        let unknown = LimitSubject::everywhere(&macs, None, "ada");
        assert_eq!(unknown.account(), None);
        assert_ne!(unknown, known);
        assert_ne!(unknown, LimitSubject::everywhere(&macs, None, "eve"));
        for subject in [known, unknown] {
            assert!(
                !subject.as_str().contains(':'),
                "those with a colon are kept"
            );
        }
    }
}
