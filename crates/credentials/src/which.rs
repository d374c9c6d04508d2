use keyward_core::Id;

use crate::{CredentialId, CredentialName, MalformedCredentialName};

/// Names a credential in a request: by its id, or by what people call it.
///
/// Names are not unique and no MAC covers them; an id leaves no doubt.
///
/// ```
/// use keyward_core::Id;
/// use keyward_credentials::Which;
///
/// let id = Id::generate();
/// assert_eq!(Which::parse(&id.to_string()), Ok(Which::Id(id)));
/// assert!(matches!(Which::parse("the team's key"), Ok(Which::Name(_))));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// Exactly one.
    Id(CredentialId),
    /// The one that has this name, if only one has.
    Name(CredentialName),
}

impl Which {
    /// Reads an id, or else a name.
    pub fn parse(text: &str) -> Result<Self, MalformedCredentialName> {
        match Id::parse(text) {
            Ok(id) => Ok(Self::Id(id)),
            Err(_) => CredentialName::parse(text).map(Self::Name),
        }
    }
}
