use keyward_auth::{Host, UserChange, UserStatus};

use super::Desk;
use super::refusal::no_change;
use crate::commands::people::Who;
use crate::exit::Failure;

impl Desk {
    pub(super) fn disable(&self, who: &Who) -> Result<(), Failure> {
        let done = "is disabled: their sessions have ended, and their keys are refused";
        self.set_status(who, UserStatus::Disabled, done)
    }

    pub(super) fn enable(&self, who: &Who) -> Result<(), Failure> {
        let done = "is active: they can log in, and their keys work";
        self.set_status(who, UserStatus::Active, done)
    }

    fn set_status(&self, who: &Who, status: UserStatus, done: &str) -> Result<(), Failure> {
        let change = UserChange {
            status: Some(status),
            ..UserChange::default()
        };
        let user = self.users.change(&Host, self.find(who)?.id, &change);
        self.say(&user.map_err(|error| no_change(&error))?, done)
    }
}
