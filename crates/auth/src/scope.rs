use std::fmt;
use std::str::FromStr;

use crate::Role;

/// One thing that a key may be allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// See profiles, keys, agents and masked credentials.
    Read,
    /// Create, change and delete credentials.
    CredentialsWrite,
    /// Have a credential used through Keyward, without seeing it.
    CredentialsUse,
    /// Get the secret of a credential.
    CredentialsAccess,
    /// Create and manage agents.
    AgentsWrite,
    /// Manage people. Administrators only.
    UsersWrite,
    /// Read the audit log. Administrators only.
    AuditRead,
    /// Operate the server: checklist, encryption keys, metrics. Administrators only.
    Admin,
}

impl Scope {
    /// Every scope, in the order of its text form.
    pub const ALL: [Self; 8] = [
        Self::Read,
        Self::CredentialsWrite,
        Self::CredentialsUse,
        Self::CredentialsAccess,
        Self::AgentsWrite,
        Self::UsersWrite,
        Self::AuditRead,
        Self::Admin,
    ];

    /// The name that clients use. Names are part of the stored format: never change one.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::CredentialsWrite => "credentials:write",
            Self::CredentialsUse => "credentials:use",
            Self::CredentialsAccess => "credentials:access",
            Self::AgentsWrite => "agents:write",
            Self::UsersWrite => "users:write",
            Self::AuditRead => "audit:read",
            Self::Admin => "admin",
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.as_str() == text)
            .ok_or(UnknownScope)
    }
}

/// The text names no scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown scope; known are read, credentials:write, credentials:use, credentials:access, \
     agents:write, users:write, audit:read and admin"
)]
pub struct UnknownScope;

/// A set of scopes. No scope contains another: a key may do exactly what is listed.
///
/// ```
/// use keyward_auth::{Role, Scope, Scopes};
///
/// let asked: Scopes = [Scope::Read, Scope::UsersWrite].into_iter().collect();
/// let possible = Scopes::of_role(Role::Normal);
/// assert_eq!(asked.without(possible).to_string(), "users:write");
/// assert!(asked.intersection(possible).contains(Scope::Read));
/// assert_eq!(Scopes::from_stored("read users:write"), Ok(asked));
/// assert!(Scopes::from_stored("read everything").is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Scopes(u16);

impl Scopes {
    /// No scope at all: such a key can only say whose it is.
    pub const NONE: Self = Self(0);

    /// Every scope.
    #[must_use]
    pub fn all() -> Self {
        Scope::ALL.into_iter().collect()
    }

    /// What users of a role can have at most.
    #[must_use]
    pub fn of_role(role: Role) -> Self {
        match role {
            Role::Admin => Self::all(),
            Role::Normal => [
                Scope::Read,
                Scope::CredentialsWrite,
                Scope::CredentialsUse,
                Scope::CredentialsAccess,
                Scope::AgentsWrite,
            ]
            .into_iter()
            .collect(),
        }
    }

    /// Whether `scope` is in the set.
    #[must_use]
    pub const fn contains(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// The scopes in both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The scopes of this set that `other` lacks.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether the set is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The scopes in the order of [`Scope::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL
            .into_iter()
            .filter(move |scope| self.contains(*scope))
    }

    /// Reads the stored form back: names separated by single spaces.
    pub fn from_stored(text: &str) -> Result<Self, UnknownScope> {
        text.split(' ')
            .filter(|name| !name.is_empty())
            .map(str::parse)
            .collect()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |set, scope| set | scope.bit()))
    }
}

/// The stored form: names in a fixed order, separated by single spaces.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, scope) in self.iter().enumerate() {
            if n > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope.as_str())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scopes({self})")
    }
}

impl serde::Serialize for Scopes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(Scope::as_str))
    }
}

impl<'de> serde::Deserialize<'de> for Scopes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        names
            .iter()
            .map(|name| name.parse::<Scope>())
            .collect::<Result<_, _>>()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_form_reads_back_for_every_set() {
        for bits in 0..=u8::MAX {
            let set = Scopes(u16::from(bits));
            assert_eq!(Scopes::from_stored(&set.to_string()), Ok(set));
        }
    }

    #[test]
    fn an_unknown_name_is_refused_and_not_skipped() {
        for text in ["root", "Read", "read  admins", "read,admin", "*"] {
            assert_eq!(Scopes::from_stored(text), Err(UnknownScope), "{text}");
        }
    }

    #[test]
    fn a_set_has_what_was_put_in_and_once() {
        let set: Scopes = [Scope::Admin, Scope::Read, Scope::Admin]
            .into_iter()
            .collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), [Scope::Read, Scope::Admin]);
        for scope in Scope::ALL {
            let is_in = matches!(scope, Scope::Read | Scope::Admin);
            assert_eq!(set.contains(scope), is_in, "{scope}");
        }
        assert_eq!(set.to_string(), "read admin");
        assert_eq!(format!("{set:?}"), "Scopes(read admin)");
        let json = r#"["read","admin"]"#;
        assert_eq!(serde_json::to_string(&set).unwrap(), json);
        assert_eq!(serde_json::from_str::<Scopes>(json).unwrap(), set);
        assert!(serde_json::from_str::<Scopes>(r#"["read","root"]"#).is_err());
    }

    #[test]
    fn sets_are_taken_from_each_other_and_cut_with_each_other() {
        let of = |scopes: &[Scope]| scopes.iter().copied().collect::<Scopes>();
        let (one, other) = (
            of(&[Scope::Read, Scope::Admin]),
            of(&[Scope::Admin, Scope::AuditRead]),
        );
        assert_eq!(one.intersection(other), of(&[Scope::Admin]));
        assert_eq!(one.without(other), of(&[Scope::Read]));
        assert!(one.without(one).is_empty() && !one.is_empty());
        assert_eq!(Scopes::NONE, of(&[]));
    }

    #[test]
    fn only_administrators_can_have_the_scopes_that_concern_others() {
        let normal = Scopes::of_role(Role::Normal);
        for scope in [Scope::UsersWrite, Scope::AuditRead, Scope::Admin] {
            assert!(!normal.contains(scope));
            assert!(Scopes::of_role(Role::Admin).contains(scope));
        }
    }
}
