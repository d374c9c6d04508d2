use std::fmt;

use keyward_core::{Id, LegacyId, Timestamp};
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
    /// On whose behalf an agent acts, and how far; `None` for people.
    pub delegation: Option<Delegation>,
    /// The user's number in the system that it was imported from.
    pub legacy_id: Option<LegacyId>,
    /// Counts the changes. Two changes of one user cannot both succeed from one version.
    pub version: i64,
}

/// What a person has let an agent do. It bounds every key of the agent, whoever makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delegation {
    /// The person who answers for the agent. When they are disabled, the agent's keys are refused.
    pub owner: UserId,
    /// What the agent may do at most.
    pub scopes: Scopes,
    /// From when on its keys are refused.
    pub expires_at: Option<Timestamp>,
}

impl User {
    /// What the user can do at most: what the role allows, and for agents what was delegated.
    #[must_use]
    pub fn scopes(&self) -> Scopes {
        let of_role = Scopes::of_role(self.role);
        self.delegation.map_or(of_role, |delegation| {
            of_role.intersection(delegation.scopes)
        })
    }

    /// Whether the user's keys work at `now`, as far as this row tells. An agent without a
    /// delegation is nobody's.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        let in_term = match self.delegation {
            Some(delegation) => delegation.expires_at.is_none_or(|end| now < end),
            None => self.kind == UserKind::Human,
        };
        self.status == UserStatus::Active && in_term
    }

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
        match &self.delegation {
            None => with_later(&parts, self.mfa_since, self.legacy_id, work),
            Some(delegation) => {
                let scopes = delegation.scopes.to_string();
                let expires_at = delegation.expires_at.map(|at| at.0.to_be_bytes());
                let delegated: [&[u8]; 3] = [
                    delegation.owner.as_bytes(),
                    scopes.as_bytes(),
                    expires_at.as_ref().map_or(&[], <[u8; 8]>::as_slice),
                ];
                with_later(
                    &[parts.as_slice(), &delegated].concat(),
                    self.mfa_since,
                    self.legacy_id,
                    work,
                )
            }
        }
    }
}

/// Parts that came later stand at the end, and only where they are set, so that MACs of rows
/// without them stay what they were. Their forms differ, so that none passes for another.
fn with_later<R>(
    parts: &[&[u8]],
    time: Option<Timestamp>,
    legacy_id: Option<LegacyId>,
    work: impl FnOnce(&[&[u8]]) -> R,
) -> R {
    let time = time.map(|at| at.0.to_be_bytes());
    let legacy_id = legacy_id.map(LegacyId::signed_part);
    let later = [
        time.as_ref().map(<[u8; 8]>::as_slice),
        legacy_id.as_ref().map(String::as_bytes),
    ];
    let later: Vec<&[u8]> = later.into_iter().flatten().collect();
    if later.is_empty() {
        work(parts)
    } else {
        work(&[parts, &later].concat())
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

label! {
    /// What an agent is for, or what it proves its identity for: 1 to 200 characters.
    Purpose, 1, 200
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
    /// The key's number in the system that it was imported from.
    pub legacy_id: Option<LegacyId>,
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
        with_later(&parts, self.fresh_until, self.legacy_id, work)
    }
}

/// A key with its owner, as one question finds them.
#[derive(Clone, Debug)]
pub struct KeyWithOwner {
    /// The key.
    pub key: Signed<ApiKeyRecord>,
    /// Whose it says it is.
    pub owner: Signed<User>,
    /// Who answers for the owner, where that is an agent.
    pub sponsor: Option<Signed<User>>,
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
    use std::collections::HashSet;

    use keyward_crypto::MacRing;

    use super::*;

    // The expected values were computed in Python from the definitions in docs/formats.md.
    fn macs() -> MacRing {
        MacRing::parse("Yk3v9QpZ7tLwXr2NfBhGmCs5DjUa8eKo4iTyVx6RlWz").unwrap()
    }

    fn user_id() -> UserId {
        Id::parse("01890a5d-7e8f-7c3d-a1b2-c3d4e5f60718").unwrap()
    }

    fn user() -> User {
        User {
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
            delegation: None,
            legacy_id: None,
            version: 3,
        }
    }

    fn delegation() -> Delegation {
        Delegation {
            owner: user_id(),
            scopes: Scopes::from_stored("read").unwrap(),
            expires_at: Some(Timestamp(1_900_000_000)),
        }
    }

    #[test]
    fn an_agent_is_bounded_by_its_delegation() {
        let agent = |expires_at: Option<i64>| User {
            kind: UserKind::Agent,
            role: Role::Normal,
            delegation: Some(Delegation {
                expires_at: expires_at.map(Timestamp),
                ..delegation()
            }),
            ..user()
        };
        assert_eq!(agent(None).scopes().to_string(), "read");
        assert!(agent(None).is_live(Timestamp(i64::MAX)));
        assert!(agent(Some(10)).is_live(Timestamp(9)));
        assert!(!agent(Some(10)).is_live(Timestamp(10)));
        let nobodys = User {
            delegation: None,
            ..agent(None)
        };
        assert!(!nobodys.is_live(Timestamp(0)));
        assert_eq!(user().scopes(), Scopes::all());
    }

    fn key() -> ApiKeyRecord {
        let key_mac = Mac::from_stored(
            "b75c0c4eefa6817b.01ee888a8166d6624cb81e8c59e9abadab851dc4ff6ecbeebdedf9f2b40a6452",
        );
        ApiKeyRecord {
            id: ApiKeyId::parse("0123456789ABCDEF").unwrap(),
            kind: ApiKeyKind::User,
            user: user_id(),
            name: KeyName::parse("laptop").unwrap(),
            scopes: Scopes::from_stored("credentials:use read").unwrap(),
            created_at: Timestamp(1_800_000_000),
            expires_at: Some(Timestamp(1_900_000_000)),
            revoked_at: None,
            fresh_until: None,
            legacy_id: None,
            key_mac: key_mac.unwrap(),
        }
    }

    #[test]
    fn the_mac_of_a_user_row_is_the_documented_one() {
        for (mfa_since, expected) in [
            (
                None,
                "b75c0c4eefa6817b.dde7e63af23f173bfc04906e70e8345092b602cae3c7b1ae5de9c28c09bd3318",
            ),
            (
                Some(1_800_000_000),
                "b75c0c4eefa6817b.8ff77373bf89e8832e41a675afe217fb49353c76b6325fe1fd288c72ea76e8db",
            ),
            (
                Some(0),
                "b75c0c4eefa6817b.117329c963d9ad9dffdfd8880525172876a0d63a694a985b1ffce78425b5d066",
            ),
            (
                Some(-1),
                "b75c0c4eefa6817b.f5e289c849fa73215335102d997cf68a7e0db6ac575c349dcf1ef930b8d04d8c",
            ),
        ] {
            let user = User {
                mfa_since: mfa_since.map(Timestamp),
                ..user()
            };
            let mac = Signed::sign(user, &macs()).mac().as_stored();
            assert_eq!(mac, expected, "{mfa_since:?}");
        }
    }

    #[test]
    fn the_mac_of_a_delegated_row_is_the_documented_one() {
        for (expires_at, expected) in [
            (
                Some(Timestamp(1_900_000_000)),
                "b75c0c4eefa6817b.b26ea36e03aeee42492519a2d918276e6a8e40d09fdf9a64217284535f81005b",
            ),
            (
                None,
                "b75c0c4eefa6817b.cf542036c7b9415bd177d923bf6a2591e9ea19464fcdd382bb171882148f154b",
            ),
        ] {
            let delegation = Some(Delegation {
                expires_at,
                ..delegation()
            });
            let user = User {
                delegation,
                ..user()
            };
            let mac = Signed::sign(user, &macs()).mac().as_stored();
            assert_eq!(mac, expected, "{expires_at:?}");
        }
    }

    #[test]
    fn the_mac_of_a_key_row_is_the_documented_one() {
        let expiry = Some(1_900_000_000);
        for (expires_at, fresh_until, expected) in [
            (
                expiry,
                None,
                "b75c0c4eefa6817b.750c43a30e351bc63ff3797e63149f144a060012304396d667e5e429d9a6a18c",
            ),
            (
                expiry,
                Some(1_800_000_300),
                "b75c0c4eefa6817b.a5ef9c67128c2bb805f66826a1141d0b5922246a8163d3352faa06e8c9faf894",
            ),
            (
                None,
                Some(1_800_000_300),
                "b75c0c4eefa6817b.baccbda679dfae9673890485e2882dfc2a00e82d66fdf42e964735670e2a2661",
            ),
        ] {
            let key = ApiKeyRecord {
                expires_at: expires_at.map(Timestamp),
                fresh_until: fresh_until.map(Timestamp),
                ..key()
            };
            let mac = Signed::sign(key, &macs()).mac().as_stored();
            assert_eq!(mac, expected, "{expires_at:?} {fresh_until:?}");
        }
    }

    #[test]
    fn every_column_that_decides_something_is_covered() {
        let user_mac = |edit: fn(&mut User)| {
            let mut user = user();
            edit(&mut user);
            Signed::sign(user, &macs()).mac().as_stored()
        };
        let of_users = [
            user_mac(|_| ()),
            user_mac(|user| user.id = Id::generate()),
            user_mac(|user| user.username = Username::parse("eve").unwrap()),
            user_mac(|user| user.kind = UserKind::Agent),
            user_mac(|user| user.role = Role::Normal),
            user_mac(|user| user.status = UserStatus::Disabled),
            user_mac(|user| user.password_hash = Some(PasswordHash::from_stored("x".into()))),
            user_mac(|user| user.mfa_since = Some(Timestamp(1))),
            user_mac(|user| user.legacy_id = Some(LegacyId(1))),
            user_mac(|user| user.legacy_id = Some(LegacyId(2))),
            user_mac(|user| user.version = 4),
            user_mac(|user| user.delegation = Some(delegation())),
            user_mac(|user| {
                user.delegation = Some(Delegation {
                    owner: Id::generate(),
                    ..delegation()
                });
            }),
            user_mac(|user| {
                user.delegation = Some(Delegation {
                    scopes: Scopes::NONE,
                    ..delegation()
                });
            }),
            user_mac(|user| {
                user.delegation = Some(Delegation {
                    expires_at: None,
                    ..delegation()
                });
            }),
        ];
        let key_mac = |edit: fn(&mut ApiKeyRecord)| {
            let mut key = key();
            edit(&mut key);
            Signed::sign(key, &macs()).mac().as_stored()
        };
        let of_keys = [
            key_mac(|_| ()),
            key_mac(|key| key.id = ApiKeyId::parse("0123456789ABCDEf").unwrap()),
            key_mac(|key| key.kind = ApiKeyKind::Login),
            key_mac(|key| key.user = Id::generate()),
            key_mac(|key| key.scopes = Scopes::all()),
            key_mac(|key| key.created_at = Timestamp(1)),
            key_mac(|key| key.expires_at = None),
            key_mac(|key| (key.expires_at, key.revoked_at) = (None, key.expires_at)),
            key_mac(|key| key.revoked_at = Some(Timestamp(1))),
            key_mac(|key| key.fresh_until = Some(Timestamp(1))),
            key_mac(|key| key.kind = ApiKeyKind::Foreign),
            key_mac(|key| key.legacy_id = Some(LegacyId(1))),
        ];
        for macs in [of_users.as_slice(), &of_keys] {
            let different: HashSet<_> = macs.iter().collect();
            assert_eq!(different.len(), macs.len());
        }
    }

    /// Whoever writes to the database could turn a second factor off if the time since when it is
    /// asked for passed for a number of an import.
    #[test]
    fn a_legacy_id_never_passes_for_a_time() {
        let number = i64::from_be_bytes(*b"legacy_i");
        let with_time = User {
            mfa_since: Some(Timestamp(number)),
            ..user()
        };
        let with_id = User {
            legacy_id: Some(LegacyId(number)),
            ..user()
        };
        let mac = Signed::sign(with_time, &macs()).mac().clone();
        assert!(!Signed::from_stored(with_id, mac).is_genuine(&macs()));
    }

    #[test]
    fn a_key_is_live_until_it_ends() {
        let key = key();
        assert!(key.is_live(Timestamp(1_899_999_999)));
        assert!(!key.is_live(Timestamp(1_900_000_000)));
        let revoked = ApiKeyRecord {
            revoked_at: Some(Timestamp(i64::MAX)),
            ..key
        };
        assert!(!revoked.is_live(Timestamp(0)));
    }

    #[test]
    fn only_an_active_person_is_an_administrator_to_count_on() {
        let roles = [Role::Admin, Role::Normal];
        let kinds = [UserKind::Human, UserKind::Agent];
        let states = [
            UserStatus::Active,
            UserStatus::Disabled,
            UserStatus::Deleted,
        ];
        let mut counted = Vec::new();
        for role in roles {
            for kind in kinds {
                for status in states {
                    let user = User {
                        kind,
                        role,
                        status,
                        ..user()
                    };
                    if user.is_active_admin() {
                        counted.push((role, kind, status));
                    }
                }
            }
        }
        assert_eq!(
            counted,
            [(Role::Admin, UserKind::Human, UserStatus::Active)]
        );
    }

    #[test]
    fn a_user_is_live_while_active_and_an_agent_until_its_term_ends() {
        let now = Timestamp(1_800_000_000);
        let person = User {
            kind: UserKind::Human,
            status: UserStatus::Active,
            delegation: None,
            ..user()
        };
        assert!(person.is_live(now));
        let disabled = User {
            status: UserStatus::Disabled,
            ..person.clone()
        };
        assert!(!disabled.is_live(now));
        let agent = |delegation| User {
            kind: UserKind::Agent,
            delegation,
            ..person.clone()
        };
        assert!(!agent(None).is_live(now), "it is nobody's");
        for (expires_at, is_live) in [
            (None, true),
            (Some(now.plus(1)), true),
            (Some(now), false),
            (Some(now.plus(-1)), false),
        ] {
            let delegation = Delegation {
                owner: person.id,
                scopes: Scopes::all(),
                expires_at,
            };
            let agent = agent(Some(delegation));
            assert_eq!(agent.is_live(now), is_live, "{expires_at:?}");
            let disabled = User {
                status: UserStatus::Disabled,
                ..agent
            };
            assert!(!disabled.is_live(now));
        }
    }
}
