use std::fmt;

use keyward_core::{Id, Timestamp};
use keyward_crypto::{ApiKeyId, ApiKeyKind, Mac, MacPurpose, PasswordHash, Signable, Signed};

use crate::{Scopes, Username};

/// Names one user.
pub type UserId = Id<User>;

/// A person or an agent.
#[derive(Clone, Debug, PartialEq)]
pub struct User {
    /// Names the user.
    pub id: UserId,
    /// What the user signs in with.
    pub username: Username,
    /// A person or an agent.
    pub kind: UserKind,
    /// What the user may do at most.
    pub role: Role,
    /// Whether the user's keys work.
    pub status: UserStatus,
    /// The hash of the password; `None` where there is none, as for agents.
    pub password_hash: Option<PasswordHash>,
    /// Given name.
    pub first_name: PersonName,
    /// Family name.
    pub last_name: PersonName,
    /// When the user was made.
    pub created_at: Timestamp,
    /// Since when a second factor is asked for; `None` where there is none.
    pub mfa_since: Option<Timestamp>,
    /// Counts the changes. Two changes of one user cannot both succeed from one version.
    pub version: i64,
}

impl User {
    /// Whether this is one of the users without whom nobody could administer the server.
    #[must_use]
    pub fn is_active_admin(&self) -> bool {
        self.role == Role::Admin
            && self.kind == UserKind::Human
            && self.status == UserStatus::Active
    }
}

/// Names are not covered: they decide nothing.
impl Signable for User {
    const PURPOSE: MacPurpose = MacPurpose::UserRow;

    fn with_parts<R>(&self, work: impl FnOnce(&[&[u8]]) -> R) -> R {
        let hash = self.password_hash.as_ref().map(PasswordHash::as_stored);
        let version = self.version.to_be_bytes();
        let parts: [&[u8]; 7] = [
            self.id.as_bytes(),
            self.username.as_str().as_bytes(),
            self.kind.as_str().as_bytes(),
            self.role.as_str().as_bytes(),
            self.status.as_str().as_bytes(),
            hash.unwrap_or_default().as_bytes(),
            &version,
        ];
        with_last(&parts, self.mfa_since, work)
    }
}

/// A part that came later stands at the end, and only where it is set, so that MACs of rows
/// without it stay what they were.
fn with_last<R>(parts: &[&[u8]], last: Option<Timestamp>, work: impl FnOnce(&[&[u8]]) -> R) -> R {
    match last.map(|at| at.0.to_be_bytes()) {
        None => work(parts),
        Some(last) => work(&[parts, &[last.as_slice()]].concat()),
    }
}

macro_rules! named {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $name:literal),* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $type {
            $($(#[$variant_doc])* $variant),*
        }

        impl $type {
            /// The stored name. Names are part of the stored format: never change one.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// Reads the stored name back.
            #[must_use]
            pub fn parse(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

named! {
    /// What kind of user.
    UserKind {
        /// A person.
        Human = "human",
        /// An agent: no password, never an administrator.
        Agent = "agent"
    }
}

named! {
    /// What a user may do at most; see [`Scopes::of_role`].
    Role {
        /// Manages people and the server.
        Admin = "admin",
        /// Works with credentials and agents.
        Normal = "normal"
    }
}

named! {
    /// Whether a user's keys work.
    UserStatus {
        /// They do.
        Active = "active",
        /// They do not, until somebody enables the user again.
        Disabled = "disabled",
        /// They do not, for ever. The row stays for the audit log and for what it owns; the name is free again.
        Deleted = "deleted"
    }
}

macro_rules! label {
    ($(#[$doc:meta])* $type:ident, $min:literal, $max:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $type(String);

        impl $type {
            /// Reads what somebody typed; surrounding white space is dropped.
            pub fn parse(text: &str) -> Result<Self, MalformedName> {
                let text = text.trim();
                let length = text.chars().count();
                let fits = ($min..=$max).contains(&length) && !text.chars().any(char::is_control);
                fits.then(|| Self(text.to_owned()))
                    .ok_or(MalformedName { min: $min, max: $max })
            }

            /// Takes over a text that a store has read back.
            #[must_use]
            pub fn from_stored(text: String) -> Self {
                Self(text)
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

label! {
    /// What the owner calls a key: 1 to 100 characters.
    KeyName, 1, 100
}

label! {
    /// A given or family name: up to 150 characters, may be empty.
    PersonName, 0, 150
}

/// The text is too short or too long, or has control characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {min} to {max} characters and no control characters")]
pub struct MalformedName {
    min: usize,
    max: usize,
}

/// What is kept of an API key.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiKeyRecord {
    /// The public part of the key.
    pub id: ApiKeyId,
    /// What the key is used as.
    pub kind: ApiKeyKind,
    /// Whose it is.
    pub user: UserId,
    /// What the owner calls it.
    pub name: KeyName,
    /// What it may do.
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
    /// Since when it is refused because somebody said so.
    pub revoked_at: Option<Timestamp>,
    /// Until when the second factor of its owner counts as shown recently.
    pub fresh_until: Option<Timestamp>,
    /// The only trace of its secret part.
    pub key_mac: Mac,
}

impl ApiKeyRecord {
    /// Whether the key opens anything at `now`.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

/// The name is not covered: it decides nothing.
impl Signable for ApiKeyRecord {
    const PURPOSE: MacPurpose = MacPurpose::ApiKeyRow;

    fn with_parts<R>(&self, work: impl FnOnce(&[&[u8]]) -> R) -> R {
        let scopes = self.scopes.to_string();
        let expires_at = self.expires_at.map(|at| at.0.to_be_bytes());
        let revoked_at = self.revoked_at.map(|at| at.0.to_be_bytes());
        let created_at = self.created_at.0.to_be_bytes();
        let parts: [&[u8]; 8] = [
            self.id.as_str().as_bytes(),
            self.kind.as_str().as_bytes(),
            self.user.as_bytes(),
            scopes.as_bytes(),
            &created_at,
            expires_at.as_ref().map_or(&[], <[u8; 8]>::as_slice),
            revoked_at.as_ref().map_or(&[], <[u8; 8]>::as_slice),
            self.key_mac.as_bytes(),
        ];
        with_last(&parts, self.fresh_until, work)
    }
}

/// A key with its owner, as one question finds them.
#[derive(Clone, Debug)]
pub struct KeyWithOwner {
    /// The key.
    pub key: Signed<ApiKeyRecord>,
    /// Whose it says it is.
    pub owner: Signed<User>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
}

/// A key as lists show it.
#[derive(Clone, Debug)]
pub struct ListedKey {
    /// The key.
    pub key: Signed<ApiKeyRecord>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use keyward_crypto::MacRing;

    use super::*;

    // The expected values were computed in Python from the definitions in docs/formats.md.
    fn macs() -> MacRing {
        MacRing::parse("Yk3v9QpZ7tLwXr2NfBhGmCs5DjUa8eKo4iTyVx6RlWz").unwrap()
    }

    fn user_id() -> UserId {
        Id::parse("01890a5d-7e8f-7c3d-a1b2-c3d4e5f60718").unwrap()
    }

    #[test]
    fn the_mac_of_a_user_row_is_the_documented_one() {
        let user = User {
            id: user_id(),
            username: Username::parse("ada").unwrap(),
            kind: UserKind::Human,
            role: Role::Admin,
            status: UserStatus::Active,
            password_hash: None,
            first_name: PersonName::parse("Ada").unwrap(),
            last_name: PersonName::parse("Lovelace").unwrap(),
            created_at: Timestamp(1_800_000_000),
            mfa_since: None,
            version: 3,
        };
        assert_eq!(
            Signed::sign(user, &macs()).mac().as_stored(),
            "b75c0c4eefa6817b.dde7e63af23f173bfc04906e70e8345092b602cae3c7b1ae5de9c28c09bd3318"
        );
    }

    #[test]
    fn the_mac_of_a_key_row_is_the_documented_one() {
        let key_mac = Mac::from_stored(
            "b75c0c4eefa6817b.01ee888a8166d6624cb81e8c59e9abadab851dc4ff6ecbeebdedf9f2b40a6452",
        );
        let key = ApiKeyRecord {
            id: ApiKeyId::parse("0123456789ABCDEF").unwrap(),
            kind: ApiKeyKind::User,
            user: user_id(),
            name: KeyName::parse("laptop").unwrap(),
            scopes: Scopes::from_stored("credentials:use read").unwrap(),
            created_at: Timestamp(1_800_000_000),
            expires_at: Some(Timestamp(1_900_000_000)),
            revoked_at: None,
            fresh_until: None,
            key_mac: key_mac.unwrap(),
        };
        assert_eq!(
            Signed::sign(key, &macs()).mac().as_stored(),
            "b75c0c4eefa6817b.750c43a30e351bc63ff3797e63149f144a060012304396d667e5e429d9a6a18c"
        );
    }
}
