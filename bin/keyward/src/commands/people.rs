//! Users as commands name them.

use std::str::FromStr;

use keyward_auth::{Host, MalformedUsername, ManageUsers, UserError, UserId, UserView, Username};
use keyward_core::Id;
use keyward_store_diesel::DieselStore;

/// A user by name or by id. What is an id could be a name, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Who(Username);

impl Who {
    fn id(&self) -> Option<UserId> {
        Id::parse(self.0.as_str()).ok()
    }

    /// The user with this id, or else with this name.
    pub(super) fn find(&self, users: &ManageUsers<DieselStore>) -> Result<UserView, UserError> {
        match self.id().map(|id| users.user(&Host, id)) {
            None | Some(Err(UserError::NotFound)) => users.user_named(Host, &self.0),
            Some(found) => found,
        }
    }
}

impl FromStr for Who {
    type Err = MalformedUsername;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Username::parse(text).map(Self)
    }
}

/// What to say where there is no such user.
pub(super) const NO_SUCH_USER: &str =
    "there is no such user; `keyward user list` shows who there is";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_named_in_the_canonical_form_or_by_an_id() {
        let ada: Who = "ADA".parse().unwrap();
        assert_eq!((ada.0.as_str(), ada.id()), ("ada", None));

        let id: UserId = Id::generate();
        let by_id: Who = id.to_string().to_uppercase().parse().unwrap();
        assert_eq!(by_id.id(), Some(id));
        assert!("a b".parse::<Who>().is_err());
    }
}
