//! Who can administer this installation, and how well that is guarded.

use keyward_auth::{User, UserId, Users as _};
use keyward_core::{Store as _, StoreError};
use keyward_crypto::MacRing;
use keyward_store_diesel::DieselStore;

use crate::settings::Mode;

use super::check::{Check, Rule, Severity};
use super::stored::{LOOK, cause};

/// Who the active administrators are, by rows that are genuine.
pub(super) fn check(mode: Mode, store: &DieselStore, macs: Option<&MacRing>) -> Check {
    let Some(macs) = macs else {
        return ADMIN_MFA.skip("there is no usable SECRET_KEY to verify users with");
    };
    match administrators(store, macs) {
        Ok(found) => admin_mfa(mode, &found),
        Err(error) => ADMIN_MFA.warn(cause(&error), LOOK),
    }
}

pub(super) const RULES: [Rule; 1] = [ADMIN_MFA];

fn administrators(store: &DieselStore, macs: &MacRing) -> Result<Vec<User>, StoreError> {
    let mut found = Vec::new();
    let mut after: Option<UserId> = None;
    loop {
        let page = store.lookup(|tx| tx.users_after(after, PAGE))?;
        let Some(last) = page.last() else {
            return Ok(found);
        };
        after = Some(last.unverified().id);
        let genuine = page.into_iter().filter_map(|row| row.verify(macs).ok());
        found.extend(genuine.filter(User::is_active_admin));
    }
}

fn admin_mfa(mode: Mode, administrators: &[User]) -> Check {
    let without: Vec<_> = administrators
        .iter()
        .filter(|user| user.mfa_since.is_none())
        .map(|user| user.username.as_str())
        .collect();
    let fix = "have each of them enrol an authenticator app (POST /api/v1/auth/mfa/setup), or run \
               `keyward user enrol-mfa NAME`";
    match (administrators.len(), without.as_slice()) {
        (0, _) => ADMIN_MFA.skip("there is no active administrator; `keyward init` makes one"),
        (all, []) => ADMIN_MFA.pass(format_args!("{all} administrators, all with one")),
        (_, without) => {
            let evidence = format!("without one: {}", without.join(", "));
            ADMIN_MFA.remind(mode, evidence, fix)
        }
    }
}

const PAGE: i64 = 200;

const ADMIN_MFA: Rule = Rule {
    id: "people.admin-mfa",
    title: "Every active administrator has a second factor",
    severity: Severity::Warning,
    asvs: "v5.0.0-6.3.3",
};
