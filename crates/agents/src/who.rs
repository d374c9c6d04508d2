use keyward_auth::{User, UserId, UserStatus, Username, Users};
use keyward_core::StoreError;
use keyward_crypto::Signed;

/// A user as somebody names one: by id or by user name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who(String);

impl Who {
    /// Takes what was typed. Whether there is such a user shows when it is looked up.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The user, revoked and deleted ones excluded.
    pub(crate) fn find<Tx: Users>(&self, tx: &mut Tx) -> Result<Option<Signed<User>>, StoreError> {
        let found = match (UserId::parse(&self.0), Username::parse(&self.0)) {
            (Ok(id), _) => tx.user(id)?,
            (Err(_), Ok(name)) => tx.user_by_name(&name)?,
            _ => None,
        };
        Ok(found.filter(|user| user.unverified().status != UserStatus::Deleted))
    }
}
