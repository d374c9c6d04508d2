use keyward_auth::Host;

use super::Desk;
use super::refusal::{no_change, no_factor};
use crate::commands::people::Who;
use crate::exit::Failure;

impl Desk {
    /// Lifts locks.
    pub(super) fn unlock(&self, who: &Who) -> Result<(), Failure> {
        let user = self.find(who)?;
        self.mfa
            .unlock(&Host, user.id)
            .map_err(|error| no_factor(&error))?;
        self.say(&user, "is unlocked; five tries in a minute stay the limit")
    }

    /// Takes the second factor away.
    pub(super) fn reset_mfa(&self, who: &Who) -> Result<(), Failure> {
        let id = self.find(who)?.id;
        self.mfa
            .reset(&Host, id)
            .map_err(|error| no_factor(&error))?;
        let user = self.users.user(&Host, id);
        let done = "has no second factor, and their sessions have ended";
        self.say(&user.map_err(|error| no_change(&error))?, done)
    }
}
