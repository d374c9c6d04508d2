use std::fmt::Write as _;

use keyward_auth::{Host, UserView};
use serde_json::json;

use super::Desk;
use super::refusal::no_change;
use crate::cli::Output;
use crate::exit::Failure;
use crate::terminal;

impl Desk {
    /// Prints everybody.
    pub(super) fn list(&self) -> Result<(), Failure> {
        let users = self.everybody()?;
        terminal::print(&match self.output {
            Output::Json => json!({ "items": users }).to_string() + "\n",
            Output::Text => table(&users),
        })
    }

    fn everybody(&self) -> Result<Vec<UserView>, Failure> {
        let mut all: Vec<UserView> = Vec::new();
        loop {
            let after = all.last().map(|user| user.id);
            let page = self.users.list(&Host, after, PAGE);
            let page = page.map_err(|error| no_change(&error))?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }
}

/// The names stand last: how wide they are depends on script and terminal.
fn table(users: &[UserView]) -> String {
    let mut text = row(["ID", "KIND", "ROLE", "STATUS", "MFA", "CREATED", "USERNAME"]);
    for user in users {
        text += &row([
            &user.id.to_string(),
            &user.kind,
            &user.role,
            &user.status,
            if user.mfa_enabled { "yes" } else { "no" },
            &user.created_at.to_string(),
            &user.username,
        ]);
    }
    text
}

fn row([id, kind, role, status, mfa, created, username]: [&str; 7]) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "{id:36}  {kind:5}  {role:6}  {status:8}  {mfa:3}  {created:20}  {username}"
    );
    text
}

const PAGE: i64 = 200;

#[cfg(test)]
mod tests {
    use keyward_core::{Id, Timestamp};

    use super::*;

    #[test]
    fn columns_are_aligned_whatever_is_in_them() {
        let user = |username: &str, kind: &str, role: &str, status: &str| UserView {
            id: Id::parse("01890a5d-7e8f-7c3d-a1b2-c3d4e5f60718").unwrap(),
            username: username.to_owned(),
            kind: kind.to_owned(),
            role: role.to_owned(),
            status: status.to_owned(),
            first_name: String::new(),
            last_name: String::new(),
            mfa_enabled: role == "admin",
            created_at: Timestamp(1_800_000_000),
            legacy_id: None,
        };
        let users = [
            user("ada", "human", "admin", "active"),
            user("\u{674e}\u{96f7}", "agent", "normal", "disabled"),
        ];
        insta::assert_snapshot!(table(&users), @r"
        ID                                    KIND   ROLE    STATUS    MFA  CREATED               USERNAME
        01890a5d-7e8f-7c3d-a1b2-c3d4e5f60718  human  admin   active    yes  2027-01-15T08:00:00Z  ada
        01890a5d-7e8f-7c3d-a1b2-c3d4e5f60718  agent  normal  disabled  no   2027-01-15T08:00:00Z  李雷
        ");
    }
}
